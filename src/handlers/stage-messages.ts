import { messageIdOf } from '#domain/identity.ts';
import { type DataOf, type Envelope, envelopeOf, type MessageType } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { StageRun } from '#domain/ports/stage-run-store.ts';
import { type RunPlace, runKeyOf } from '#domain/stage-plan.ts';
import { COMMANDS_TOPIC, consumerOf, EVENTS_TOPIC } from '#domain/topology.ts';
import { TaskedWork } from '#domain/vocabulary.ts';

/** What stages say. Ids and sequence numbers follow from the command, so that saying it twice is saying it once. */
export interface StageEvent {
  readonly type: MessageType;
  readonly data: unknown;
}

export function stageEvent<T extends MessageType>(type: T, data: DataOf<T>): StageEvent {
  return { type, data };
}

interface SpeakingPorts {
  readonly messages: MessageSender;
  readonly clock: Clock;
}

/** Sequence numbers follow the command's: 1 for the start of an attempt, 2 … 9 for what ends it. */
export async function publishStageEvents(
  ports: SpeakingPorts,
  command: Envelope,
  place: Pick<RunPlace, 'measurementId' | 'generation' | 'stage' | 'attempt' | 'key'>,
  events: readonly StageEvent[],
  firstNumber: number,
): Promise<void> {
  const time = ports.clock.now();
  await ports.messages.send(
    events.map(({ type, data }, index) => {
      const id = messageIdOf(type, place.measurementId, place.generation, place.key, place.attempt);
      const envelope = envelopeOf(type, data as DataOf<typeof type>, {
        id,
        source: `landfall/${place.stage}`,
        time,
        fleet: command.fleet,
        region: command.region,
        sequence: Number(command.sequence) + firstNumber + index,
        causationId: command.id,
        ...(command.traceparent === undefined ? {} : { traceparent: command.traceparent }),
      });
      return { destination: { kind: 'topic', name: EVENTS_TOPIC }, envelope, messageId: id };
    }),
  );
}

/** Asks the stage to judge its run: every task has ended. */
export async function sendConclude(ports: SpeakingPorts, run: StageRun): Promise<void> {
  const type = 'landfall.stage.conclude.v1';
  const { generation = 1 } = run.command.data as { readonly generation?: number };
  const stage = TaskedWork.parse(run.stage);
  const id = messageIdOf(type, run.measurementId, generation, runKeyOf(stage, run.command.id), run.attempt);
  const data = {
    measurementId: run.measurementId,
    generation,
    stage,
    attempt: run.attempt,
    stageRunId: run.stageRunId,
  };
  const envelope = envelopeOf(type, data, {
    id,
    source: 'landfall/tasks',
    time: ports.clock.now(),
    fleet: run.command.fleet,
    region: run.command.region,
    sequence: Number(run.command.sequence) + 1,
    causationId: run.command.id,
    ...(run.command.traceparent === undefined ? {} : { traceparent: run.command.traceparent }),
  });
  await ports.messages.send([
    {
      destination: { kind: 'topic', name: COMMANDS_TOPIC },
      envelope,
      messageId: id,
      consumer: consumerOf(type, stage),
    },
  ]);
}
