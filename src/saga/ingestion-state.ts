import { type DataOf, SEQUENCE_BLOCK } from '#domain/messages.ts';
import { STAGE_GRAPH_VERSION } from '#domain/stage-graph.ts';
import {
  type BlobLocation,
  type BlobReference,
  type DataStreamResult,
  type DataStreamState,
  type MeasurementState,
  type Reason,
  type Recording,
  STAGES,
  type Stage,
  type StageState,
} from '#domain/vocabulary.ts';

/** What the saga of one measurement remembers, the events that change it, and how. Pure. */

// Events ---------------------------------------------------------------------------------------------------------

export type GenerationCause = 'correction' | 'arrival' | 'rehydration' | 'rerun';

/** What a stage found out or made, as far as later stages and readers need it. */
export interface StageResult {
  readonly ledger?: DataOf<'landfall.measurement.validated.v1'>['ledger'];
  readonly quality?: DataOf<'landfall.measurement.validated.v1'>['quality'];
  readonly raw?: DataOf<'landfall.measurement.registered.v1'>['raw'];
  readonly archive?: BlobLocation;
  readonly dataStream?: DataStreamResult;
  readonly sceneCount?: number;
  readonly share?: DataOf<'landfall.measurement.shared.v1'>['share'];
}

export type DuplicateRemoval = Pick<
  DataOf<'landfall.duplicate.remove.v1'>,
  'recording' | 'landed' | 'ledger' | 'raw' | 'archive'
>;

/** A command that takes a duplicate out of Landing, some time. */
export interface OrderedRemoval {
  readonly commandId: string;
  readonly generation: number;
}

