// Puts ready tasks onto the free slots of pool nodes and sees them through.
import { join } from 'node:path';
import type { BatchAccount, TaskEnd } from './batch-account.ts';
import { splitCommandLine } from './command-line.ts';
import type { TaskDocument } from './documents.ts';
import { durationMs } from './duration.ts';
import { type ImageMap, programFor } from './image-map.ts';
import type { Job } from './job.ts';
import { fetchResourceFiles, uploadOutputFiles } from './task-files.ts';
import {
  inheritedEnvironment,
  prepareFolders,
  type RunnableTask,
  type RunTask,
  runProgram,
  TaskSetupError,
} from './task-process.ts';

export interface SchedulerOptions {
  readonly accountName: string;
  readonly accountUrl: () => string;
  /** Tasks have their folders here. */
  readonly nodeFolder: string;
  readonly images: ImageMap;
  /** Where the files of the image map lie. */
  readonly imageRootFolder: string;
  /** Takes the place of child processes. */
  readonly runTask?: RunTask | undefined;
}

interface Run {
  readonly job: Job;
  readonly task: TaskDocument;
  readonly nodeId: string;
  readonly slots: number;
  readonly abort: AbortController;
  /** The account has already decided what becomes of the task. */
  settled: boolean;
  done: Promise<void>;
}

const TIMER_MS_MAX = 2 ** 31 - 1;

export class Scheduler {
  readonly #account: BatchAccount;
  readonly #options: SchedulerOptions;
  readonly #runs = new Map<TaskDocument, Run>();
  /** All runs that have not ended yet, also those whose task is settled. */
  readonly #ending = new Set<Run>();
  readonly #jobTimers = new Map<Job, NodeJS.Timeout>();
  #pumping = false;
  #stopped = false;

  constructor(account: BatchAccount, options: SchedulerOptions) {
    this.#account = account;
    this.#options = options;
    account.listener = {
      schedulable: () => this.#pumpSoon(),
      stop: (_job, task) => this.#stop(task),
    };
    this.#pumpSoon();
  }

  /** The folder of a task, whether it has run or not. */
  taskFolder(jobId: string, taskId: string): string {
    return join(this.jobFolder(jobId), taskId);
  }

