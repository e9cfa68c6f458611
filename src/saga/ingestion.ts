import { isUnfinished, mayFollow } from '#domain/data-stream-state.ts';
import { messageIdOf } from '#domain/identity.ts';
import type { DataOf, Envelope, MessageType } from '#domain/messages.ts';
import { SAGA_INPUTS } from '#domain/topology.ts';
import {
  type BlobLocation,
  type DataStreamResult,
  ENDED_STATES,
  type Reason,
  type Stage,
} from '#domain/vocabulary.ts';
import { type Course, openCourse } from './course.ts';
import {
  changeDataStream,
  closeDataStreams,
  createDataStream,
  reportDataStreamState,
  supersedeOlder,
} from './data-streams.ts';
import {
  type DuplicateRemoval,
  type IngestionState,
  isCopied,
  isDone,
  runningStageOf,
  type SagaEvent,
  type StageResult,
} from './ingestion-state.ts';
import { definitionIn, firstStageOf, stagesBefore } from './road.ts';

/**
 * The ingestion saga's decisions: what one measurement's state and one message lead to. Pure: the time is an
 * argument, ids are computed, and a message may come late, early, twice or never.
 */

export type SagaInput = Envelope<
  | 'landfall.measurement.received.v1'
  | 'landfall.measurement.incomplete.v1'
  | 'landfall.measurement.rejected.v1'
  | 'landfall.stage.started.v1'
  | 'landfall.stage.failed.v1'
  | 'landfall.stage.expire.v1'
  | 'landfall.measurement.quarantined.v1'
  | 'landfall.measurement.rehydrated.v1'
  | 'landfall.restore.failed.v1'
  | 'landfall.measurement.cancel.v1'
  | 'landfall.measurement.rerun.v1'
  | 'landfall.measurement.rehydrate.v1'
  | 'landfall.data-stream.create.v1'
  | 'landfall.data-stream.report-state.v1'
  | 'landfall.labels.received.v1'
  | StageSuccess
>;

type StageSuccess =
  | 'landfall.measurement.validated.v1'
  | 'landfall.measurement.registered.v1'
  | 'landfall.measurement.copied.v1'
  | 'landfall.extraction.completed.v1'
  | 'landfall.data-stream.synchronized.v1'
  | 'landfall.data-stream.enriched.v1'
  | 'landfall.scenes.detected.v1'
  | 'landfall.measurement.shared.v1';

/** Rehydration from the Archive tier takes up to 15 hours (Standard priority); a large recording is then copied. */
const REHYDRATION_DEADLINE_SECONDS = 72 * 3600;

export function isSagaInput(envelope: Envelope): envelope is SagaInput {
  return (SAGA_INPUTS as readonly MessageType[]).includes(envelope.type);
}

/**
 * What happens when `input` comes to a measurement in `state` at `now`. Nothing, when it is late or of no concern.
 * `timeScale` multiplies deadlines and pauses.
 */
