import { exhaustMap, from, type Subscription, timer } from 'rxjs';
import { isFailure } from '#domain/failures.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { Role } from './role.ts';

/**
 * Does something again and again: never twice at once, and whatever fails today is tried again at the next turn.
 * @param work is told when the process wants to stop.
 */
export function periodicRole(
  name: string,
  intervalMs: number,
  telemetry: Telemetry,
  work: (signal: AbortSignal) => Promise<void>,
): Role {
  const stopping = new AbortController();
  let turns: Subscription | undefined;
  let underWay: Promise<unknown> = Promise.resolve();
  const turn = async () => {
    try {
      await work(stopping.signal);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      telemetry.event('role.turn-failed', { role: name, message });
      // What nobody has named is a defect; its stack belongs into the log. The role goes on either way.
      if (!isFailure(error)) console.error(`${name}:`, error);
      return false;
    }
  };
  return {
    name,
    async start() {
      turns = timer(0, intervalMs)
        .pipe(
          exhaustMap(() => {
            underWay = turn();
            return from(underWay);
          }),
        )
        .subscribe();
    },
    async stop() {
      turns?.unsubscribe();
      stopping.abort();
      await underWay;
    },
    turn,
  };
}