export interface DataStream extends DataStreamResult {
  readonly generation: number;
  readonly attempt: number;
  /** The stage whose output it is; absent for data streams that teams announce themselves. */
  readonly stage?: Stage;
  readonly state: DataStreamState;
  readonly reason?: Reason;
  readonly supersededBy?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export type SagaEvent = { readonly at: string } & (
  | {
      readonly kind: 'arrived';
      readonly recording: Recording;
      readonly filesHash: string;
      readonly landed?: BlobReference;
    }
  | {
      readonly kind: 'duplicate-noticed';
      readonly filesHash: string;
      /** What may leave Landing again, and where it lies already; absent where Landing noted no versions. */
      readonly removal?: DuplicateRemoval;
      /** The id of the command that removes it. */
      readonly commandId?: string;
    }
  | {
      readonly kind: 'incomplete-noticed';
      readonly recordingId: string;
      readonly folder: BlobLocation;
      readonly vin?: string;
      readonly missingCount: number;
      readonly reason: Reason;
    }
  | { readonly kind: 'run-restarted' }
  | {
      readonly kind: 'generation-started';
      readonly generation: number;
      readonly fromStage: Stage;
      readonly cause: GenerationCause;
      readonly actor?: string;
      readonly why?: string;
    }
  | {
      readonly kind: 'stage-commanded';
      readonly stage: Stage;
      readonly attempt: number;
      readonly deadlineAt: string;
      /** When the command is delivered; absent = at once. */
      readonly enqueueAt?: string;
    }
  | { readonly kind: 'stage-started'; readonly stage: Stage; readonly taskCount: number }
  | { readonly kind: 'attempt-failed'; readonly stage: Stage; readonly reason: Reason }
  | {
      readonly kind: 'stage-ended';
      readonly stage: Stage;
      readonly state: 'Succeeded' | 'Skipped' | 'Failed';
      readonly outcome?: 'succeeded' | 'partial' | 'skipped';
      readonly reason?: Reason;
      readonly result?: StageResult;
    }
  | {
      readonly kind: 'data-stream-changed';
      readonly dataStream: DataStream;
      readonly previousState?: DataStreamState;
    }
  | {
      readonly kind: 'measurement-state-changed';
      readonly state: MeasurementState;
      readonly reason?: Reason;
    }
  | {
      readonly kind: 'measurement-failed';
      readonly stage?: Stage;
      readonly attempt?: number;
      readonly reason: Reason;
    }
  | { readonly kind: 'cancelled'; readonly actor: string; readonly why: string }
  | {
      readonly kind: 'quarantine-ordered';
      readonly commandId?: string;
      readonly recording: Recording;
      readonly landed?: BlobReference;
      readonly reason: Reason;
    }
  | {
      /** Something was uploaded into the folder while its files are moved to the error zone. */
      readonly kind: 'correction-noticed';
    }
  | { readonly kind: 'quarantined'; readonly location: BlobLocation; readonly fileCount: number }
  | {
      readonly kind: 'rehydration-ordered';
      readonly number: number;
      readonly recording: Recording;
      readonly from: 'archive' | 'error';
      readonly locations: readonly BlobLocation[];
      readonly priority: 'Standard' | 'High';
      readonly deadlineAt: string;
      readonly actor: string;
      readonly why: string;
      readonly after?: readonly OrderedRemoval[];
    }
  | { readonly kind: 'rehydrated'; readonly fileCount: number }
  | { readonly kind: 'rehydration-failed'; readonly reason: Reason }
  | { readonly kind: 'refused'; readonly request: string; readonly actor: string; readonly reason: Reason }
);

// State ----------------------------------------------------------------------------------------------------------

export interface StageProgress {
  readonly state: StageState;
  /** The generation it ran in last; an earlier one when a re-run kept its result. */
  readonly generation: number;
  /** The last attempt that was commanded in `generation`; 0 before the first. Never goes back. */
  readonly attempt: number;
  /** Attempts that failed since the run started; compared with the stage's budget. */
  readonly failureCount: number;
  readonly commandedAt?: string;
  readonly deadlineAt?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly taskCount?: number;
  readonly outcome?: 'succeeded' | 'partial' | 'skipped';
  readonly reason?: Reason;
  readonly result?: StageResult;
}

export interface IngestionState {
  readonly schemaVersion: 1;
  /** The stage graph this generation runs by. */
  readonly graphVersion: number;
  readonly measurementId: string;
  readonly fleet: string;
  readonly region: string;
  /** How many inputs have been applied. */
  readonly version: number;
  /** The last sequence number given out (messages.ts, EnvelopeAttributes). */
  readonly sequence: number;
  readonly state: MeasurementState;
  readonly reason?: Reason;
  readonly generation: number;
  readonly createdAt?: string;
  readonly updatedAt?: string;
  /** What Landing said while there was no complete recording. */
  readonly announced?: { readonly recordingId: string; readonly folder: BlobLocation; readonly vin?: string };
  readonly recording?: Recording;
  readonly filesHash?: string;
  /** Which versions of the files it consists of, as Landing noted them (domain/landed-versions.ts). */
  readonly landed?: BlobReference;
  /** Whether the recording's files still lie in Landing. */
  readonly filesInLanding: boolean;
  readonly duplicateCount: number;
  readonly stages: Readonly<Record<Stage, StageProgress>>;
  readonly dataStreams: Readonly<Record<string, DataStream>>;
  /** The last verified copy in the archive, and the recording it is a copy of. */
  readonly archived?: { readonly recording: Recording; readonly location: BlobLocation };
  /** Files that were ordered into the error zone; `location` once they are there. */
  readonly quarantine?: {
    readonly generation: number;
    readonly recording: Recording;
    /** The command; answers to an earlier one are of no concern. */
    readonly commandId?: string;
    readonly location?: BlobLocation;
    readonly fileCount?: number;
    /** A correction has come before they were there. */
    readonly isCorrected?: true;
  };
  /** Duplicates whose removal was ordered since the last rehydration; the last ten. */
  readonly removals?: readonly OrderedRemoval[];
  readonly rehydrationCount: number;
  readonly rehydration?: {
    readonly number: number;
    readonly from: 'archive' | 'error';
    readonly priority: 'Standard' | 'High';
    readonly orderedAt: string;
    readonly deadlineAt: string;
    readonly actor?: string;
    /** What the measurement goes back to when its files cannot be brought back. */
    readonly before?: { readonly state: MeasurementState; readonly reason?: Reason };
    readonly fileCount?: number;
  };
  /** The last request that was turned down or came to nothing, for whoever asked: requests are answered before they are decided. */
  readonly lastRefusal?: {
    readonly request: string;
    readonly actor: string;
    readonly reason: Reason;
    readonly at: string;
  };
}

const REMOVALS_MAX = 10;
const PENDING = { state: 'Pending', attempt: 0, failureCount: 0 } as const;

export function initialState(about: {
  readonly measurementId: string;
  readonly fleet: string;
  readonly region: string;
}): IngestionState {
  return {
    schemaVersion: 1,
    graphVersion: STAGE_GRAPH_VERSION,
    ...about,
    version: 0,
    sequence: 0,
    state: 'Receiving',
    generation: 1,
    filesInLanding: false,
    duplicateCount: 0,
    stages: Object.fromEntries(
      STAGES.map((stage) => [stage, { ...PENDING, generation: 1 }]),
    ) as IngestionState['stages'],
    dataStreams: {},
    rehydrationCount: 0,
  };
}

/** What the deadline sweep looks for: the one thing that is being waited for, and until when. */
export function dueOf(state: IngestionState):
  | {
      readonly dueAt: string;
      readonly due: {
        readonly generation: number;
        readonly stage: Stage | 'rehydrate';
        readonly attempt: number;
      };
    }
  | undefined {
  if (state.state === 'Rehydrating' && state.rehydration !== undefined) {
    const { deadlineAt, number } = state.rehydration;
    return {
      dueAt: deadlineAt,
      due: { generation: state.generation, stage: 'rehydrate', attempt: number },
    };
  }
  const stage = runningStageOf(state);
  if (stage === undefined) return undefined;
  const { deadlineAt, attempt } = state.stages[stage];
  if (deadlineAt === undefined) return undefined;
  return { dueAt: deadlineAt, due: { generation: state.generation, stage, attempt } };
}

/** The stage that has been commanded and not answered; at most one. */
export function runningStageOf(state: IngestionState): Stage | undefined {
  if (state.state !== 'Running' && state.state !== 'Waiting') return undefined;
  return STAGES.find((stage) => state.stages[stage].state === 'Running');
}

/** Whether a copy in Raw and in the archive has been verified, in this generation or in one it builds on. */
export function isCopied(state: IngestionState): boolean {
  return isDone(state.stages.copy);
}

export function isDone(progress: StageProgress): boolean {
  return progress.state === 'Succeeded' || progress.state === 'Skipped';
}

// Evolve ---------------------------------------------------------------------------------------------------------

export function evolve(state: IngestionState, event: SagaEvent): IngestionState {
  const next = evolveBy(state, event);
  return {
    ...next,
    sequence: state.sequence + sequenceCountOf(event),
    createdAt: state.createdAt ?? event.at,
    updatedAt: event.at,
  };
}

/** How many sequence numbers the messages of an event take: a block per command, one for everything else said. */
export function sequenceCountOf(event: SagaEvent): number {
  switch (event.kind) {
    case 'stage-commanded':
    case 'rehydration-ordered':
      return SEQUENCE_BLOCK + 1;
    case 'quarantine-ordered':
      return SEQUENCE_BLOCK;
    case 'duplicate-noticed':
      return event.removal === undefined ? 0 : SEQUENCE_BLOCK;
    case 'data-stream-changed':
      return event.previousState === event.dataStream.state ? 0 : 1;
    case 'measurement-failed':
    case 'cancelled':
      return 1;
    default:
      return 0;
  }
}

function evolveBy(state: IngestionState, event: SagaEvent): IngestionState {
  switch (event.kind) {
    case 'arrived':
      return {
        ...without(state, 'reason', 'announced', 'rehydration', 'landed'),
        state: 'Running',
        recording: event.recording,
        filesHash: event.filesHash,
        ...(event.landed === undefined ? {} : { landed: event.landed }),
        filesInLanding: true,
      };
    case 'duplicate-noticed': {
      const duplicateCount = state.duplicateCount + 1;
      const { commandId } = event;
      if (commandId === undefined) return { ...state, duplicateCount };
      const removals = [...(state.removals ?? []), { commandId, generation: state.generation }];
      return { ...state, duplicateCount, removals: removals.slice(-REMOVALS_MAX) };
    }
    case 'incomplete-noticed':
      return {
        ...state,
        state: 'Incomplete',
        reason: event.reason,
        announced: {
          recordingId: event.recordingId,
          folder: event.folder,
          ...(event.vin === undefined ? {} : { vin: event.vin }),
        },
      };
    case 'run-restarted':
      return {
        ...without(state, 'reason'),
        state: 'Running',
        stages: withStagesReset(state, 'validate', state.generation),
      };
    case 'generation-started':
      return {
        ...without(state, 'reason', 'rehydration'),
        state: 'Running',
        graphVersion: STAGE_GRAPH_VERSION,
        generation: event.generation,
        stages: withStagesReset(state, event.fromStage, event.generation),
      };
    case 'data-stream-changed':
      return {
        ...state,
        dataStreams: { ...state.dataStreams, [event.dataStream.dataStreamId]: event.dataStream },
      };
    case 'measurement-state-changed':
      return {
        ...without(state, 'reason'),
        state: event.state,
        ...(event.reason === undefined ? {} : { reason: event.reason }),
      };
    case 'measurement-failed':
      return { ...without(state, 'rehydration'), state: 'Failed', reason: event.reason };
    case 'cancelled':
      return {
        ...without(state, 'rehydration'),
        state: 'Cancelled',
        reason: { code: 'cancelled', message: `${event.actor}: ${event.why}` },
      };
    case 'refused': {
      const { request, actor, reason, at } = event;
      return { ...state, lastRefusal: { request, actor, reason, at } };
    }
    case 'stage-commanded':
    case 'stage-started':
    case 'attempt-failed':
    case 'stage-ended':
      return evolveStage(state, event);
    default:
      return evolveCustody(state, event);
  }
}

type StageEvent = Extract<
  SagaEvent,
  { kind: 'stage-commanded' | 'stage-started' | 'attempt-failed' | 'stage-ended' }
>;

function evolveStage(state: IngestionState, event: StageEvent): IngestionState {
  const progress = state.stages[event.stage];
  const changed = (next: StageProgress): IngestionState => ({
    ...state,
    stages: { ...state.stages, [event.stage]: next },
  });
  switch (event.kind) {
    case 'stage-commanded':
      return changed({
        state: 'Running',
        generation: state.generation,
        attempt: event.attempt,
        failureCount: progress.failureCount,
        commandedAt: event.at,
        deadlineAt: event.deadlineAt,
      });
    case 'stage-started':
      return changed({ ...progress, startedAt: event.at, taskCount: event.taskCount });
    case 'attempt-failed':
      return changed({
        ...progress,
        failureCount: progress.failureCount + 1,
        reason: event.reason,
        endedAt: event.at,
      });
    case 'stage-ended':
      return afterStageEnd(
        changed({
          ...without(progress, 'reason'),
          state: event.state,
          endedAt: event.at,
          ...(event.outcome === undefined ? {} : { outcome: event.outcome }),
          ...(event.reason === undefined ? {} : { reason: event.reason }),
          ...(event.result === undefined ? {} : { result: event.result }),
        }),
        event,
      );
  }
}

/** What some stages teach the measurement: validation its true start, the copy where the files are now. */
function afterStageEnd(
  state: IngestionState,
  event: Extract<SagaEvent, { kind: 'stage-ended' }>,
): IngestionState {
  if (event.result === undefined || state.recording === undefined) return state;
  const startTime = event.result.quality?.startTime;
  if (event.stage === 'validate' && startTime !== undefined) {
    return { ...state, recording: { ...state.recording, startTime } };
  }
  if (event.stage === 'copy' && event.result.archive !== undefined) {
    const archived = { recording: state.recording, location: event.result.archive };
    return { ...state, filesInLanding: false, archived };
  }
  return state;
}

type CustodyEvent = Extract<
  SagaEvent,
  {
    kind:
      | 'quarantine-ordered'
      | 'correction-noticed'
      | 'quarantined'
      | 'rehydration-ordered'
      | 'rehydrated'
      | 'rehydration-failed';
  }
>;

function evolveCustody(state: IngestionState, event: CustodyEvent): IngestionState {
  switch (event.kind) {
    case 'quarantine-ordered':
      return {
        ...state,
        filesInLanding: false,
        quarantine: {
          generation: state.generation,
          recording: event.recording,
          ...(event.commandId === undefined ? {} : { commandId: event.commandId }),
        },
      };
    case 'correction-noticed':
      if (state.quarantine === undefined) return state;
      return { ...state, quarantine: { ...state.quarantine, isCorrected: true } };
    case 'quarantined': {
      if (state.quarantine === undefined) return state;
      const { location, fileCount } = event;
      return { ...state, quarantine: { ...without(state.quarantine, 'isCorrected'), location, fileCount } };
    }
    case 'rehydration-ordered': {
      const { number, from, priority, deadlineAt, actor } = event;
      const { reason } = state;
      const before = { state: state.state, ...(reason === undefined ? {} : { reason }) };
      return {
        ...without(state, 'reason', 'removals'),
        state: 'Rehydrating',
        rehydrationCount: number,
        rehydration: { number, from, priority, orderedAt: event.at, deadlineAt, actor, before },
      };
    }
    case 'rehydrated': {
      if (state.rehydration === undefined) return state;
      return { ...state, rehydration: { ...state.rehydration, fileCount: event.fileCount } };
    }
    case 'rehydration-failed': {
      // A rehydration that an older release ordered does not know what was before.
      const { actor = 'unknown', before } = state.rehydration ?? {};
      return {
        ...without(state, 'reason', 'rehydration'),
        ...(before ?? { state: 'Failed', reason: event.reason }),
        lastRefusal: { request: 'rehydrate', actor, reason: event.reason, at: event.at },
      };
    }
  }
}

/** The stages from `fromStage` on wait again. Attempt numbers go on within a generation: old answers stay stale. */
function withStagesReset(
  state: IngestionState,
  fromStage: Stage,
  generation: number,
): IngestionState['stages'] {
  const first = STAGES.indexOf(fromStage);
  const stages = { ...state.stages };
  for (const stage of STAGES.slice(first)) {
    const attempt = stages[stage].generation === generation ? stages[stage].attempt : 0;
    stages[stage] = { ...PENDING, generation, attempt };
  }
  return stages;
}

function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  const copy = { ...value };
  for (const key of keys) delete copy[key];
  return copy;
}
