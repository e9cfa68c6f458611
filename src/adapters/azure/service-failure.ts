import { RetryableFailure } from '#domain/failures.ts';

/** What all Azure clients throw has some of these; none has all. */
interface ServiceError extends Error {
  readonly statusCode?: number | string;
  readonly code?: number | string;
  readonly response?: { readonly headers?: { get?(name: string): string | null | undefined } };
  readonly retryAfterInMs?: number;
}

const TRANSIENT_STATUSES = new Set([408, 429, 449, 500, 502, 503, 504]);
const REFUSED_STATUSES = new Set([401, 403]);
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'REQUEST_SEND_ERROR',
  'RestError',
  'TimeoutError',
]);

/** The HTTP status a client reports, under whichever name. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { statusCode, code } = error as ServiceError;
  if (statusCode !== undefined && Number.isInteger(Number(statusCode))) return Number(statusCode);
  return code !== undefined && Number.isInteger(Number(code)) ? Number(code) : undefined;
}

/** The service's own code: `BlobNotFound`, `TaskExists`, … */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as ServiceError;
  return typeof code === 'string' ? code : undefined;
}

/**
 * A failure that may pass, as the domain names it: the service is unreachable, throttles or has an error of its own,
 * or refuses our identity (a role that is not yet there, or was taken away: a person mends that, and nothing is lost
 * by waiting). @returns undefined for anything else.
 */
export function retryableFailureOf(error: unknown, what: string): RetryableFailure | undefined {
  const status = statusOf(error);
  const code = codeOf(error);
  const isNetwork =
    code !== undefined &&
    NETWORK_CODES.has(code) &&
    (status === undefined || !(status >= 400 && status < 500));
  const isTransient = status !== undefined && TRANSIENT_STATUSES.has(status);
  const isRefused = status !== undefined && REFUSED_STATUSES.has(status);
  if (!isNetwork && !isTransient && !isRefused) return undefined;
  const message = (error as Error).message.split('\n')[0] ?? '';
  const advice = isRefused ? ' Check the role of the identity, or the key.' : '';
  const retryAfterMs = retryAfterMsOf(error as ServiceError);
  return new RetryableFailure(
    'dependency-unavailable',
    `${what}: ${code ?? ''} ${status ?? ''} ${message}${advice}`.replace(/ +/g, ' '),
    { cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
}

function retryAfterMsOf(error: ServiceError): number | undefined {
  if (error.retryAfterInMs !== undefined) return error.retryAfterInMs;
  const headers = error.response?.headers;
  const ms = headers?.get?.('x-ms-retry-after-ms') ?? headers?.get?.('retry-after-ms');
  if (ms !== undefined && ms !== null) return Number(ms);
  const seconds = headers?.get?.('retry-after');
  return seconds !== undefined && seconds !== null && Number.isFinite(Number(seconds))
    ? Number(seconds) * 1000
    : undefined;
}
