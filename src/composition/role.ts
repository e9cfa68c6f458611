/** Something a process does until it is told to stop: consume a queue, relay, sweep, serve. */
export interface Role {
  readonly name: string;
  /** Resolves when it works. */
  start(): Promise<void>;
  /** Takes nothing new, finishes what it has begun, and resolves. */
  stop(): Promise<void>;
  /** Does it once, for a scheduled job; absent where a role serves until it is stopped. @returns whether it went well. */
  turn?(): Promise<boolean>;
}
