import { expiryIdOf } from '#domain/identity.ts';
import { type DataOf, type Envelope, envelopeOf } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { DeadlineQuery } from '#domain/ports/saga-store.ts';
import { SAGA_QUEUE } from '#domain/topology.ts';

const DEADLINES_PER_SWEEP_MAX = 100;

/**
 * Tells the saga of deadlines that have passed, whatever became of their scheduled messages. The message has the
 * same id as the scheduled one, so the saga takes only the first of them.
 * @returns how many deadlines had passed.
 */
export async function sweepDeadlines(ports: {
  readonly deadlines: DeadlineQuery;
  readonly sender: MessageSender;
  readonly clock: Clock;
}): Promise<number> {
  const now = ports.clock.now();
  const overdue = await ports.deadlines.overdue(now, DEADLINES_PER_SWEEP_MAX);
  if (overdue.length === 0) return 0;
  const type = 'landfall.stage.expire.v1';
  await ports.sender.send(
    overdue.map(({ measurementId, generation, stage, attempt, fleet, region }) => {
      const id = expiryIdOf(measurementId, generation, stage, attempt);
      const data = { measurementId, generation, stage, attempt } as DataOf<typeof type>;
      const source = 'landfall/deadline-sweep';
      const envelope = envelopeOf(type, data, { id, source, time: now, fleet, region, sequence: 0 });
      return {
        destination: { kind: 'queue', name: SAGA_QUEUE },
        envelope: envelope as Envelope,
        messageId: id,
      };
    }),
  );
  return overdue.length;
}