  jobFolder(jobId: string): string {
    return join(this.#options.nodeFolder, 'workitems', jobId);
  }

  /** Nodes with the number of tasks that run on them. */
  nodes(poolId: string): { id: string; runningTasksCount: number; usedSlots: number }[] {
    const pool = this.#account.pools.get(poolId);
    return Array.from({ length: pool?.targetDedicatedNodes ?? 0 }, (_, index) => {
      const id = `tvmps_${poolId}_${index}_d`;
      const runs = [...this.#runs.values()].filter(({ nodeId }) => nodeId === id);
      return {
        id,
        runningTasksCount: runs.length,
        usedSlots: runs.reduce((sum, { slots }) => sum + slots, 0),
      };
    });
  }

  /** The nodes are gone and others take their place: what ran on them runs again. Returns the ids of those tasks. */
  loseNodes(isLost: (nodeId: string, poolId: string) => boolean): string[] {
    const lost = [...this.#runs.values()].filter(({ nodeId, job }) =>
      isLost(nodeId, job.document.poolInfo.poolId),
    );
    for (const { job, task } of lost) {
      this.#stop(task);
      this.#account.requeueTask(job, task);
    }
    return lost.map(({ task }) => task.id);
  }

  /** Kills what runs. The tasks stay running in the account's files, so that the next start runs them again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#jobTimers.values()) clearTimeout(timer);
    for (const { task } of [...this.#runs.values()]) this.#stop(task);
    await Promise.all([...this.#ending].map(({ done }) => done));
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      if (!this.#stopped) this.#pump();
    });
  }

  #pump(): void {
    const candidates = new Set<Job>();
    for (const job of this.#account.jobs.values()) {
      this.#limitJob(job);
      if (job.document.state === 'active') candidates.add(job);
    }
    const free = new Map<string, { id: string; slots: number }[]>();
    for (let next = nextOf(candidates); next !== undefined; next = nextOf(candidates)) {
      const { job, task } = next;
      const { poolId } = job.document.poolInfo;
      const nodes = free.get(poolId) ?? this.#freeNodes(poolId);
      free.set(poolId, nodes);
      const node = nodes.find(({ slots }) => slots >= task.requiredSlots);
      if (node === undefined) candidates.delete(job);
      else {
        node.slots -= task.requiredSlots;
        this.#start(job, task, node.id);
      }
    }
  }

  #freeNodes(poolId: string): { id: string; slots: number }[] {
    const slots = this.#account.pools.get(poolId)?.taskSlotsPerNode ?? 0;
    return this.nodes(poolId).map(({ id, usedSlots }) => ({ id, slots: slots - usedSlots }));
  }

  /** Ends the job when its wall-clock limit is over. */
  #limitJob(job: Job): void {
    const { state, creationTime, constraints } = job.document;
    if (state === 'completed' || this.#account.jobs.get(job.document.id) !== job) {
      clearTimeout(this.#jobTimers.get(job));
      this.#jobTimers.delete(job);
      return;
    }
    const limitMs = durationMs(constraints.maxWallClockTime) ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(limitMs)) return;
    const leftMs = Date.parse(creationTime) + limitMs - Date.now();
    clearTimeout(this.#jobTimers.get(job));
    const end = (): void => {
      if (this.#account.jobs.get(job.document.id) === job)
        this.#account.endJob(job, 'MaxWallClockTimeExpiry');
    };
    this.#jobTimers.set(job, setTimeout(end, Math.min(Math.max(0, leftMs), TIMER_MS_MAX)));
  }

  #stop(task: TaskDocument): void {
    const run = this.#runs.get(task);
    if (run === undefined) return;
    run.settled = true;
    this.#runs.delete(task);
    run.abort.abort();
  }

  #start(job: Job, task: TaskDocument, nodeId: string): void {
    const run: Run = {
      job,
      task,
      nodeId,
      slots: task.requiredSlots,
      abort: new AbortController(),
      settled: false,
      done: Promise.resolve(),
    };
    this.#account.startTask(job, task, nodeId);
    this.#runs.set(task, run);
    this.#ending.add(run);
    run.done = this.#execute(run).finally(() => {
      this.#ending.delete(run);
      this.#pumpSoon();
    });
  }

  async #execute(run: Run): Promise<void> {
    const end = await this.#run(run);
    if (run.settled) return;
    this.#runs.delete(run.task);
    this.#account.processStarted(run.job, run.task, undefined);
    this.#account.taskEnded(run.job, run.task, end);
  }

  async #run(run: Run): Promise<TaskEnd> {
    const { task, abort } = run;
    const runnable = this.#runnable(run);
    const limitMs = durationMs(task.constraints.maxWallClockTime) ?? Number.POSITIVE_INFINITY;
    let isTooLong = false;
    const tooLong = (): void => {
      isTooLong = true;
      abort.abort();
    };
    const timer = Number.isFinite(limitMs) ? setTimeout(tooLong, Math.min(limitMs, TIMER_MS_MAX)) : undefined;
    let end: TaskEnd;
    try {
      prepareFolders(runnable);
      await fetchResourceFiles(task.resourceFiles, runnable, abort.signal);
      end = endOf(await this.#exitCode(run, runnable));
    } catch (error) {
      end = { failure: failureOf(error) };
    } finally {
      clearTimeout(timer);
    }
    if (isTooLong) {
      const message = 'The task ran longer than its maxWallClockTime and was ended.';
      end = { failure: { category: 'UserError', code: 'TaskEnded', message } };
    }
    if (run.settled) return end;
    try {
      await uploadOutputFiles(task.outputFiles, runnable, end.failure === undefined);
    } catch (error) {
      end = { ...end, failure: end.failure ?? failureOf(error) };
    }
    return end;
  }

  #exitCode(run: Run, runnable: RunnableTask): Promise<number> {
    const { runTask, images, imageRootFolder } = this.#options;
    const { signal } = run.abort;
    if (runTask !== undefined) return untilAborted(runTask(runnable, signal), signal);
    const { image } = runnable;
    let program: readonly string[] = [];
    if (image !== undefined) {
      const known = programFor(image, images, imageRootFolder);
      if (known === undefined)
        throw new TaskSetupError('ContainerInvalidImage', `The image map names no program for ${image}.`);
      program = known;
    }
    return runProgram([...program, ...runnable.commandLine], runnable, signal, (processGroup) => {
      if (!run.settled) this.#account.processStarted(run.job, run.task, processGroup);
    });
  }

  #runnable({ job, task, nodeId }: Run): RunnableTask {
    const { accountName, accountUrl, nodeFolder } = this.#options;
    const jobId = job.document.id;
    const { poolId } = job.document.poolInfo;
    const taskFolder = this.taskFolder(jobId, task.id);
    const workingFolder = join(taskFolder, 'wd');
    const settings = [...job.document.commonEnvironmentSettings, ...task.environmentSettings];
    return {
      jobId,
      taskId: task.id,
      poolId,
      nodeId,
      image: task.containerSettings?.imageName,
      commandLine: splitCommandLine(task.commandLine),
      taskFolder,
      workingFolder,
      environment: {
        ...inheritedEnvironment(),
        HOME: workingFolder,
        AZ_BATCH_ACCOUNT_NAME: accountName,
        AZ_BATCH_ACCOUNT_URL: accountUrl(),
        AZ_BATCH_POOL_ID: poolId,
        AZ_BATCH_NODE_ID: nodeId,
        AZ_BATCH_NODE_IS_DEDICATED: 'true',
        AZ_BATCH_NODE_ROOT_DIR: nodeFolder,
        AZ_BATCH_NODE_SHARED_DIR: join(nodeFolder, 'shared'),
        AZ_BATCH_JOB_ID: jobId,
        AZ_BATCH_TASK_ID: task.id,
        AZ_BATCH_TASK_DIR: taskFolder,
        AZ_BATCH_TASK_WORKING_DIR: workingFolder,
        ...Object.fromEntries(settings.map(({ name, value }) => [name, value])),
      },
    };
  }
}

