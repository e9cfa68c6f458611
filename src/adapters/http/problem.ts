import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { Cancelled, Conflict, isFailure, RetryableFailure, type TerminalFailure } from '#domain/failures.ts';
import { AccessRefusal } from './access.ts';

/** RFC 9457, "Problem Details for HTTP APIs". */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

const MEDIA_TYPE = 'application/problem+json';

export function problemOf(error: unknown): Problem {
  if (error instanceof AccessRefusal) {
    return {
      type: 'https://landfall.dev/runbooks/access-denied',
      title: 'access-denied',
      status: error.status,
      detail: error.message,
    };
  }
  if (error instanceof HTTPException) {
    // The framework's own refusals: a body that does not parse, or is of another media type.
    return {
      type: 'https://landfall.dev/runbooks/message-invalid',
      title: 'message-invalid',
      status: error.status,
      detail: `The body is not JSON: ${error.message}. Send application/json as /openapi.json describes it.`,
    };
  }
  if (!isFailure(error)) {
    // What it was is in the log; a stranger gets no stack trace.
    return {
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      detail: 'Something failed that should not. The log of the API says what.',
    };
  }
  return {
    type: `https://landfall.dev/runbooks/${error.code}`,
    title: error.code,
    status: statusOf(error),
    detail: error.message,
  };
}

function statusOf(error: TerminalFailure | RetryableFailure | Conflict | Cancelled): number {
  if (error instanceof Conflict) return 409;
  if (error instanceof RetryableFailure || error instanceof Cancelled) return 503;
  if (error.code === 'not-found') return 404;
  if (error.code === 'not-allowed') return 409;
  return 400;
}

export function answerProblem(context: Context, problem: Problem): Response {
  return context.body(JSON.stringify(problem), problem.status as 400, {
    'content-type': MEDIA_TYPE,
    // RFC 6750, section 3: who sends no token is told which kind is wanted.
    ...(problem.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  });
}