export function decide(
  state: IngestionState,
  input: SagaInput,
  now: Date,
  timeScale = 1,
): readonly SagaEvent[] {
  const course = openCourse(state, now, timeScale);
  switch (input.type) {
    case 'landfall.measurement.received.v1':
      arrive(course, input.data);
      break;
    case 'landfall.measurement.incomplete.v1':
      noticeIncomplete(course, input.data);
      break;
    case 'landfall.stage.started.v1':
      noticeStart(course, input.data);
      break;
    case 'landfall.stage.failed.v1':
      if (isCurrent(course.state, input.data)) {
        failAttempt(course, input.data.stage, input.data.reason, input.data.retryable);
      }
      break;
    case 'landfall.stage.expire.v1':
      expire(course, input.data);
      break;
    case 'landfall.measurement.rejected.v1':
      reject(course, input.data);
      break;
    case 'landfall.measurement.quarantined.v1':
      noticeQuarantine(course, input);
      break;
    case 'landfall.measurement.rehydrated.v1':
      if (course.state.state === 'Rehydrating' && input.data.generation === course.state.generation) {
        course.emit({ kind: 'rehydrated', fileCount: input.data.fileCount });
      }
      break;
    case 'landfall.restore.failed.v1':
      if (
        course.state.state === 'Rehydrating' &&
        input.data.generation === course.state.generation &&
        input.data.number === course.state.rehydration?.number
      ) {
        course.emit({ kind: 'rehydration-failed', reason: input.data.reason });
      }
      break;
    case 'landfall.measurement.cancel.v1':
      cancel(course, input.data);
      break;
    case 'landfall.measurement.rerun.v1':
      rerun(course, input.data);
      break;
    case 'landfall.measurement.rehydrate.v1':
      rehydrate(course, input.data);
      break;
    case 'landfall.data-stream.create.v1':
      createDataStream(course, input.data.generation, input.data.dataStream, input.source);
      break;
    case 'landfall.data-stream.report-state.v1':
      reportDataStreamState(course, input.data, input.source);
      break;
    case 'landfall.labels.received.v1':
      receiveLabels(course, input.data.generation, input.data.dataStream, input.source);
      break;
    default:
      succeed(course, input);
  }
  return course.events;
}

// Arrivals -------------------------------------------------------------------------------------------------------

function arrive(course: Course, data: DataOf<'landfall.measurement.received.v1'>): void {
  const { state } = course;
  const { recording, filesHash, landed } = data;
  const noted = landed === undefined ? {} : { landed };
  const arrived = { kind: 'arrived', recording, filesHash, ...noted } as const;
  if (state.filesHash === filesHash && state.state !== 'Rehydrating') return;
  switch (state.state) {
    case 'Receiving':
    case 'Incomplete':
      course.emit(arrived);
      command(course, firstStageOf(state));
      return;
    case 'Rehydrating':
      startGeneration(course, { fromStage: firstStageOf(state), cause: 'rehydration' }, arrived);
      return;
    case 'Rejected':
    case 'Failed':
    case 'Cancelled':
      if (isCopied(state))
        startGeneration(course, { fromStage: firstStageOf(state), cause: 'arrival' }, arrived);
      else restartRun(course, arrived);
      return;
    case 'Running':
    case 'Waiting':
    case 'Shared':
      if (!isCopied(state)) restartRun(course, arrived);
      else if (state.recording?.manifest.sha256 === recording.manifest.sha256) {
        const removal = removalOf(state, data);
        const commandId = orderedIdOf(state, 'landfall.duplicate.remove.v1');
        const order = removal === undefined ? {} : { removal, commandId };
        course.emit({ kind: 'duplicate-noticed', filesHash, ...order });
      } else {
        startGeneration(course, { fromStage: firstStageOf(state), cause: 'correction' }, arrived);
      }
  }
}

/** A duplicate comes after the copy: both copies have been verified, and the ledger says what is in them. */
function removalOf(
  { stages, archived }: IngestionState,
  { recording, landed }: DataOf<'landfall.measurement.received.v1'>,
): DuplicateRemoval | undefined {
  const { ledger } = stages.validate.result ?? {};
  const [raw] = stages.copy.result?.dataStream?.locations ?? [];
  if (landed === undefined || ledger === undefined || raw === undefined || archived === undefined)
    return undefined;
  return { recording, landed, ledger, raw, archive: archived.location };
}

type Arrived = { readonly kind: 'arrived' } & Pick<
  Extract<SagaEvent, { kind: 'arrived' }>,
  'recording' | 'filesHash' | 'landed'
>;

function restartRun(course: Course, arrived: Arrived): void {
  course.emit({ kind: 'run-restarted' });
  course.emit(arrived);
  command(course, firstStageOf(course.state));
}

