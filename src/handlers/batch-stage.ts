import { costEstimateOf } from '#domain/cost-estimate.ts';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { stageRunIdOf, taskIdOf } from '#domain/identity.ts';
import { inParallel } from '#domain/in-parallel.ts';
import type { CommandType, Envelope } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { StageRun, StageRunStore } from '#domain/ports/stage-run-store.ts';
import type { TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { report } from '#domain/reported-events.ts';
import { outputOf } from '#domain/result-manifest.ts';
import {
  below,
  type EndedTask,
  isRetryableCode,
  KeptConclusion,
  lossOfTasks,
  type RunPlace,
  runKeyOf,
  type StagePlan,
  stageFailureOf,
  type TaskFailure,
  workFolderOf,
} from '#domain/stage-plan.ts';
import type { CopiedBytes } from '#domain/stages/copy.ts';
import { TASK_CONFIGURATION_VARIABLE } from '#domain/task-configuration.ts';
import { isCustodyWork, type Reason, type Stage, type TaskedWork } from '#domain/vocabulary.ts';
import {
  configurationLocationOf,
  configurationOf,
  readJsonIfThere,
  readPlan,
  readResult,
  writeJson,
} from './run-papers.ts';
import { publishStageEvents, type StageEvent, sendConclude, stageEvent } from './stage-messages.ts';

/**
 * How a stage works whose tasks run in Batch. On its command: plan, keep the plan, submit, say that it has started,
 * and hold nothing. When all tasks have ended: read what they wrote, judge, keep the conclusion, say it. Every step
 * may be repeated after a crash, by another process, with the same effect: ids are computed, the plan and the
 * conclusion are written once and read back ever after.
 */
export interface BatchStage<T extends CommandType> {
  readonly work: TaskedWork;
  readonly command: T;
  /** Asks for the facts and decides. Called once per attempt. */
  plan(command: Envelope<T>, place: RunPlace): Promise<StagePlan>;
  /** Called when every task has ended well. The events end the attempt, in their order. */
  conclude(command: Envelope<T>, run: EndedRun): Promise<readonly StageEvent[]>;
  /**
   * Asked before there is a plan. `later`: what the work needs is not there yet, and the command has been sent to come
   * again by itself.
   */
  prepare?(command: Envelope<T>): Promise<'ready' | 'later'>;
  /** What the tasks have copied and do not list as their files. Absent: nothing. */
  copiedBytes?(command: Envelope<T>, tasks: readonly EndedTask[]): CopiedBytes;
  /** For work whose attempts the saga does not count: how often it is tried before a person must look. */
  readonly attemptsMax?: number;
  /** For such work: what is said when no attempt is left. Absent: the message becomes a dead letter. */
  giveUp?(command: Envelope<T>, reason: Reason): readonly StageEvent[];
}

export interface EndedRun extends RunPlace {
  readonly plan: StagePlan;
  readonly tasks: readonly EndedTask[];
}

export interface BatchStagePorts {
  readonly blobs: BlobStore;
  readonly runs: StageRunStore;
  readonly tasks: TaskRunner;
  readonly messages: MessageSender;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Where runs keep their papers: the container `tasks` of the operations account. */
  readonly papers: { readonly account: string; readonly container: string };
}

/** The time a task gets again after it failed by itself, before its failure counts. */
const TASK_RETRIES_MAX = 2;
const PARALLEL_BLOBS = 32;
const NOTHING_COPIED: CopiedBytes = { copiedBytes: 0, archivedBytes: 0 };

/** Handles the stage's command and `landfall.stage.conclude.v1`. */
export function batchStageHandler<T extends CommandType>(
  stage: BatchStage<T>,
  ports: BatchStagePorts,
): (message: Envelope) => Promise<void> {
  // Inside, the command is looked at by the stage alone; that it is the stage's own is checked here.
  const anyStage = stage as unknown as AnyStage;
  return async (message) => {
    if (message.type === 'landfall.stage.conclude.v1') return concludeRun(anyStage, ports, message);
    if (message.type === stage.command) return startRun(anyStage, ports, message, attemptOf(message));
    throw new TerminalFailure(
      'message-invalid',
      `${message.type} came to ${stage.work}, which takes ${stage.command}; correct the subscription`,
    );
  };
}

interface AnyStage extends Pick<BatchStage<CommandType>, 'work' | 'command' | 'attemptsMax'> {
  prepare?(command: Envelope): Promise<'ready' | 'later'>;
  copiedBytes?(command: Envelope, tasks: readonly EndedTask[]): CopiedBytes;
  plan(command: Envelope, place: RunPlace): Promise<StagePlan>;
  conclude(command: Envelope, run: EndedRun): Promise<readonly StageEvent[]>;
  giveUp?(command: Envelope, reason: Reason): readonly StageEvent[];
}

async function startRun(
  stage: AnyStage,
  ports: BatchStagePorts,
  command: Envelope,
  attempt: number,
): Promise<void> {
  const place = placeOf(stage.work, ports, command, attempt);
  const known = await ports.runs.find(place.stageRunId);
  if (known?.state !== 'open' && (await sayConclusionAgain(ports, command, place))) return;
  await terminateEarlierAttempt(stage, ports, command, attempt);
  let plan: StagePlan;
  try {
    if ((await stage.prepare?.(command)) === 'later') return;
    plan = await keptPlan(stage, ports, command, place);
  } catch (error) {
    if (!(error instanceof TerminalFailure)) throw error;
    return failRun(stage, ports, command, place, failureOf(error));
  }
  const run = known ?? (await createRun(ports, command, place, plan));
  if (run.jobId === undefined && plan.tasks.length > 0) {
    const { jobId } = await ports.tasks.submit(stage.work, place.stageRunId, specificationsOf(plan, place));
    await ports.runs.setJob(place.stageRunId, jobId);
  }
  await sayStarted(ports, command, place, plan);
  if (plan.tasks.length === 0) await sendConclude(ports, run);
}

/** The plan of this attempt: the one that was kept first, whoever made it. */
async function keptPlan(
  stage: AnyStage,
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
): Promise<StagePlan> {
  const location = below(place.workFolder, 'plan.json');
  if ((await ports.blobs.head(location)) === undefined) {
    const plan = await stage.plan(command, place);
    const kept = await writeJson(ports.blobs, location, plan, { onlyIfAbsent: true });
    if (kept.written) return plan;
  }
  return readPlan(ports.blobs, place.workFolder);
}

async function createRun(
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
  plan: StagePlan,
): Promise<StageRun> {
  await inParallel(plan.tasks, PARALLEL_BLOBS, (task, index) => {
    const configuration = configurationOf(task, index, place, command.traceparent);
    return writeJson(
      ports.blobs,
      configurationLocationOf(place.workFolder, configuration.taskId),
      configuration,
    );
  });
  return ports.runs.create({
    stageRunId: place.stageRunId,
    stage: place.stage,
    measurementId: place.measurementId,
    attempt: place.attempt,
    command,
    taskCount: plan.tasks.length,
    endedTaskCount: 0,
    state: 'open',
    createdAt: ports.clock.now().toISOString(),
  });
}

function specificationsOf(plan: StagePlan, place: RunPlace): TaskSpecification[] {
  return plan.tasks.map((task, index) => {
    const taskId = taskIdOf(place.stageRunId, index);
    const { account, container, path } = configurationLocationOf(place.workFolder, taskId);
    return {
      taskId,
      image: task.image,
      pool: task.pool,
      environment: { [TASK_CONFIGURATION_VARIABLE]: `${account}/${container}/${path}` },
      dependsOn: task.dependsOn.map((needed) => taskIdOf(place.stageRunId, needed)),
      retriesMax: TASK_RETRIES_MAX,
      wallClockSecondsMax: task.wallClockSecondsMax,
    };
  });
}

/** A new attempt makes the one before it pointless; what still runs of it only costs. */
async function terminateEarlierAttempt(
  stage: AnyStage,
  ports: BatchStagePorts,
  command: Envelope,
  attempt: number,
): Promise<void> {
  if (attempt === 1) return;
  const earlier = await ports.runs.find(placeOf(stage.work, ports, command, attempt - 1).stageRunId);
  if (earlier?.state !== 'open' || earlier.jobId === undefined) return;
  await ports.tasks.terminate(earlier.jobId, earlier.stageRunId, taskIdsOf(earlier));
  await ports.runs.conclude(earlier.stageRunId);
}

async function concludeRun(
  stage: AnyStage,
  ports: BatchStagePorts,
  message: Envelope<'landfall.stage.conclude.v1'>,
): Promise<void> {
  const { stageRunId } = message.data;
  const run = await ports.runs.find(stageRunId);
  if (run === undefined)
    throw new RetryableFailure(
      'not-found',
      `stage run ${stageRunId} of ${stage.work} is not stored (yet); it is asked for again`,
    );
  const command = run.command;
  const place = placeOf(stage.work, ports, command, run.attempt);
  if (run.state === 'concluded') {
    await sayConclusionAgain(ports, command, place);
    return;
  }
  const plan = await readPlan(ports.blobs, place.workFolder);
  const { tasks, failures } = await endedTasks(ports, run, plan, place);
  if (failures.length > 0)
    return failRun(stage, ports, command, place, stageFailureOf(failures, run.taskCount), run);
  let conclusion: readonly StageEvent[];
  try {
    conclusion = await stage.conclude(command, { ...place, plan, tasks });
  } catch (error) {
    if (!(error instanceof TerminalFailure)) throw error;
    return failRun(stage, ports, command, place, failureOf(error), run);
  }
  await endRun(ports, command, place, conclusion, run);
  reportConclusion(stage, ports, command, place, run, tasks);
}

function reportConclusion(
  stage: AnyStage,
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
  run: StageRun,
  tasks: readonly EndedTask[],
): void {
  const { measurementId, generation, attempt } = place;
  const results = tasks.map((task) => task.result);
  const taskMs = results.reduce((sum, { timingsMs }) => sum + (timingsMs['total'] ?? 0), 0);
  const files = results.flatMap((result) => result.files);
  const { copiedBytes, archivedBytes } = stage.copiedBytes?.(command, tasks) ?? NOTHING_COPIED;
  const written = outputOf(files);
  const outputBytes = written.outputBytes + copiedBytes;
  const loss = lossOfTasks(tasks);
  report(
    ports.telemetry,
    'stage.concluded',
    { measurementId, fleet: command.fleet, generation, stage: place.stage, attempt },
    {
      durationMs: ports.clock.now().getTime() - new Date(run.createdAt).getTime(),
      taskCount: run.taskCount,
      taskMs,
      outputFileCount: files.length,
      outputBytes,
      outputRows: written.outputRows,
      lostRecords: loss.records,
      lostBytes: loss.bytes,
      costEstimate: costEstimateOf({ taskMs, outputBytes, archivedBytes }),
    },
  );
}

async function endedTasks(
  ports: BatchStagePorts,
  run: StageRun,
  plan: StagePlan,
  place: RunPlace,
): Promise<{ tasks: EndedTask[]; failures: TaskFailure[] }> {
  const reports = new Map(
    (await ports.runs.reports(run.stageRunId)).map((report) => [report.taskId, report]),
  );
  const failures: TaskFailure[] = [];
  const tasks = await inParallel(plan.tasks, PARALLEL_BLOBS, async (planned, index) => {
    const taskId = taskIdOf(run.stageRunId, index);
    const report = reports.get(taskId);
    if (report === undefined)
      throw new RetryableFailure('not-found', `task ${taskId} has not reported (yet); it is asked for again`);
    if (report.outcome === 'failed') {
      const reason = report.reason ?? { code: 'task-failed', message: 'the task gave no reason' };
      failures.push({ taskId, image: planned.image, reason });
      return undefined;
    }
    const result = await readResult(ports.blobs, place.workFolder, taskId);
    if (result !== undefined) return { taskId, planned, result };
    const message = `task ${taskId} reported ${report.outcome} but left no result`;
    failures.push({ taskId, image: planned.image, reason: { code: 'task-lost', message } });
    return undefined;
  });
  return { tasks: tasks.filter((task) => task !== undefined), failures };
}

async function failRun(
  stage: AnyStage,
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
  failure: ReturnType<typeof stageFailureOf>,
  run?: StageRun,
): Promise<void> {
  if (run?.jobId !== undefined) await ports.tasks.terminate(run.jobId, run.stageRunId, taskIdsOf(run));
  if (stage.attemptsMax === undefined) {
    const event = stageEvent('landfall.stage.failed.v1', {
      measurementId: place.measurementId,
      generation: place.generation,
      stage: place.stage as Stage,
      attempt: place.attempt,
      ...failure,
    });
    return endRun(ports, command, place, [event], run);
  }
  if (place.attempt >= stage.attemptsMax || !failure.retryable) {
    if (stage.giveUp !== undefined)
      return endRun(ports, command, place, stage.giveUp(command, failure.reason), run);
    const { code, message, details } = failure.reason;
    throw new TerminalFailure(
      code as TerminalFailure['code'],
      message,
      details === undefined ? {} : { details },
    );
  }
  await startRun(stage, ports, command, place.attempt + 1);
  if (run !== undefined) await ports.runs.conclude(run.stageRunId);
}

/** The conclusion is kept before it is said, so that it is the same whoever says it again. */
async function endRun(
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
  conclusion: readonly StageEvent[],
  run: StageRun | undefined,
): Promise<void> {
  const location = below(place.workFolder, 'conclusion.json');
  const { written } = await writeJson(ports.blobs, location, conclusion, { onlyIfAbsent: true });
  if (written) await publishStageEvents(ports, command, place, conclusion, 2);
  else await sayConclusionAgain(ports, command, place);
  const stored = run ?? (await ports.runs.find(place.stageRunId));
  if (stored !== undefined) await ports.runs.conclude(place.stageRunId);
}

/** @returns false when nothing was concluded: the attempt is open, or a later one has taken its place. */
async function sayConclusionAgain(
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
): Promise<boolean> {
  const location = below(place.workFolder, 'conclusion.json');
  const conclusion = await readJsonIfThere(ports.blobs, location, KeptConclusion);
  if (conclusion === undefined) return false;
  await publishStageEvents(ports, command, place, conclusion, 2);
  return true;
}

async function sayStarted(
  ports: BatchStagePorts,
  command: Envelope,
  place: RunPlace,
  plan: StagePlan,
): Promise<void> {
  if (isCustodyWork(place.stage)) return;
  const started = stageEvent('landfall.stage.started.v1', {
    measurementId: place.measurementId,
    generation: place.generation,
    stage: place.stage,
    attempt: place.attempt,
    taskCount: plan.tasks.length,
    ...(plan.dataStream === undefined ? {} : { dataStream: plan.dataStream }),
  });
  await publishStageEvents(ports, command, place, [started], 1);
}

function failureOf(failure: TerminalFailure): { readonly reason: Reason; readonly retryable: boolean } {
  const { code, message, details } = failure;
  return {
    reason: { code, message: message.slice(0, 2000), details: details.slice(0, 20) },
    retryable: isRetryableCode(code),
  };
}

function placeOf(
  work: TaskedWork,
  ports: Pick<BatchStagePorts, 'papers'>,
  command: Envelope,
  attempt: number,
): RunPlace {
  const { measurementId, generation } = command.data as { measurementId: string; generation: number };
  const key = runKeyOf(work, command.id);
  const place = { measurementId, generation, stage: work, attempt, key };
  return {
    ...place,
    stageRunId: stageRunIdOf(measurementId, generation, key, attempt),
    workFolder: workFolderOf(ports.papers, place),
  };
}

/** Custody's commands have no attempt: the saga does not count them. */
function attemptOf(command: Envelope): number {
  return 'attempt' in command.data ? (command.data.attempt ?? 1) : 1;
}

function taskIdsOf(run: StageRun): string[] {
  return Array.from({ length: run.taskCount }, (_, index) => taskIdOf(run.stageRunId, index));
}
