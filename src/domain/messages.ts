import { z } from 'zod';
import {
  BlobLocation,
  BlobReference,
  DataStreamKind,
  DataStreamResult,
  DataStreamState,
  Reason,
  Recording,
  SceneSummary,
  STAGES,
  Stage,
  TaskedWork,
  Zone,
} from './vocabulary.ts';

/**
 * Every command and event, as CloudEvents 1.0 with JSON data. Published as JSON Schema in docs/schemas; a type
 * never changes its meaning: a new meaning is a new `.vN`.
 */

/** Where in the run of a measurement a message belongs. Stale attempts and generations are ignored by it. */
const Place = {
  measurementId: z.uuid(),
  /** 1 for the first run; one more for each deliberate re-run or correction. */
  generation: z.int().positive(),
};
const StagePlace = { ...Place, stage: Stage, attempt: z.int().positive() };

const QualitySummary = z.object({
  startTime: z.iso.datetime().optional(),
  endTime: z.iso.datetime().optional(),
  durationSeconds: z.number().nonnegative(),
  topicCount: z.int().nonnegative(),
  messageCount: z.int().nonnegative(),
  lostRecordCount: z.int().nonnegative(),
  warnings: z.array(z.string()).max(50),
});

const RawPlacement = z.object({ dataStreamId: z.string(), locations: z.array(BlobLocation).min(1) });

/** What a stage says when it ends well. `partial`: something was lost and counted; `skipped`: nothing to do, and why. */
const Outcome = {
  outcome: z.enum(['succeeded', 'partial', 'skipped']),
  reason: Reason.optional(),
};

/** The versions of the files that are meant (domain/landed-versions.ts). Absent where nobody noted them. */
const Landed = BlobReference.optional();

const StageInput = {
  ...StagePlace,
  recording: Recording,
  /** The data stream this stage reads: the output of the stage before. */
  input: DataStreamResult,
};

function define<K extends 'command' | 'event', T extends string, S extends z.ZodObject>(
  kind: K,
  type: T,
  summary: string,
  data: S,
) {
  return { kind, type, summary, data };
}

