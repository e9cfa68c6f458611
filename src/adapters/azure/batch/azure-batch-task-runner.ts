import { setTimeout as wait } from 'node:timers/promises';
import type { BatchServiceClient, BatchServiceModels } from '@azure/batch';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { TaskOutcome, TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';
import { codeOf, retryableFailureOf, statusOf } from '../service-failure.ts';
import { type BatchSettings, connectBatch } from './batch-client.ts';
import { ageInDays, dayBefore, jobIdOf, priorityOf } from './job-names.ts';
import { outcomesOf } from './task-outcomes.ts';

/** The service takes 100 at most (REST reference, "Task - Add Collection"). */
const TASKS_PER_ADD_MAX = 100;
const REQUEST_TIMEOUT_MS = 30_000;
/** Every request here may be repeated. */
const RETRY_DELAYS_MS = [200, 1000];
const QUOTA_RETRY_MS = 60_000;
/** After that many days no task is added to a job any more, and it ends with its last one. */
const JOB_CLOSES_AFTER_DAYS = 2;
/** Tasks that wait for one that failed wait for ever; with them the job ends after that many days. */
const JOB_ENDS_AFTER_DAYS = 8;

export interface AzureBatchOptions extends BatchSettings {
  /** Pool ids, for the two kinds of work. */
  readonly pools: Readonly<Record<TaskSpecification['pool'], string>>;
  /** `landfall/validate` to what the nodes pull: registry, name and digest; names that are absent stay as they are. */
  readonly images: Readonly<Record<string, string>>;
  /** What every task is told besides its own: endpoints and identities, never secrets in Azure. */
  readonly environment: Readonly<Record<string, string>>;
  /** Tasks that may wait in one job; beyond, submissions are put off, so that one backlog does not grow without end. */
  readonly waitingTasksMax?: number;
  readonly now: () => Date;
}

const WAITING_TASKS_MAX = 5_000;

/** Tasks in long-lived jobs. A task is the same task however often it is submitted, because its id is computed. */
export class AzureBatchTaskRunner implements TaskRunner {
  readonly #options: AzureBatchOptions;
  readonly #client: BatchServiceClient;
  readonly #now: () => Date;

  constructor(options: AzureBatchOptions) {
    this.#options = options;
    this.#client = connectBatch(options);
    this.#now = options.now;
  }

  async submit(
    stage: string,
    stageRunId: string,
    tasks: readonly TaskSpecification[],
  ): Promise<{ readonly jobId: string }> {
    const [first] = tasks;
    if (first === undefined) throw new RangeError(`Stage run ${stageRunId} has no tasks to submit.`);
    const pool = this.#options.pools[first.pool];
    const today = jobIdOf(stage, first.pool, stageRunId, this.#now());
    // A submission that crashed before midnight goes on in the job where it began.
    const yesterday = jobIdOf(stage, first.pool, stageRunId, dayBefore(this.#now()));
    const jobId = (await this.#taskExists(yesterday, first.taskId)) ? yesterday : today;
    if (jobId === today && !(await this.#taskExists(today, first.taskId)))
      await this.#admit(today, pool, priorityOf(stage));
    for (let start = 0; start < tasks.length; start += TASKS_PER_ADD_MAX) {
      await this.#add(jobId, tasks.slice(start, start + TASKS_PER_ADD_MAX));
    }
    return { jobId };
  }

  async outcomes(
    jobId: string,
    stageRunId: string,
    taskIds: readonly string[],
  ): Promise<readonly TaskOutcome[]> {
    const listed = await this.#listed(jobId, stageRunId);
    return outcomesOf(listed, taskIds);
  }

  async terminate(jobId: string, stageRunId: string, taskIds: readonly string[]): Promise<void> {
    const outcomes = await this.outcomes(jobId, stageRunId, taskIds);
    for (const { taskId, state } of outcomes) {
      if (state !== 'running' && state !== 'waiting') continue;
      await this.#tolerating([404, 409], `Task ${taskId} could not be stopped`, () =>
        this.#client.task.terminate(jobId, taskId, limits()),
      );
    }
  }

  async #listed(jobId: string, stageRunId: string): Promise<BatchServiceModels.CloudTask[]> {
    const what = `The tasks of stage run ${stageRunId} in ${jobId} could not be listed`;
    const options = {
      ...limits(),
      taskListOptions: {
        filter: `startswith(id, '${stageRunId}')`,
        select: 'id,state,executionInfo,dependsOn',
      },
    };
    const first = await this.#tolerating([404], what, () => this.#client.task.list(jobId, options));
    if (first === undefined) return [];
    const tasks = [...first];
    let next = first.odatanextLink;
    while (next !== undefined) {
      const link = next;
      const page = await this.#tolerating([], what, () => this.#client.task.listNext(link, limits()));
      tasks.push(...(page ?? []));
      next = page?.odatanextLink;
    }
    return tasks;
  }

  async #taskExists(jobId: string, taskId: string): Promise<boolean> {
    const task = await this.#tolerating([404], `Task ${taskId} could not be looked up`, () =>
      this.#client.task.get(jobId, taskId, { ...limits(), taskGetOptions: { select: 'id' } }),
    );
    return task !== undefined;
  }

  /** The job is there afterwards, and has room. */
  async #admit(jobId: string, pool: string, priority: number): Promise<void> {
    const { waitingTasksMax = WAITING_TASKS_MAX } = this.#options;
    const counts = await this.#tolerating([404], `Job ${jobId} could not be looked up`, () =>
      this.#client.job.getTaskCounts(jobId, limits()),
    );
    if (counts === undefined) await this.#createJob(jobId, pool, priority);
    const waiting = counts?.taskCounts.active ?? 0;
    if (waiting >= waitingTasksMax) {
      throw new RetryableFailure(
        'dependency-unavailable',
        `${waiting} tasks wait in job ${jobId}; this submission is put off.`,
        { retryAfterMs: QUOTA_RETRY_MS },
      );
    }
  }

  async #createJob(jobId: string, pool: string, priority: number): Promise<void> {
    const create = () =>
      this.#tolerating([], `Job ${jobId} could not be created`, async () => {
        try {
          await this.#client.job.add(
            {
              id: jobId,
              priority,
              poolInfo: { poolId: pool },
              usesTaskDependencies: true,
              onAllTasksComplete: 'noaction',
            },
            limits(),
          );
        } catch (error) {
          if (batchCodeOf(error) !== 'JobExists') throw error;
        }
      });
    await this.#retireOldJobs();
    await create();
  }

  /** Active jobs count against the account's quota, by default 300. */
  async #retireOldJobs(): Promise<void> {
    const what = 'Old jobs could not be closed';
    const options = { ...limits(), jobListOptions: { filter: "state eq 'active'", select: 'id' } };
    const jobs = (await this.#tolerating([], what, () => this.#client.job.list(options))) ?? [];
    for (const { id = '' } of jobs) {
      const age = ageInDays(id, this.#now());
      if (age === undefined || age < JOB_CLOSES_AFTER_DAYS) continue;
      await this.#tolerating([404, 409], what, () =>
        age < JOB_ENDS_AFTER_DAYS
          ? this.#client.job.patch(id, { onAllTasksComplete: 'terminatejob' }, limits())
          : this.#client.job.terminate(id, limits()),
      );
    }
  }

  async #add(jobId: string, tasks: readonly TaskSpecification[]): Promise<void> {
    const what = `${tasks.length} tasks could not be added to ${jobId}`;
    const answer = await this.#tolerating([], what, () =>
      this.#client.task.addCollection(
        jobId,
        tasks.map((task) => this.#parameterOf(task)),
        limits(),
      ),
    );
    const refused = (answer?.value ?? []).filter(
      ({ status, error }) => status.toLowerCase() !== 'success' && error?.code !== 'TaskExists',
    );
    if (refused.length === 0) return;
    const sentences = refused.map(
      ({ taskId, status, error }) =>
        `${taskId}: ${status} ${error?.code ?? ''} ${error?.message?.value ?? ''}`,
    );
    if (refused.some(({ status }) => status.toLowerCase() === 'servererror')) {
      throw new RetryableFailure('dependency-unavailable', `${what}: ${sentences[0]}`, {
        details: sentences,
      });
    }
    throw new TerminalFailure('task-failed', `${what}: ${sentences[0]}`, { details: sentences.slice(0, 20) });
  }

  #parameterOf(task: TaskSpecification): BatchServiceModels.TaskAddParameter {
    const environment = { ...this.#options.environment, ...task.environment };
    return {
      id: task.taskId,
      // The image's entry point is the program; the configuration blob tells it everything.
      commandLine: '',
      containerSettings: {
        imageName: this.#options.images[task.image] ?? task.image,
        containerRunOptions: '--rm --read-only --tmpfs /tmp',
      },
      environmentSettings: Object.entries(environment).map(([name, value]) => ({ name, value })),
      constraints: {
        maxTaskRetryCount: task.retriesMax,
        maxWallClockTime: `PT${task.wallClockSecondsMax}S`,
        retentionTime: 'P3D',
      },
      ...(task.dependsOn.length === 0 ? {} : { dependsOn: { taskIds: [...task.dependsOn] } }),
    };
  }

  /** @returns undefined for the statuses that are an answer, not a failure. */
  async #tolerating<T>(
    statuses: readonly number[],
    what: string,
    request: () => Promise<T>,
  ): Promise<T | undefined> {
    for (const delayMs of [...RETRY_DELAYS_MS, undefined]) {
      try {
        return await request();
      } catch (error) {
        if (statuses.includes(statusOf(error) ?? 0)) return undefined;
        const failure = failureOf(error, what);
        const mayPass = failure instanceof RetryableFailure && failure.retryAfterMs === undefined;
        if (!mayPass || delayMs === undefined) throw failure;
        await wait(delayMs);
      }
    }
    return undefined;
  }
}

function limits(): { readonly timeout: number } {
  return { timeout: REQUEST_TIMEOUT_MS };
}

function failureOf(error: unknown, what: string): unknown {
  const code = batchCodeOf(error) ?? '';
  if (
    /Quota/.test(code) ||
    ['JobCompleted', 'JobTerminating', 'JobDisabled', 'JobBeingDeleted'].includes(code)
  ) {
    return new RetryableFailure('dependency-unavailable', `${what}: ${code}.`, {
      cause: error,
      retryAfterMs: QUOTA_RETRY_MS,
    });
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new RetryableFailure('dependency-unavailable', `${what}: no answer in time.`, { cause: error });
  }
  // The message of the client's own error is '[object Object]'.
  const { body } = error as { readonly body?: { readonly message?: { readonly value?: string } } };
  const sentence = body?.message?.value?.split('\n')[0];
  return retryableFailureOf(error, sentence === undefined ? what : `${what}: ${sentence}`) ?? error;
}

/** The client leaves the service's code in the body of the answer. */
function batchCodeOf(error: unknown): string | undefined {
  const { body } = error as { readonly body?: { readonly code?: unknown } };
  return typeof body?.code === 'string' ? body.code : codeOf(error);
}