function startGeneration(
  course: Course,
  start: Pick<Extract<SagaEvent, { kind: 'generation-started' }>, 'fromStage' | 'cause' | 'actor' | 'why'>,
  arrived?: Arrived,
): void {
  const generation = course.state.generation + 1;
  closeDataStreams(course, 'Superseded', {
    code: 'concurrent-change',
    message: `Generation ${generation} has taken over.`,
  });
  course.emit({ kind: 'generation-started', generation, ...start });
  if (arrived !== undefined) course.emit(arrived);
  command(course, start.fromStage);
}

/** A folder that waited too long says something only while nothing complete was ever seen of the measurement. */
function noticeIncomplete(course: Course, data: DataOf<'landfall.measurement.incomplete.v1'>): void {
  const { state } = course;
  if (state.recording !== undefined) {
    noticeCorrection(course, data);
    return;
  }
  if (state.state !== 'Receiving' && state.state !== 'Incomplete') return;
  course.emit({
    kind: 'incomplete-noticed',
    recordingId: data.recordingId,
    folder: data.folder,
    ...(data.vehicle === undefined ? {} : { vin: data.vehicle.vin }),
    missingCount: data.missingCount,
    reason: data.reason,
  });
}

// Corrections ----------------------------------------------------------------------------------------------------

/**
 * Something lies in the folder of a measurement whose files were put away, and not enough to start: one file was
 * corrected. The others come back to it from the error zone.
 */
function noticeCorrection(course: Course, data: DataOf<'landfall.measurement.incomplete.v1'>): void {
  const { state } = course;
  const { quarantine, rehydration } = state;
  if (quarantine === undefined || isCopied(state) || !isSameFolder(data.folder, quarantine.recording.folder))
    return;
  if (state.state === 'Rehydrating' && rehydration?.from === 'error' && rehydration.fileCount !== undefined) {
    const { code, message } = data.reason;
    course.emit({ kind: 'rehydration-failed', reason: { code, message, details: data.missing } });
    return;
  }
  if (!isPutAway(state)) return;
  if (quarantine.location === undefined) course.emit({ kind: 'correction-noticed' });
  else bringBackTheRest(course);
}

function noticeQuarantine(course: Course, input: Envelope<'landfall.measurement.quarantined.v1'>): void {
  const { quarantine } = course.state;
  const { generation, location, fileCount } = input.data;
  if (quarantine?.generation !== generation) return;
  // An older release wrote down neither which command it was, nor which one is answered.
  const { commandId = input.causationid } = quarantine;
  if (input.causationid !== undefined && input.causationid !== commandId) return;
  course.emit({ kind: 'quarantined', location, fileCount });
  if (quarantine.isCorrected && isPutAway(course.state)) bringBackTheRest(course);
}

function isPutAway({ state }: IngestionState): boolean {
  return state === 'Rejected' || state === 'Failed';
}

function bringBackTheRest(course: Course): void {
  const source = restorableOf(course.state, 'error');
  if (source === undefined) return;
  const why = 'A corrected file lies in Landing, and the other files of its folder in the error zone.';
  orderRehydration(course, source, { priority: 'Standard', actor: 'landfall/landing', why });
}

function isSameFolder(one: BlobLocation, other: BlobLocation): boolean {
  return one.account === other.account && one.container === other.container && one.path === other.path;
}

// Stages ---------------------------------------------------------------------------------------------------------

/** Sends the stage its command, for its next attempt, after the pause that follows a failure. */
function command(course: Course, stage: Stage, reason?: Reason): void {
  const { state, now, timeScale } = course;
  const progress = state.stages[stage];
  const definition = definitionIn(state, stage);
  const delays = definition.retryDelaysSeconds;
  const delaySeconds =
    progress.failureCount === 0 ? 0 : (delays[Math.min(progress.failureCount, delays.length) - 1] ?? 0);
  const startAt = new Date(now.getTime() + delaySeconds * timeScale * 1000);
  const attempt = progress.attempt + 1;
  if (stage === 'copy') markCopyStart(course, attempt);
  course.emit({
    kind: 'stage-commanded',
    stage,
    attempt,
    deadlineAt: new Date(startAt.getTime() + definition.deadlineSeconds * timeScale * 1000).toISOString(),
    ...(delaySeconds === 0 ? {} : { enqueueAt: startAt.toISOString() }),
  });
  const measurementState = delaySeconds === 0 ? 'Running' : 'Waiting';
  if (course.state.state !== measurementState) {
    course.emit({
      kind: 'measurement-state-changed',
      state: measurementState,
      ...(measurementState === 'Waiting' && reason !== undefined ? { reason } : {}),
    });
  }
}

