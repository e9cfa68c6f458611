import { RetryableFailure } from '#domain/failures.ts';
import { taskIdOf } from '#domain/identity.ts';
import { StageAttempts } from '#domain/measurement-status.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { StageRun, TaskReport } from '#domain/ports/stage-run-store.ts';
import type { TaskOutcome, TaskRunner } from '#domain/ports/task-runner.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { workFolderOfRun } from '#domain/stage-plan.ts';
import { Stage } from '#domain/vocabulary.ts';
import { readResult } from '../run-papers.ts';
import { sendConclude } from '../stage-messages.ts';
import { type ReportTaskPorts, recordEnd, recordNeverStarted } from './report-task.ts';

export interface PollTasksPorts extends ReportTaskPorts {
  readonly tasks: TaskRunner;
  readonly telemetry: Telemetry;
  readonly metadata: Pick<MetadataStore, 'measurement'>;
}

/** Young runs may not be visible everywhere yet, and a conclusion that was asked for takes a while. */
const GRACE_MS = 60_000;

export interface PollRound {
  /** Ends that nobody had reported. */
  readonly recordedCount: number;
  /** The last run that was asked about; absent when there is none behind it, and the next round begins anew. */
  readonly upToStageRunId?: string;
}

/**
 * The truth behind the reports: asks Batch about open runs and records the ends that nobody reported, because the task
 * was killed, its node was lost, or its report did not arrive. A round asks about so many runs at most, and the next
 * one goes on behind them: what polling costs does not grow with what waits.
 */
export async function pollTasks(
  ports: PollTasksPorts,
  runsMax: number,
  afterStageRunId?: string,
): Promise<PollRound> {
  let recordedCount = 0;
  const runs = await ports.runs.open(runsMax, afterStageRunId);
  for (const run of runs) {
    try {
      recordedCount += await pollRun(ports, run);
    } catch (error) {
      // The next round asks again; one run that cannot be asked about must not hide the others.
      if (!(error instanceof RetryableFailure)) throw error;
      ports.telemetry.event('tasks.poll-failed', { stageRunId: run.stageRunId, reason: error.message });
    }
  }
  const last = runs.length < runsMax ? undefined : runs.at(-1);
  return { recordedCount, ...(last === undefined ? {} : { upToStageRunId: last.stageRunId }) };
}

async function pollRun(ports: PollTasksPorts, run: StageRun): Promise<number> {
  if (await isOutlived(ports, run)) {
    if (run.jobId !== undefined) {
      const taskIds = Array.from({ length: run.taskCount }, (_, index) => taskIdOf(run.stageRunId, index));
      await ports.tasks.terminate(run.jobId, run.stageRunId, taskIds);
    }
    await ports.runs.conclude(run.stageRunId);
    ports.telemetry.event('tasks.stopped', { measurementId: run.measurementId, stageRunId: run.stageRunId });
    return 0;
  }
  const reports = await ports.runs.reports(run.stageRunId);
  const ended = new Set(reports.map((report) => report.taskId));
  if (ended.size >= run.taskCount) {
    if (isOlderThanGrace(ports, latestOf(reports) ?? run.createdAt)) await sendConclude(ports, run);
    return 0;
  }
  if (run.jobId === undefined) return 0;
  const unreported = Array.from({ length: run.taskCount }, (_, index) =>
    taskIdOf(run.stageRunId, index),
  ).filter((taskId) => !ended.has(taskId));
  let recordedCount = 0;
  for (const outcome of await ports.tasks.outcomes(run.jobId, run.stageRunId, unreported)) {
    const report = await reportFor(ports, run, outcome);
    if (report === undefined) continue;
    await recordEnd(ports, run, report);
    recordedCount += 1;
  }
  if (recordedCount === 0) await finishNeverStarted(ports, run, reports);
  return recordedCount;
}

/**
 * Whether the measurement was cancelled, restarted or went on without this run, so that nobody waits for its tasks
 * any more and they only cost. Attempts and generations never go back and an attempt that is over stays over: a read
 * that lags behind says too little, never too much.
 */
async function isOutlived(ports: PollTasksPorts, run: StageRun): Promise<boolean> {
  const stage = Stage.safeParse(run.stage);
  if (!stage.success) return false;
  const document = await ports.metadata.measurement(run.measurementId);
  if (document === undefined) return false;
  const progress = StageAttempts.parse(document).stages[stage.data];
  if (progress === undefined) return false;
  const { generation = 1 } = run.command.data as { readonly generation?: number };
  if (progress.generation !== generation) return progress.generation > generation;
  if (progress.attempt !== run.attempt) return progress.attempt > run.attempt;
  return progress.state !== 'Running';
}

/** A process may have died after recording a failure and before recording what the failure stops. */
async function finishNeverStarted(
  ports: PollTasksPorts,
  run: StageRun,
  reports: readonly TaskReport[],
): Promise<void> {
  for (const report of reports) {
    if (report.outcome !== 'failed') continue;
    const after = await recordNeverStarted(ports, run, report);
    if (after !== undefined && after.endedTaskCount >= after.taskCount) return sendConclude(ports, after);
  }
}

async function reportFor(
  ports: PollTasksPorts,
  run: StageRun,
  outcome: TaskOutcome,
): Promise<TaskReport | undefined> {
  const { taskId, state } = outcome;
  if (state === 'waiting' || state === 'running') return undefined;
  if (state === 'lost' && !isOlderThanGrace(ports, run.createdAt)) return undefined;
  const common = { stageRunId: run.stageRunId, taskId, reportedAt: ports.clock.now().toISOString() };
  const result = await readResult(ports.blobs, workFolderOfRun(ports.papers, run), taskId);
  if (result !== undefined && result.outcome !== 'failed') return { ...common, outcome: result.outcome };
  if (result?.reason !== undefined) {
    const { code, message } = result.reason;
    return { ...common, outcome: 'failed', reason: { code, message } };
  }
  if (state === 'lost') {
    const message = `task ${taskId} is unknown to Batch and left no result`;
    return { ...common, outcome: 'failed', reason: { code: 'task-lost', message } };
  }
  const how = outcome.exitCode === undefined ? 'without an exit code' : `with exit code ${outcome.exitCode}`;
  const said = outcome.message === undefined ? '' : `: ${outcome.message}`;
  const message = `task ${taskId} ended ${how} and left no result${said}`.slice(0, 2000);
  return { ...common, outcome: 'failed', reason: { code: 'task-failed', message } };
}

function isOlderThanGrace(ports: PollTasksPorts, time: string): boolean {
  return ports.clock.now().getTime() - new Date(time).getTime() > GRACE_MS;
}

function latestOf(reports: readonly TaskReport[]): string | undefined {
  return reports
    .map((report) => report.reportedAt)
    .sort()
    .at(-1);
}
