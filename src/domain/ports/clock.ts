/** Time and waiting. Decisions get the time as an argument; only loops and handlers hold a clock. */
export interface Clock {
  now(): Date;
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}