function markCopyStart(course: Course, attempt: number): void {
  const raw = course.state.stages.register.result?.raw;
  if (raw === undefined) return;
  const { dataStreamId, locations } = raw;
  const dataStream: DataStreamResult = {
    dataStreamId,
    kind: 'raw',
    zone: 'raw',
    locations,
    parents: [],
    fileCount: 0,
    sizeBytes: 0,
    rowCount: 0,
  };
  changeDataStream(course, dataStream, 'StartCopy', { stage: 'copy', attempt });
}

/** Whether an answer belongs to the attempt that is being waited for. */
function isCurrent(
  state: IngestionState,
  place: { readonly generation: number; readonly stage: string; readonly attempt: number },
): boolean {
  const stage = runningStageOf(state);
  return (
    stage !== undefined &&
    stage === place.stage &&
    state.generation === place.generation &&
    state.stages[stage].attempt === place.attempt
  );
}

function noticeStart(course: Course, data: DataOf<'landfall.stage.started.v1'>): void {
  const { state } = course;
  if (!isCurrent(state, data) || state.stages[data.stage].startedAt !== undefined) return;
  course.emit({ kind: 'stage-started', stage: data.stage, taskCount: data.taskCount });
  resume(course);
  if (data.dataStream === undefined || data.stage === 'copy') return;
  const dataStream: DataStreamResult = { ...data.dataStream, fileCount: 0, sizeBytes: 0, rowCount: 0 };
  const owner = { stage: data.stage, attempt: data.attempt };
  changeDataStream(course, dataStream, 'Created', owner);
  changeDataStream(course, dataStream, 'Processing', owner);
}

function resume(course: Course): void {
  if (course.state.state === 'Waiting') course.emit({ kind: 'measurement-state-changed', state: 'Running' });
}

function succeed(course: Course, input: Envelope<StageSuccess>): void {
  const { stage, attempt, outcome, reason } = input.data;
  if (definitionIn(course.state, stage).succeededBy !== input.type) return;
  if (!isCurrent(course.state, input.data)) return;
  const result = resultOf(input);
  course.emit({
    kind: 'stage-ended',
    stage,
    state: outcome === 'skipped' ? 'Skipped' : 'Succeeded',
    outcome,
    ...(reason === undefined ? {} : { reason }),
    result,
  });
  resume(course);
  publishOutput(course, stage, attempt, result, outcome, reason);
  const next = definitionIn(course.state, stage).next;
  if (next !== undefined) command(course, next);
  else course.emit({ kind: 'measurement-state-changed', state: 'Shared' });
}

function publishOutput(
  course: Course,
  stage: Stage,
  attempt: number,
  result: StageResult,
  outcome: 'succeeded' | 'partial' | 'skipped',
  reason: Reason | undefined,
): void {
  if (stage === 'register' && result.raw !== undefined) {
    const raw = { ...result.raw, parents: [], fileCount: 0, sizeBytes: 0, rowCount: 0 };
    changeDataStream(course, { ...raw, kind: 'raw', zone: 'raw' }, 'Created', { stage: 'copy', attempt });
    return;
  }
  const { dataStream } = result;
  if (dataStream === undefined) return;
  const owner = { stage, attempt };
  changeDataStream(course, dataStream, 'Created', owner);
  if (stage === 'copy') changeDataStream(course, dataStream, 'CopyComplete', owner);
  changeDataStream(
    course,
    dataStream,
    outcome === 'partial' ? 'PartiallyCompleted' : 'Completed',
    owner,
    reason,
  );
  supersedeOlder(course, stage, dataStream.dataStreamId);
}

