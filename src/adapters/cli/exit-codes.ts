/** What the exit code of `landfall` says; docs/command-line.md lists them for people. */
export const EXIT = {
  ok: 0,
  /** Something failed; the message says what. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  /** The measurement ended, but not `Shared`. */
  notShared: 3,
  /** The recording file cannot be read at all. */
  unreadable: 4,
  /** The stack is not running, or does not accept work yet. */
  notReady: 5,
} as const;

/** An error with a remedy, shown without a stack trace. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
