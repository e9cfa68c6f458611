import { isFailure, TerminalFailure } from '#domain/failures.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { OutboxEntry, OutboxFeed, SagaStore } from '#domain/ports/saga-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';

export interface RelayPorts {
  readonly feed: OutboxFeed;
  readonly store: Pick<SagaStore<unknown>, 'markDispatched'>;
  readonly sender: MessageSender;
  readonly telemetry: Telemetry;
}

/**
 * Sends what the saga committed and did not get to send: one pass over what is new in the feed. Send, then mark,
 * then remember how far: a crash in between only sends something twice, under the same id.
 * @returns how many messages were sent.
 * @throws {RetryableFailure} when broker or store do not answer; the next pass starts where this one did.
 */
export async function relayOutbox(ports: RelayPorts, reader: string): Promise<number> {
  const { entries, continuation } = await ports.feed.read(await ports.feed.loadContinuation(reader));
  for (const [measurementId, ofMeasurement] of Map.groupBy(entries, (entry) => entry.measurementId)) {
    const sent = await send(ports, ofMeasurement);
    await ports.store.markDispatched(
      measurementId,
      sent.map((entry) => entry.id),
    );
  }
  await ports.feed.saveContinuation(reader, continuation);
  return entries.length;
}

/**
 * All at once; where the broker will never take one of them, one by one, so that it does not keep the others waiting.
 * It stays in the outbox, and is reported.
 */
async function send(ports: RelayPorts, entries: readonly OutboxEntry[]): Promise<readonly OutboxEntry[]> {
  if (await isTaken(ports, entries)) return entries;
  const sent: OutboxEntry[] = [];
  for (const entry of entries) {
    if (await isTaken(ports, [entry])) sent.push(entry);
    else {
      const { measurementId, id, message } = entry;
      ports.telemetry.event('output refused by the broker', {
        measurementId,
        id,
        type: message.envelope.type,
      });
    }
  }
  return sent;
}

async function isTaken({ sender }: RelayPorts, entries: readonly OutboxEntry[]): Promise<boolean> {
  try {
    await sender.send(entries.map((entry) => entry.message));
    return true;
  } catch (error) {
    if (isFailure(error) && error instanceof TerminalFailure) return false;
    throw error;
  }
}
