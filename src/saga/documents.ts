import { stageRunIdOf } from '#domain/identity.ts';
import { STAGES, type Stage } from '#domain/vocabulary.ts';
import { dueOf, type IngestionState, runningStageOf, type SagaEvent } from './ingestion-state.ts';

/** What other people read of a measurement: the documents that an event has changed. Summaries only. */

export interface IngestionDocument {
  readonly id: string;
  readonly kind: 'measurement' | 'data-stream' | 'stage-run' | 'lineage-edge' | 'share';
  readonly measurementId: string;
  readonly [field: string]: unknown;
}

/** The documents that `event`, which has just led to `state`, changes; the measurement's own is left to the caller. */
export function documentsOf(state: IngestionState, event: SagaEvent): readonly IngestionDocument[] {
  switch (event.kind) {
    case 'stage-commanded':
    case 'stage-started':
    case 'attempt-failed':
      return [stageRunDocument(state, event.stage)];
    case 'stage-ended': {
      const share = event.result?.share;
      return [
        stageRunDocument(state, event.stage),
        ...(share === undefined ? [] : [shareDocument(state, share, event)]),
      ];
    }
    case 'data-stream-changed':
      return dataStreamDocuments(state, event);
    default:
      return [];
  }
}

export function measurementDocument(state: IngestionState): IngestionDocument {
  const { recording, announced, rehydration, quarantine, archived, lastRefusal } = state;
  const { measurementId, fleet, region, generation, reason, createdAt, updatedAt } = state;
  const current = runningStageOf(state);
  return defined({
    id: measurementId,
    kind: 'measurement' as const,
    measurementId,
    version: state.version,
    fleet,
    region,
    recordingId: recording?.recordingId ?? announced?.recordingId,
    vin: recording?.vehicle.vin ?? announced?.vin,
    model: recording?.vehicle.model,
    state: state.state,
    reason,
    generation,
    stage: current,
    stages: Object.fromEntries(STAGES.map((stage) => [stage, stageSummary(state, stage)])),
    ...dueOf(state),
    folder: recording?.folder ?? announced?.folder,
    manifest: recording?.manifest,
    fileCount: recording?.fileCount,
    sizeBytes: recording?.sizeBytes,
    startTime: recording?.startTime,
    tags: recording?.tags,
    quality: state.stages.validate.result?.quality,
    sceneCount: state.stages['scene-detect'].result?.sceneCount,
    rehydration,
    quarantinedTo: quarantine?.location,
    archivedTo: archived?.location,
    duplicateCount: state.duplicateCount,
    lastRefusal,
    createdAt,
    updatedAt,
  });
}

function stageSummary(state: IngestionState, stage: Stage) {
  const { result, failureCount: _, ...progress } = state.stages[stage];
  return defined({ ...progress, dataStreamId: result?.dataStream?.dataStreamId });
}

function stageRunDocument(state: IngestionState, stage: Stage): IngestionDocument {
  const { result, state: stageState, ...progress } = state.stages[stage];
  // An attempt that failed is over, even though the stage may go on with the next one.
  const isOver = progress.endedAt !== undefined;
  return defined({
    ...progress,
    id: stageRunIdOf(state.measurementId, progress.generation, stage, progress.attempt),
    kind: 'stage-run' as const,
    measurementId: state.measurementId,
    fleet: state.fleet,
    stage,
    state: isOver && stageState === 'Running' ? 'Failed' : stageState,
    inputs: result?.dataStream?.parents,
    dataStreamId: result?.dataStream?.dataStreamId,
  });
}

function shareDocument(
  state: IngestionState,
  share: {
    readonly shareId: string;
    readonly partner: string;
    readonly package: unknown;
    readonly offeredAt: string;
    readonly expiresAt: string;
  },
  event: Extract<SagaEvent, { kind: 'stage-ended' }>,
): IngestionDocument {
  return {
    ...share,
    id: share.shareId,
    kind: 'share',
    measurementId: state.measurementId,
    fleet: state.fleet,
    generation: state.generation,
    dataStreamId: event.result?.dataStream?.dataStreamId,
  };
}

function dataStreamDocuments(
  state: IngestionState,
  event: Extract<SagaEvent, { kind: 'data-stream-changed' }>,
): readonly IngestionDocument[] {
  const { kind: dataStreamKind, ...dataStream } = event.dataStream;
  const { measurementId, fleet, region } = state;
  const { dataStreamId, stage, generation, attempt, parents } = dataStream;
  const document = defined({
    ...dataStream,
    id: dataStreamId,
    kind: 'data-stream' as const,
    dataStreamKind,
    measurementId,
    fleet,
    region,
    vin: state.recording?.vehicle.vin,
    previousState: event.previousState,
  });
  if (
    event.previousState !== undefined &&
    dataStream.state !== 'Completed' &&
    dataStream.state !== 'PartiallyCompleted'
  ) {
    return [document];
  }
  // What has no parents was made from the recording itself: lineage ends at the raw bytes, never before.
  const sources = parents.length === 0 ? [measurementId] : parents;
  const edges = sources.map((source) =>
    defined({
      id: `${source}_${dataStreamId}`,
      kind: 'lineage-edge' as const,
      measurementId,
      from: source,
      fromKind: source === measurementId ? 'measurement' : 'data-stream',
      to: dataStreamId,
      stage,
      generation,
      attempt,
    }),
  );
  return [document, ...edges];
}

/** Absent is absent: a document has no fields without a value. */
function defined<T extends object>(fields: T): T {
  const present = { ...fields };
  for (const field of Object.keys(fields) as (keyof T)[]) {
    if (fields[field] === undefined) delete present[field];
  }
  return present;
}
