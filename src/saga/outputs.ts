import { messageIdOf } from '#domain/identity.ts';
import {
  type CommandType,
  type DataOf,
  type Envelope,
  envelopeOf,
  type MessageType,
  SEQUENCE_BLOCK,
} from '#domain/messages.ts';
import type { Stage } from '#domain/vocabulary.ts';
import type { DataStream, IngestionState, SagaEvent } from './ingestion-state.ts';
import { definitionIn } from './road.ts';

/** What the saga says when something has happened to a measurement. Derived from the events, so never forgotten. */

export const SAGA_SOURCE = 'landfall/saga';

export interface SagaOutput {
  readonly envelope: Envelope;
  /** Deliver not before this time. */
  readonly enqueueAt?: Date;
}

/** The input that led here: what is said about it carries its trace and names it as the cause. */
export interface Cause {
  readonly id: string;
  readonly traceparent?: string | undefined;
}

/** The messages of `event`, which has just led from `before` to `after`. */
export function outputsOf(
  before: IngestionState,
  event: SagaEvent,
  after: IngestionState,
  cause: Cause,
): readonly SagaOutput[] {
  const say = speakerOf(after, event, cause);
  const place = { measurementId: after.measurementId, generation: after.generation };
  const sequence = before.sequence + 1;
  switch (event.kind) {
    case 'stage-commanded': {
      const { stage, attempt, deadlineAt, enqueueAt } = event;
      const { type, data } = commandOf(after, stage, attempt);
      return [
        say(type, data, [stage, attempt], sequence, enqueueAt),
        say(
          'landfall.stage.expire.v1',
          { ...place, stage, attempt },
          [stage, attempt],
          sequence + SEQUENCE_BLOCK,
          deadlineAt,
        ),
      ];
    }
    case 'data-stream-changed': {
      if (event.previousState === event.dataStream.state) return [];
      const data = stateChangeOf(event.dataStream, event.previousState, after.measurementId);
      return [say('landfall.data-stream.state-changed.v1', data, [sequence], sequence)];
    }
    case 'measurement-failed': {
      const { stage, attempt, reason } = event;
      const data = {
        ...place,
        ...(stage === undefined ? {} : { stage }),
        ...(attempt === undefined ? {} : { attempt }),
        reason,
      };
      return [say('landfall.measurement.failed.v1', data, [sequence], sequence)];
    }
    case 'cancelled': {
      const data = { ...place, actor: event.actor, reason: event.why };
      return [say('landfall.measurement.cancelled.v1', data, [sequence], sequence)];
    }
    case 'quarantine-ordered': {
      const { recording, landed, reason } = event;
      const data = { ...place, recording, ...(landed === undefined ? {} : { landed }), reason };
      return [say('landfall.measurement.quarantine.v1', data, [sequence], sequence)];
    }
    case 'duplicate-noticed': {
      if (event.removal === undefined) return [];
      return [say('landfall.duplicate.remove.v1', { ...place, ...event.removal }, [sequence], sequence)];
    }
    case 'rehydration-ordered': {
      const { recording, from, priority, number, deadlineAt } = event;
      const locations = [...event.locations];
      const order = event.after === undefined ? {} : { after: [...event.after] };
      const restore = { ...place, recording, from, locations, priority, number, ...order };
      const expire = { ...place, stage: 'rehydrate', attempt: number } as const;
      return [
        say('landfall.measurement.restore.v1', restore, [number], sequence),
        say('landfall.stage.expire.v1', expire, ['rehydrate', number], sequence + SEQUENCE_BLOCK, deadlineAt),
      ];
    }
    default:
      return [];
  }
}

function speakerOf(state: IngestionState, event: SagaEvent, cause: Cause) {
  return <T extends MessageType>(
    type: T,
    data: DataOf<T>,
    identity: readonly (string | number)[],
    sequence: number,
    enqueueAt?: string,
  ): SagaOutput => ({
    envelope: envelopeOf(type, data, {
      id: messageIdOf(type, state.measurementId, state.generation, ...identity),
      source: SAGA_SOURCE,
      time: new Date(event.at),
      fleet: state.fleet,
      region: state.region,
      sequence,
      causationId: cause.id,
      ...(cause.traceparent === undefined ? {} : { traceparent: cause.traceparent }),
    }) as Envelope,
    ...(enqueueAt === undefined ? {} : { enqueueAt: new Date(enqueueAt) }),
  });
}

function stateChangeOf(
  dataStream: DataStream,
  previousState: DataStream['state'] | undefined,
  measurementId: string,
): DataOf<'landfall.data-stream.state-changed.v1'> {
  const { dataStreamId, kind, generation, state, reason } = dataStream;
  const { zone, locations, parents, manifest, fileCount, sizeBytes, rowCount } = dataStream;
  return {
    measurementId,
    generation,
    dataStreamId,
    kind,
    state,
    ...(previousState === undefined ? {} : { previousState }),
    ...(reason === undefined ? {} : { reason }),
    dataStream: {
      dataStreamId,
      kind,
      zone,
      locations,
      parents,
      ...(manifest === undefined ? {} : { manifest }),
      fileCount,
      sizeBytes,
      rowCount,
    },
  };
}

/** The command of a stage: the recording, and what the stages before it found out and made. */
function commandOf(state: IngestionState, stage: Stage, attempt: number) {
  const { recording, stages } = state;
  const place = { measurementId: state.measurementId, generation: state.generation, stage, attempt };
  const type = definitionIn(state, stage).command as CommandType;
  const needed = <V>(value: V | undefined, what: string): V => {
    if (value === undefined)
      throw new Error(`${stage} of ${state.measurementId} needs ${what}, which is not there`);
    return value;
  };
  const common = { ...place, recording: needed(recording, 'a recording') };
  const outputOf = (earlier: Stage) =>
    needed(stages[earlier].result?.dataStream, `the data stream of ${earlier}`);
  const ledger = () => needed(stages.validate.result?.ledger, 'the block ledger');
  switch (stage) {
    case 'validate':
      return { type, data: common };
    case 'register': {
      const quality = needed(stages.validate.result?.quality, 'the quality summary');
      return { type, data: { ...common, ledger: ledger(), quality } };
    }
    case 'copy': {
      const raw = needed(stages.register.result?.raw, 'a place in Raw');
      const archive = needed(stages.register.result?.archive, 'a place in the archive');
      return { type, data: { ...common, ledger: ledger(), raw, archive } };
    }
    case 'extract':
      return { type, data: { ...common, input: outputOf('copy') } };
    case 'sync':
      return { type, data: { ...common, input: outputOf('extract') } };
    case 'enrich':
      return { type, data: { ...common, input: outputOf('sync') } };
    case 'scene-detect':
      return { type, data: { ...common, input: outputOf('enrich') } };
    case 'share':
      return { type, data: { ...common, input: outputOf('scene-detect'), extracted: outputOf('extract') } };
  }
}