function resultOf(input: Envelope<StageSuccess>): StageResult {
  switch (input.type) {
    case 'landfall.measurement.validated.v1':
      return { ledger: input.data.ledger, quality: input.data.quality };
    case 'landfall.measurement.registered.v1':
      return { raw: input.data.raw, archive: input.data.archive };
    case 'landfall.measurement.copied.v1':
      return { dataStream: input.data.dataStream, archive: input.data.archive };
    case 'landfall.scenes.detected.v1':
      return { dataStream: input.data.dataStream, sceneCount: input.data.sceneCount };
    case 'landfall.measurement.shared.v1':
      return { dataStream: input.data.dataStream, share: input.data.share };
    default:
      return { dataStream: input.data.dataStream };
  }
}

// Failures -------------------------------------------------------------------------------------------------------

function expire(course: Course, data: DataOf<'landfall.stage.expire.v1'>): void {
  const { state } = course;
  if (data.stage === 'rehydrate') {
    if (state.state !== 'Rehydrating' || state.rehydration?.number !== data.attempt) return;
    const message = `The files did not come back to Landing before ${state.rehydration.deadlineAt}; rehydrate again, or upload the folder again.`;
    course.emit({ kind: 'measurement-failed', reason: { code: 'stage-overdue', message } });
    return;
  }
  if (!isCurrent(state, data)) return;
  const { stage, attempt } = data;
  const { deadlineAt } = state.stages[stage];
  const message = `Attempt ${attempt} of ${stage} did not answer before ${deadlineAt}.`;
  failAttempt(course, stage, { code: 'stage-overdue', message }, true);
}

function failAttempt(course: Course, stage: Stage, reason: Reason, retryable: boolean): void {
  const definition = definitionIn(course.state, stage);
  course.emit({ kind: 'attempt-failed', stage, reason });
  const { failureCount, attempt } = course.state.stages[stage];
  if (retryable && failureCount < definition.attemptsMax) {
    command(course, stage, reason);
    return;
  }
  course.emit({ kind: 'stage-ended', stage, state: 'Failed', reason });
  closeDataStreams(course, 'Failed', reason);
  course.emit({ kind: 'measurement-failed', stage, attempt, reason });
  if (definition.compensation === 'move-to-error-zone') quarantine(course, reason);
}

function reject(course: Course, data: DataOf<'landfall.measurement.rejected.v1'>): void {
  if (!isCurrent(course.state, data)) return;
  const { stage, reason } = data;
  course.emit({ kind: 'stage-ended', stage, state: 'Failed', reason });
  closeDataStreams(course, 'Failed', reason);
  course.emit({ kind: 'measurement-state-changed', state: 'Rejected', reason });
  quarantine(course, reason);
}

function quarantine(course: Course, reason: Reason): void {
  const { recording, landed } = course.state;
  if (recording === undefined) return;
  course.emit({
    kind: 'quarantine-ordered',
    commandId: orderedIdOf(course.state, 'landfall.measurement.quarantine.v1'),
    recording,
    ...(landed === undefined ? {} : { landed }),
    reason,
  });
}

/** The id of a command that has no attempt, ordered in `state`: of its number among what the saga says (outputs.ts). */
function orderedIdOf(
  { measurementId, generation, sequence }: IngestionState,
  type: 'landfall.measurement.quarantine.v1' | 'landfall.duplicate.remove.v1',
): string {
  return messageIdOf(type, measurementId, generation, sequence + 1);
}

// Requests -------------------------------------------------------------------------------------------------------

function refuse(course: Course, request: string, actor: string, message: string): void {
  course.emit({ kind: 'refused', request, actor, reason: { code: 'not-allowed', message } });
}

