/**
 * What can go wrong, and what happens next. The class says what the runtime does; the code says what it was, and
 * has a runbook (docs/runbooks/<code>.md).
 */
export const FAILURE_CODES = {
  'message-invalid': 'A message does not match its published schema, or its version is unknown.',
  'manifest-invalid': 'The manifest does not parse, or breaks a rule of the manifest format.',
  'file-checksum-mismatch': 'The bytes of a recording file are not those the manifest names.',
  'file-size-mismatch': 'A recording file is larger or smaller than the manifest says.',
  'file-missing': 'A file that the manifest names is not there.',
  'file-unreadable': 'A recording file is not what its name or manifest says, or nothing of it can be read.',
  'file-changed': 'A file changed while it was being worked on.',
  'quality-insufficient': 'The recording is readable but misses what the manifest says it must hold.',
  'copy-unverified': 'A copy does not equal its source, block by block.',
  'task-failed': 'A task ended with an error and its retries are used up.',
  'task-lost': 'A task vanished without a result.',
  'stage-overdue': 'A stage did not answer within its deadline.',
  'dependency-unavailable': 'A service did not answer, throttled, or answered with a server error.',
  'concurrent-change': 'Another process changed the same thing first.',
  'not-found': 'A thing that was asked for does not exist.',
  'not-allowed': 'The state of a thing does not allow what was asked.',
  'access-denied': 'A caller of the metadata API shows no token, or lacks the role for what it asks.',
  'account-unavailable': 'No open storage account is registered for a zone and region.',
  cancelled: 'Somebody cancelled it.',
} as const;

export type FailureCode = keyof typeof FAILURE_CODES;

/** Base of the four failures; catch one of those, not this. */
abstract class Failure extends Error {
  readonly code: FailureCode;
  readonly details: readonly string[];

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
  }
}

export interface FailureOptions {
  readonly cause?: unknown;
  /** One sentence per file or task. */
  readonly details?: readonly string[];
}

/** Trying again cannot help: the message is dead-lettered, or the stage fails, with this reason. */
export class TerminalFailure extends Failure {
  override readonly name = 'TerminalFailure';
}

/** Trying again later may help. */
export class RetryableFailure extends Failure {
  override readonly name = 'RetryableFailure';
  /** Milliseconds to wait at least; absent = the consumer's own schedule. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, options: FailureOptions & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Somebody else was first: read again and decide again. Never counts as poison. */
export class Conflict extends Failure {
  override readonly name = 'Conflict';
  constructor(message: string, options: FailureOptions = {}) {
    super('concurrent-change', message, options);
  }
}

/** The process is stopping or the work was called off: leave everything as it is. */
export class Cancelled extends Failure {
  override readonly name = 'Cancelled';
  constructor(message: string, options: FailureOptions = {}) {
    super('cancelled', message, options);
  }
}

export function isFailure(
  error: unknown,
): error is TerminalFailure | RetryableFailure | Conflict | Cancelled {
  return error instanceof Failure;
}

/** Whether the version that was meant was replaced or removed: what lies there now is the upload of somebody else. */
export function isOvertaken(error: unknown): boolean {
  return isFailure(error) && (error.code === 'file-changed' || error.code === 'not-found');
}
