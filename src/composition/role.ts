/** Something a process does until it is told to stop: consume a queue, relay, sweep, serve. */
export interface Role {
  readonly name: string;
  /** Resolves when it works. */
  start(): Promise<void>;
  /** Takes nothing new, finishes what it has begun, and resolves. */
  stop(): Promise<void>;
}