function cancel(course: Course, data: DataOf<'landfall.measurement.cancel.v1'>): void {
  const { state, isKnown } = course;
  if (!isKnown) return;
  const { actor, reason: why } = data;
  if (ENDED_STATES.includes(state.state)) {
    refuse(course, 'cancel', actor, `The measurement is ${state.state}: there is nothing left to cancel.`);
    return;
  }
  const reason: Reason = { code: 'cancelled', message: `${actor}: ${why}` };
  const stage = runningStageOf(state);
  if (stage !== undefined) course.emit({ kind: 'stage-ended', stage, state: 'Failed', reason });
  closeDataStreams(course, 'Failed', reason);
  course.emit({ kind: 'cancelled', actor, why });
}

function rerun(course: Course, data: DataOf<'landfall.measurement.rerun.v1'>): void {
  const { state, isKnown } = course;
  if (!isKnown) return;
  const { actor, fromStage, reason: why } = data;
  const problem = rerunProblemOf(state, fromStage);
  if (problem !== undefined) refuse(course, `rerun from ${fromStage}`, actor, problem);
  else startGeneration(course, { fromStage, cause: 'rerun', actor, why });
}

function rerunProblemOf(state: IngestionState, fromStage: Stage): string | undefined {
  if (state.recording === undefined) return `The measurement is ${state.state}: there is nothing to run yet.`;
  if (state.state === 'Rehydrating') return 'The measurement is Rehydrating and will run again by itself.';
  const earlier = stagesBefore(state, fromStage);
  const undone = earlier.find((stage) => !isDone(state.stages[stage]));
  if (undone !== undefined) return `${undone} has no result yet; rerun from ${undone} or an earlier stage.`;
  if (!earlier.includes('copy') && !state.filesInLanding) {
    return `${fromStage} reads the files in Landing, and they are no longer there; rehydrate the measurement instead.`;
  }
  return undefined;
}

function rehydrate(course: Course, data: DataOf<'landfall.measurement.rehydrate.v1'>): void {
  const { state, isKnown } = course;
  if (!isKnown) return;
  const { actor, priority, reason: why } = data;
  if (!ENDED_STATES.includes(state.state)) {
    refuse(course, 'rehydrate', actor, `The measurement is ${state.state}; cancel it first.`);
    return;
  }
  const source = restorableOf(state, data.from);
  if (source === undefined) {
    const where =
      data.from === undefined ? 'neither the archive nor the error zone' : `not the ${data.from} zone`;
    refuse(course, 'rehydrate', actor, `There is a complete copy in ${where}.`);
    return;
  }
  orderRehydration(course, source, { priority, actor, why });
}

function orderRehydration(
  { state, now, timeScale, emit }: Course,
  source: NonNullable<ReturnType<typeof restorableOf>>,
  request: { readonly priority: 'Standard' | 'High'; readonly actor: string; readonly why: string },
): void {
  const { removals } = state;
  emit({
    kind: 'rehydration-ordered',
    number: state.rehydrationCount + 1,
    ...source,
    ...request,
    deadlineAt: new Date(now.getTime() + REHYDRATION_DEADLINE_SECONDS * timeScale * 1000).toISOString(),
    ...(removals === undefined ? {} : { after: removals }),
  });
}

/** Where the files can come back from: the error zone holds the newer ones, so it is asked first. */
function restorableOf(state: IngestionState, from: 'archive' | 'error' | undefined) {
  const { quarantine: held, archived } = state;
  if (from !== 'archive' && held?.location !== undefined) {
    return { from: 'error', recording: held.recording, locations: [held.location] } as const;
  }
  if (from !== 'error' && archived !== undefined) {
    return { from: 'archive', recording: archived.recording, locations: [archived.location] } as const;
  }
  return undefined;
}

function receiveLabels(
  course: Course,
  generation: number,
  dataStream: DataStreamResult,
  actor: string,
): void {
  if (!createDataStream(course, generation, dataStream, actor)) return;
  const created = course.state.dataStreams[dataStream.dataStreamId];
  if (created === undefined || !isUnfinished(created.state) || !mayFollow(created.state, 'Completed')) return;
  changeDataStream(course, dataStream, 'Completed', { attempt: created.attempt, generation });
}
