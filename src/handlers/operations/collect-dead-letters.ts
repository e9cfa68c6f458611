import { failedMessageIdOf } from '#domain/identity.ts';
import { messageDefinition, parseMessage } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { FailedMessageStore } from '#domain/ports/failed-message-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { report } from '#domain/reported-events.ts';
import { consumerOf, LANDING_QUEUE, SAGA_QUEUE } from '#domain/topology.ts';

/** A dead letter as it comes from the queue of failed messages. */
export interface DeadLetter {
  /** A CloudEvent, or, of the landing queue, what Event Grid sent; or something that is neither. */
  readonly body: unknown;
  readonly messageId: string;
  readonly cloudEventId: string;
  /** Where it died and why; the broker may not know where. */
  readonly deadLetter?: { readonly queue: string; readonly reason: string; readonly description: string };
}

/**
 * Stores a dead letter, so that it can be found, grouped and replayed; the caller then completes the message. Doing
 * it twice stores it once.
 */
export async function collectDeadLetter(
  ports: {
    readonly store: FailedMessageStore;
    readonly clock: Clock;
    readonly telemetry: Telemetry;
  },
  letter: DeadLetter,
): Promise<void> {
  const { messageId, cloudEventId, body, deadLetter } = letter;
  const parsed = parseMessage(body);
  const envelope = parsed.ok ? parsed.envelope : undefined;
  const queue = deadLetter?.queue || queueOf(body);
  const reason = deadLetter?.reason || 'Unknown';
  const messageType = envelope?.type ?? typeOf(body) ?? 'unknown';
  await ports.store.save({
    failedMessageId: failedMessageIdOf(queue, messageId),
    queue,
    messageType,
    ...(envelope === undefined ? {} : { measurementId: envelope.subject }),
    cloudEventId,
    reason,
    description: deadLetter?.description || 'The broker gave no description.',
    body,
    failedAt: ports.clock.now().toISOString(),
    state: 'failed',
    replayCount: replayNumberOf(messageId),
  });
  report(ports.telemetry, 'dead letter', { queue, reason, messageType }, {});
}

/** Where a message was going, where the broker does not say where it died. */
function queueOf(body: unknown): string {
  const parsed = parseMessage(body);
  if (!parsed.ok) return LANDING_QUEUE;
  const { type, data } = parsed.envelope;
  if (messageDefinition(type)?.kind === 'event') return SAGA_QUEUE;
  return consumerOf(type, 'stage' in data ? String(data.stage) : undefined);
}

function typeOf(body: unknown): string | undefined {
  const first: unknown = Array.isArray(body) ? body[0] : body;
  if (typeof first !== 'object' || first === null) return undefined;
  const { type, eventType } = first as { readonly type?: unknown; readonly eventType?: unknown };
  const name = type ?? eventType;
  return typeof name === 'string' ? name : undefined;
}

/** A replay that failed again has its number in its transport id (`#r3`), so that the next one gets the next. */
function replayNumberOf(messageId: string): number {
  return Number(/#r(\d+)/.exec(messageId)?.[1] ?? 0);
}
