import { isUnfinished, mayFollow } from '#domain/data-stream-state.ts';
import type { DataOf } from '#domain/messages.ts';
import { DataStreamResult, type DataStreamState, type Reason, type Stage } from '#domain/vocabulary.ts';
import type { Course } from './course.ts';
import type { DataStream } from './ingestion-state.ts';

/** The saga is the only writer of data-stream states; these are its rules for them. */

/** More data streams than this in one measurement are a mistake of whoever announces them. */
export const DATA_STREAMS_MAX = 500;

interface Owner {
  readonly stage?: Stage;
  readonly attempt: number;
  readonly generation?: number;
}

/** Moves a data stream to `state`, when that may follow; creates it when it is new. Nothing when it is there already. */
export function changeDataStream(
  course: Course,
  result: DataStreamResult,
  state: DataStreamState,
  owner: Owner,
  reason?: Reason,
): void {
  const at = course.now.toISOString();
  const known = course.state.dataStreams[result.dataStreamId];
  if (known === undefined && state !== 'Created') {
    changeDataStream(course, result, 'Created', owner);
    changeDataStream(course, result, state, owner, reason);
    return;
  }
  if (known !== undefined) {
    const isNextAttempt = known.state === state && known.attempt !== owner.attempt;
    if (!isNextAttempt && !mayFollow(known.state, state)) return;
  }
  const dataStream: DataStream = {
    ...DataStreamResult.parse(result),
    generation: owner.generation ?? known?.generation ?? course.state.generation,
    attempt: owner.attempt,
    ...(owner.stage === undefined ? {} : { stage: owner.stage }),
    state,
    ...(reason === undefined ? {} : { reason }),
    createdAt: known?.createdAt ?? at,
    updatedAt: at,
  };
  course.emit({
    kind: 'data-stream-changed',
    dataStream,
    ...(known === undefined ? {} : { previousState: known.state }),
  });
}

/** Ends what the running stages have begun, because they will not. */
export function closeDataStreams(course: Course, state: 'Failed' | 'Superseded', reason: Reason): void {
  for (const known of Object.values(course.state.dataStreams)) {
    if (known.stage === undefined || !isUnfinished(known.state)) continue;
    if (known.generation !== course.state.generation) continue;
    changeDataStream(course, known, state, known, reason);
  }
}

/** What earlier generations made of a stage gives way to its new output. */
export function supersedeOlder(course: Course, stage: Stage, dataStreamId: string): void {
  for (const known of Object.values(course.state.dataStreams)) {
    if (known.stage !== stage || known.dataStreamId === dataStreamId || known.state === 'Superseded')
      continue;
    course.emit({
      kind: 'data-stream-changed',
      dataStream: {
        ...known,
        state: 'Superseded',
        supersededBy: dataStreamId,
        updatedAt: course.now.toISOString(),
      },
      previousState: known.state,
    });
  }
}

/** A data stream that a team announces itself. @returns whether it was taken. */
export function createDataStream(
  course: Course,
  generation: number,
  result: DataStreamResult,
  actor: string,
): boolean {
  const { state, isKnown } = course;
  if (!isKnown || state.dataStreams[result.dataStreamId] !== undefined) return false;
  const problem =
    generation > state.generation
      ? `the measurement is in generation ${state.generation}, not ${generation}`
      : Object.keys(state.dataStreams).length >= DATA_STREAMS_MAX
        ? `a measurement has at most ${DATA_STREAMS_MAX} data streams`
        : undefined;
  if (problem !== undefined) {
    const message = `Data stream ${result.dataStreamId} was not created: ${problem}.`;
    course.emit({
      kind: 'refused',
      request: 'create data stream',
      actor,
      reason: { code: 'not-allowed', message },
    });
    return false;
  }
  changeDataStream(course, result, 'Created', { attempt: 1, generation });
  return true;
}

/** Fenced by attempt; the stages' own data streams end when the stage says so, not when somebody reports it. */
export function reportDataStreamState(
  course: Course,
  report: DataOf<'landfall.data-stream.report-state.v1'>,
  actor: string,
): void {
  const { state, isKnown } = course;
  if (!isKnown) return;
  const known = state.dataStreams[report.dataStreamId];
  if (known !== undefined && known.state === report.state) return;
  const problem =
    known === undefined
      ? 'it does not exist'
      : known.attempt !== report.attempt
        ? `attempt ${report.attempt} is not its current attempt ${known.attempt}`
        : !mayFollow(known.state, report.state)
          ? `${report.state} cannot follow ${known.state}`
          : known.stage !== undefined && report.state !== 'Processing'
            ? `it belongs to the stage ${known.stage}, which alone ends it`
            : undefined;
  if (known === undefined || problem !== undefined) {
    const message = `The state of data stream ${report.dataStreamId} was not changed to ${report.state}: ${problem}.`;
    course.emit({
      kind: 'refused',
      request: 'report data-stream state',
      actor,
      reason: { code: 'not-allowed', message },
    });
    return;
  }
  const result = report.manifest === undefined ? known : { ...known, manifest: report.manifest };
  changeDataStream(course, result, report.state, known, report.reason);
}