export const MESSAGES = [
  // Commands to the stages
  define(
    'command',
    'landfall.measurement.validate.v1',
    'Check a complete recording in Landing.',
    z.object({ ...StagePlace, recording: Recording }),
  ),
  define(
    'command',
    'landfall.measurement.register.v1',
    'Give a valid recording its places.',
    z.object({ ...StagePlace, recording: Recording, ledger: BlobReference, quality: QualitySummary }),
  ),
  define(
    'command',
    'landfall.measurement.copy.v1',
    'Copy the files to Raw and Archive, verify, remove them from Landing.',
    z.object({
      ...StagePlace,
      recording: Recording,
      ledger: BlobReference,
      raw: RawPlacement,
      archive: BlobLocation,
    }),
  ),
  define(
    'command',
    'landfall.measurement.extract.v1',
    'Read the topics of every raw file into tables and frames.',
    z.object(StageInput),
  ),
  define('command', 'landfall.measurement.sync.v1', 'Put the signals on one timeline.', z.object(StageInput)),
  define(
    'command',
    'landfall.measurement.enrich.v1',
    'Add what is known from elsewhere to each row.',
    z.object(StageInput),
  ),
  define(
    'command',
    'landfall.measurement.scene-detect.v1',
    'Search the enriched table for scenes.',
    z.object(StageInput),
  ),
  define(
    'command',
    'landfall.measurement.share.v1',
    'Offer a labeling package to the partner.',
    z.object({ ...StageInput, extracted: DataStreamResult }),
  ),
  // Commands to other consumers
  define(
    'command',
    'landfall.stage.conclude.v1',
    'All tasks of a stage run have ended: judge them.',
    z.object({ ...StagePlace, stage: TaskedWork, stageRunId: z.string() }),
  ),
  define(
    'command',
    'landfall.measurement.quarantine.v1',
    'Move the files of a measurement from Landing to the error zone.',
    z.object({ ...Place, recording: Recording, landed: Landed, reason: Reason }),
  ),
  define(
    'command',
    'landfall.measurement.restore.v1',
    'Bring the files of a measurement back to Landing.',
    z.object({
      ...Place,
      recording: Recording,
      from: z.enum(['archive', 'error']),
      locations: z.array(BlobLocation).min(1),
      priority: z.enum(['Standard', 'High']),
      /** Which rehydration of the measurement it is, so that a late answer is known as one. */
      number: z.int().positive().default(1),
      /** Removals of duplicates that come first: what they take must not be taken for what was brought back. */
      after: z.array(z.object({ commandId: z.string(), generation: z.int().positive() })).optional(),
    }),
  ),
  define(
    'command',
    'landfall.duplicate.remove.v1',
    'Remove from Landing what lies, verified, in Raw and Archive already.',
    z.object({
      ...Place,
      /** The recording as it came again. */
      recording: Recording,
      landed: BlobReference,
      ledger: BlobReference,
      raw: BlobLocation,
      archive: BlobLocation,
    }),
  ),
  // Commands to the saga
  define(
    'command',
    'landfall.stage.expire.v1',
    'The deadline of a stage, or of a rehydration, has passed.',
    z.object({ ...Place, stage: z.enum([...STAGES, 'rehydrate']), attempt: z.int().positive() }),
  ),
  define(
    'command',
    'landfall.measurement.cancel.v1',
    'Stop working on a measurement.',
    z.object({ measurementId: z.uuid(), actor: z.string(), reason: z.string() }),
  ),
  define(
    'command',
    'landfall.measurement.rerun.v1',
    'Start a new generation from a stage.',
    z.object({ measurementId: z.uuid(), fromStage: Stage, actor: z.string(), reason: z.string() }),
  ),
  define(
    'command',
    'landfall.measurement.rehydrate.v1',
    'Bring a measurement back to Landing and run it again.',
    z.object({
      measurementId: z.uuid(),
      from: z.enum(['archive', 'error']).optional(),
      priority: z.enum(['Standard', 'High']),
      actor: z.string(),
      reason: z.string(),
    }),
  ),
  define(
    'command',
    'landfall.data-stream.create.v1',
    'A team or task announces a data stream of its own.',
    z.object({ ...Place, dataStream: DataStreamResult }),
  ),
  define(
    'command',
    'landfall.data-stream.report-state.v1',
    'A team or task reports the state of a data stream.',
    z.object({
      measurementId: z.uuid(),
      dataStreamId: z.string(),
      attempt: z.int().positive(),
      state: DataStreamState,
      reason: Reason.optional(),
      manifest: BlobReference.optional(),
    }),
  ),
  // Events
  define(
    'event',
    'landfall.measurement.received.v1',
    'A folder in Landing holds its manifest and all its files.',
    z.object({ measurementId: z.uuid(), recording: Recording, filesHash: z.string(), landed: Landed }),
  ),
  define(
    'event',
    'landfall.measurement.incomplete.v1',
    'A folder in Landing waited too long for missing files.',
    z.object({
      measurementId: z.uuid(),
      fleet: z.string(),
      recordingId: z.string(),
      folder: BlobLocation,
      vehicle: z.object({ vin: z.string() }).optional(),
      missing: z.array(z.string()).max(20),
      missingCount: z.int().nonnegative(),
      reason: Reason,
    }),
  ),
  define(
    'event',
    'landfall.measurement.validated.v1',
    'The recording is what its manifest says.',
    z.object({ ...StagePlace, ...Outcome, ledger: BlobReference, quality: QualitySummary }),
  ),
  define(
    'event',
    'landfall.measurement.rejected.v1',
    'The recording is corrupt or not what it says; its files go to the error zone.',
    z.object({ ...StagePlace, reason: Reason }),
  ),
  define(
    'event',
    'landfall.measurement.registered.v1',
    'The recording has its places.',
    z.object({ ...StagePlace, ...Outcome, raw: RawPlacement, archive: BlobLocation }),
  ),
  define(
    'event',
    'landfall.measurement.copied.v1',
    'Raw and Archive hold verified copies; Landing is empty.',
    z.object({ ...StagePlace, ...Outcome, dataStream: DataStreamResult, archive: BlobLocation }),
  ),
  define(
    'event',
    'landfall.extraction.completed.v1',
    'The topics of the raw files are tables and frames.',
    z.object({ ...StagePlace, ...Outcome, dataStream: DataStreamResult }),
  ),
  define(
    'event',
    'landfall.data-stream.synchronized.v1',
    'The signals are on one timeline.',
    z.object({ ...StagePlace, ...Outcome, dataStream: DataStreamResult }),
  ),
  define(
    'event',
    'landfall.data-stream.enriched.v1',
    'The synchronized rows have their context.',
    z.object({ ...StagePlace, ...Outcome, dataStream: DataStreamResult }),
  ),
  define(
    'event',
    'landfall.scenes.detected.v1',
    'The scenes of the measurement are known.',
    z.object({
      ...StagePlace,
      ...Outcome,
      dataStream: DataStreamResult,
      sceneCount: z.int().nonnegative(),
      /** The first 50 by time; all of them lie in the data stream. */ scenes: z.array(SceneSummary).max(50),
    }),
  ),
  define(
    'event',
    'landfall.measurement.shared.v1',
    'A labeling package is offered to a partner.',
    z.object({
      ...StagePlace,
      ...Outcome,
      dataStream: DataStreamResult,
      share: z.object({
        shareId: z.string(),
        partner: z.string(),
        package: BlobReference,
        offeredAt: z.iso.datetime(),
        expiresAt: z.iso.datetime(),
      }),
    }),
  ),
  define(
    'event',
    'landfall.labels.received.v1',
    'Labels came back and are linked to their frames.',
    z.object({ ...Place, dataStream: DataStreamResult }),
  ),
  define(
    'event',
    'landfall.stage.started.v1',
    'A stage has accepted its command; its tasks are with Batch.',
    z.object({
      ...StagePlace,
      taskCount: z.int().nonnegative(),
      dataStream: z
        .object({
          dataStreamId: z.string(),
          kind: DataStreamKind,
          zone: Zone,
          locations: z.array(BlobLocation),
          parents: z.array(z.string()),
        })
        .optional(),
    }),
  ),
  define(
    'event',
    'landfall.stage.failed.v1',
    'An attempt of a stage has failed.',
    z.object({ ...StagePlace, reason: Reason, retryable: z.boolean() }),
  ),
  define(
    'event',
    'landfall.data-stream.state-changed.v1',
    'A data stream has a new state.',
    z.object({
      ...Place,
      dataStreamId: z.string(),
      kind: DataStreamKind,
      state: DataStreamState,
      previousState: DataStreamState.optional(),
      reason: Reason.optional(),
      dataStream: DataStreamResult.optional(),
    }),
  ),
  define(
    'event',
    'landfall.measurement.failed.v1',
    'A measurement cannot go on by itself.',
    z.object({
      ...Place,
      /** The stage that failed; absent when it was a rehydration. */
      stage: Stage.optional(),
      attempt: z.int().positive().optional(),
      reason: Reason,
    }),
  ),
  define(
    'event',
    'landfall.measurement.quarantined.v1',
    'The files lie in the error zone.',
    z.object({ ...Place, location: BlobLocation, fileCount: z.int().nonnegative() }),
  ),
  define(
    'event',
    'landfall.measurement.cancelled.v1',
    'Somebody stopped the measurement.',
    z.object({ ...Place, actor: z.string(), reason: z.string() }),
  ),
  define(
    'event',
    'landfall.measurement.rehydrated.v1',
    'The files of the measurement are back in Landing.',
    z.object({ ...Place, fileCount: z.int().nonnegative() }),
  ),
  define(
    'event',
    'landfall.restore.failed.v1',
    'The files of the measurement could not be brought back to Landing; it is as it was before.',
    z.object({ ...Place, number: z.int().positive(), reason: Reason }),
  ),
  define(
    'event',
    'landfall.duplicate.removed.v1',
    'The files came again, byte for byte, and are not kept twice.',
    z.object({
      ...Place,
      folder: BlobLocation,
      fileCount: z.int().nonnegative(),
      sizeBytes: z.int().nonnegative(),
      /** Files left in Landing, because they were uploaded once more meanwhile; at most 20 paths. */
      kept: z.array(z.string()).max(20),
    }),
  ),
] as const;