/** Jobs of a higher priority go first; of equal ones the task that has been ready for longest, whatever its job. */
function nextOf(jobs: ReadonlySet<Job>): { readonly job: Job; readonly task: TaskDocument } | undefined {
  let first: { readonly job: Job; readonly task: TaskDocument; readonly turn: number } | undefined;
  for (const job of jobs) {
    const ready = job.nextReady();
    if (ready === undefined) continue;
    const priorityGain = first === undefined ? 1 : job.document.priority - first.job.document.priority;
    if (first === undefined || priorityGain > 0 || (priorityGain === 0 && ready.turn < first.turn))
      first = { job, ...ready };
  }
  return first;
}

function endOf(exitCode: number): TaskEnd {
  if (exitCode === 0) return { exitCode };
  const message = 'The task exited with an exit code representing a failure';
  return {
    exitCode,
    failure: {
      category: 'UserError',
      code: 'FailureExitCode',
      message,
      details: [{ name: 'Message', value: message }],
    },
  };
}

function failureOf(error: unknown): NonNullable<TaskEnd['failure']> {
  if (error instanceof TaskSetupError) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return { category: 'ServerError', code: 'Unknown', message };
}

/** A test's function may not heed the signal; the task ends all the same. */
function untilAborted(exitCode: Promise<number>, signal: AbortSignal): Promise<number> {
  const aborted = new Promise<number>((resolve) =>
    signal.addEventListener('abort', () => resolve(137), { once: true }),
  );
  return Promise.race([exitCode, aborted]);
}
