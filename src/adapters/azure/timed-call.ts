import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import type { ServiceCall } from '#domain/service-call.ts';
import { statusOf } from './service-failure.ts';

/** What a call is, before it is made. */
export type CallName = Pick<ServiceCall, 'service' | 'operation' | 'target'>;

/** What an answer tells about a call. */
export type CallAnswer = Pick<ServiceCall, 'statusCode' | 'requestCharge'>;

/**
 * Makes a call and says how long it took; a failure travels on. Where nobody listens (`calls` is undefined) it costs
 * nothing.
 */
export async function timedCall<T>(
  calls: ServiceCalls | undefined,
  name: CallName,
  make: () => Promise<T>,
  answerOf: (answer: T) => CallAnswer = () => ({}),
  refusalOf: (error: unknown) => CallAnswer = refusedWith,
): Promise<T> {
  if (calls === undefined) return make();
  const startedMs = performance.now();
  try {
    const answer = await make();
    calls.call({ ...name, durationMs: performance.now() - startedMs, ...answerOf(answer) });
    return answer;
  } catch (error) {
    const refusal = refusalOf(error);
    calls.call({
      ...name,
      durationMs: performance.now() - startedMs,
      ...refusal,
      ...(refusal.statusCode === undefined ? { error: sentenceOf(error) } : {}),
    });
    throw error;
  }
}

/** An answer that the client made an error of. */
export function refusedWith(error: unknown): CallAnswer {
  const statusCode = statusOf(error);
  return statusCode === undefined ? {} : { statusCode };
}

const ERROR_LENGTH_MAX = 200;

function sentenceOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(
    0,
    ERROR_LENGTH_MAX,
  );
}