export type MessageDefinition = (typeof MESSAGES)[number];
export type MessageType = MessageDefinition['type'];
export type CommandType = Extract<MessageDefinition, { kind: 'command' }>['type'];
export type DataOf<T extends MessageType> = z.infer<Extract<MessageDefinition, { type: T }>['data']>;

const BY_TYPE = new Map<string, MessageDefinition>(MESSAGES.map((message) => [message.type, message]));

export function messageDefinition(type: string): MessageDefinition | undefined {
  return BY_TYPE.get(type);
}

/**
 * CloudEvents 1.0 attributes, with Landfall's extensions: `fleet`, `region`, `sequence` (order within one
 * measurement, zero-padded so that text order is number order, gaps allowed; 0 = before the saga numbers
 * anything), `correlationid`, `causationid`, and `traceparent` (CloudEvents Distributed Tracing extension).
 */
export const EnvelopeAttributes = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  /** The measurement. */
  subject: z.string().min(1),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().min(1),
  fleet: z.string().min(1),
  region: z.string().min(1),
  sequence: z.string().regex(/^\d{10}$/),
  correlationid: z.string().min(1),
  causationid: z.string().min(1).optional(),
  traceparent: z.string().optional(),
});

export type Envelope<T extends MessageType = MessageType> = T extends MessageType
  ? z.infer<typeof EnvelopeAttributes> & { readonly type: T; readonly data: DataOf<T> }
  : never;

