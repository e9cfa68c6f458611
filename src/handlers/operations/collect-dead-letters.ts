import { failedMessageIdOf } from '#domain/identity.ts';
import { type Envelope, messageDefinition, parseMessage, SEQUENCE_BLOCK } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { FailedMessageStore } from '#domain/ports/failed-message-store.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { StageRunStore } from '#domain/ports/stage-run-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { report } from '#domain/reported-events.ts';
import { runKeyOf } from '#domain/stage-plan.ts';
import { consumerOf, LANDING_QUEUE, SAGA_QUEUE } from '#domain/topology.ts';
import { publishStageEvents, stageEvent } from '../stage-messages.ts';

/** A dead letter as it comes from the queue of failed messages. */
export interface DeadLetter {
  /** A CloudEvent, or, of the landing queue, what Event Grid sent; or something that is neither. */
  readonly body: unknown;
  readonly messageId: string;
  readonly cloudEventId: string;
  /** Where it died and why; the broker may not know where. */
  readonly deadLetter?: { readonly queue: string; readonly reason: string; readonly description: string };
}

export interface CollectPorts {
  readonly store: FailedMessageStore;
  readonly runs: Pick<StageRunStore, 'find'>;
  readonly messages: MessageSender;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Stores a dead letter, so that it can be found, grouped and replayed; the caller then completes the message. Doing
 * it twice stores it once. Where the saga waits for what has just died, it is told.
 */
export async function collectDeadLetter(ports: CollectPorts, letter: DeadLetter): Promise<void> {
  const { messageId, cloudEventId, body, deadLetter } = letter;
  const parsed = parseMessage(body);
  const envelope = parsed.ok ? parsed.envelope : undefined;
  const queue = deadLetter?.queue || queueOf(body);
  const reason = deadLetter?.reason || 'Unknown';
  const messageType = envelope?.type ?? typeOf(body) ?? 'unknown';
  const failedMessageId = failedMessageIdOf(queue, messageId);
  const description = deadLetter?.description || 'The broker gave no description.';
  await ports.store.save({
    failedMessageId,
    queue,
    messageType,
    ...(envelope === undefined ? {} : { measurementId: envelope.subject }),
    cloudEventId,
    reason,
    description,
    body,
    failedAt: ports.clock.now().toISOString(),
    state: 'failed',
    replayCount: replayNumberOf(messageId),
  });
  report(ports.telemetry, 'dead letter', { queue, reason, messageType }, {});
  const restore = envelope === undefined ? undefined : await restoreOf(ports, envelope);
  if (restore !== undefined) await sayRestoreDied(ports, restore, { failedMessageId, reason, description });
}

type RestoreCommand = Envelope<'landfall.measurement.restore.v1'>;

/** The order to bring files back that died with this message, if it was one, or asked for the end of one. */
async function restoreOf(ports: CollectPorts, envelope: Envelope): Promise<RestoreCommand | undefined> {
  if (envelope.type === 'landfall.measurement.restore.v1') return envelope;
  if (envelope.type !== 'landfall.stage.conclude.v1' || envelope.data.stage !== 'restore') return undefined;
  const run = await ports.runs.find(envelope.data.stageRunId);
  return run?.command.type === 'landfall.measurement.restore.v1' ? run.command : undefined;
}

/** A measurement would be Rehydrating until its deadline, days later: it goes back to what it was, with the reason. */
async function sayRestoreDied(
  ports: CollectPorts,
  command: RestoreCommand,
  died: { readonly failedMessageId: string; readonly reason: string; readonly description: string },
): Promise<void> {
  const { measurementId, generation, number } = command.data;
  const { failedMessageId, reason, description } = died;
  const sentence = `The files did not come back to Landing: ${description.slice(0, 1200)} When the cause is gone, rehydrate the measurement again; what died is kept as dead letter ${failedMessageId} (landfall dead-letters show ${failedMessageId}).`;
  const failed = stageEvent('landfall.restore.failed.v1', {
    measurementId,
    generation,
    number,
    reason: { code: reason.split(':').at(-1) || 'task-failed', message: sentence },
  });
  const place = { measurementId, generation, stage: 'restore', attempt: 0 } as const;
  const key = runKeyOf('restore', command.id);
  await publishStageEvents(ports, command, { ...place, key }, [failed], SEQUENCE_BLOCK - 1);
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