/**
 * Sequence numbers that come with each command: its own, then nine for the events of whoever executes it
 * (`sequenceOf(command) + 1` and on), so that events are in order without asking the saga.
 */
export const SEQUENCE_BLOCK = 10;

export function sequenceOf(envelope: { readonly sequence: string }): number {
  return Number(envelope.sequence);
}

/** How a message is addressed and traced, apart from what it says. */
export interface Context {
  readonly id: string;
  /** Who speaks: `landfall/saga`, `landfall/validate`, … */
  readonly source: string;
  readonly time: Date;
  readonly fleet: string;
  readonly region: string;
  readonly sequence: number;
  readonly causationId?: string;
  readonly traceparent?: string;
}

/** An envelope around `data`; the measurement is subject and correlation. */
export function envelopeOf<T extends MessageType>(type: T, data: DataOf<T>, context: Context): Envelope<T> {
  const { measurementId } = data as { measurementId: string };
  return {
    specversion: '1.0',
    id: context.id,
    source: context.source,
    type,
    subject: measurementId,
    time: context.time.toISOString(),
    datacontenttype: 'application/json',
    dataschema: schemaAddressOf(type),
    fleet: context.fleet,
    region: context.region,
    sequence: String(context.sequence).padStart(10, '0'),
    correlationid: measurementId,
    ...(context.causationId === undefined ? {} : { causationid: context.causationId }),
    ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
    data,
  } as Envelope<T>;
}

/** Where the JSON Schema of a type is published. */
export function schemaAddressOf(type: string): string {
  return `https://landfall.dev/schemas/${type}.json`;
}

/** A message that was read, or the sentence that says what is wrong with it. */
export type ParsedMessage =
  | { readonly ok: true; readonly envelope: Envelope }
  | { readonly ok: false; readonly problem: string };

/** Reads a message from the wire; never throws on what it is given. */
export function parseMessage(body: unknown): ParsedMessage {
  const attributes = EnvelopeAttributes.safeParse(body);
  if (!attributes.success)
    return { ok: false, problem: `not a Landfall CloudEvent: ${sentenceOf(attributes.error)}` };
  const definition = BY_TYPE.get(attributes.data.type);
  if (definition === undefined) {
    return {
      ok: false,
      problem: `unknown message type ${attributes.data.type}; this version reads ${BY_TYPE.size} types`,
    };
  }
  const data = definition.data.safeParse((body as { data?: unknown }).data);
  if (!data.success) return { ok: false, problem: `${attributes.data.type}: ${sentenceOf(data.error)}` };
  return { ok: true, envelope: { ...attributes.data, data: data.data } as Envelope };
}

/** Where and why, in one sentence, of the first three problems. */
export function sentenceOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.length === 0 ? 'the value' : issue.path.join('.')}: ${issue.message}`)
    .join('; ');
}
