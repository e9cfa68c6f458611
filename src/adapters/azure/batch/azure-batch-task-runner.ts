import type { BatchServiceClient, BatchServiceModels } from '@azure/batch';
import { RetryableFailure } from '#domain/failures.ts';
import { shardOf } from '#domain/identity.ts';
import { inParallel } from '#domain/in-parallel.ts';
import type { TaskOutcome, TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';
import { codeOf, retryableFailureOf, statusOf } from '../service-failure.ts';
import { type BatchSettings, connectBatch } from './batch-client.ts';

export interface AzureBatchOptions extends BatchSettings {
  /** Pool id per kind of work. */
  readonly pools: Readonly<Record<TaskSpecification['pool'], string>>;
  /** Image name to the image in the registry, with its digest; names that are absent stay as they are. */
  readonly images: Readonly<Record<string, string>>;
  /** What every task is told besides its own: endpoints and identities, never secrets in Azure. */
  readonly environment: Readonly<Record<string, string>>;
  readonly now: () => Date;
}

/** Batch takes at most 100 tasks in one request (Batch service REST API, "Add Task Collection"). */
const TASKS_PER_ADD_MAX = 100;
/** Jobs are long-lived and shared, because an account may have only some hundred active ones. */
const SHARDS = 4;
const PARALLEL_TERMINATIONS = 16;
const TASK_RETENTION = 'P7D';
/** A task says by this code that no retry can help (src/composition/execute-task.ts). */
const TERMINAL_EXIT_CODE = 2;

/** Tasks as Azure Batch runs them: one job per stage, shard and day; dependencies inside it. */
export class AzureBatchTaskRunner implements TaskRunner {
  readonly #client: BatchServiceClient;
  readonly #options: AzureBatchOptions;
  readonly #knownJobs = new Set<string>();

  constructor(options: AzureBatchOptions) {
    this.#options = options;
    this.#client = connectBatch(options);
  }

  async submit(
    stage: string,
    stageRunId: string,
    tasks: readonly TaskSpecification[],
  ): Promise<{ readonly jobId: string }> {
    const day = this.#options.now().toISOString().slice(0, 10);
    const pool = tasks[0]?.pool ?? 'execution';
    const jobId = `${stage}-${pool}-${day}-${shardOf(stageRunId, SHARDS)}`;
    await this.#ensureJob(jobId, pool);
    for (let from = 0; from < tasks.length; from += TASKS_PER_ADD_MAX) {
      await this.#add(jobId, tasks.slice(from, from + TASKS_PER_ADD_MAX));
    }
    return { jobId };
  }

  async outcomes(
    jobId: string,
    stageRunId: string,
    taskIds: readonly string[],
  ): Promise<readonly TaskOutcome[]> {
    const found = new Map<string, TaskOutcome>();
    const options = {
      filter: `startswith(id,'${stageRunId}')`,
      select: 'id,state,executionInfo',
      maxResults: 1000,
    };
    try {
      let page = await this.#client.task.list(jobId, { taskListOptions: options });
      for (;;) {
        for (const task of page) found.set(task.id ?? '', outcomeOf(task));
        if (page.odatanextLink === undefined) break;
        page = await this.#client.task.listNext(page.odatanextLink);
      }
    } catch (error) {
      if (statusOf(error) !== 404)
        throw batchFailure(error, `The tasks of ${stageRunId} could not be asked about`);
    }
    return taskIds.map(
      (taskId) => found.get(taskId) ?? { taskId, state: 'lost', message: 'Batch does not know it' },
    );
  }

  async terminate(jobId: string, _stageRunId: string, taskIds: readonly string[]): Promise<void> {
    await inParallel(taskIds, PARALLEL_TERMINATIONS, async (taskId) => {
      try {
        await this.#client.task.terminate(jobId, taskId);
      } catch (error) {
        // 404: never added, or gone; 409: it has ended by itself.
        if (![404, 409].includes(statusOf(error) ?? 0))
          throw batchFailure(error, `Task ${taskId} could not be stopped`);
      }
    });
  }

  async #ensureJob(jobId: string, pool: TaskSpecification['pool']): Promise<void> {
    if (this.#knownJobs.has(jobId)) return;
    try {
      await this.#client.job.add({
        id: jobId,
        poolInfo: { poolId: this.#options.pools[pool] },
        usesTaskDependencies: true,
        onAllTasksComplete: 'noaction',
      });
    } catch (error) {
      if (codeOf(error) !== 'JobExists') throw batchFailure(error, `Job ${jobId} could not be created`);
    }
    this.#knownJobs.add(jobId);
  }

  async #add(jobId: string, tasks: readonly TaskSpecification[]): Promise<void> {
    let answer: BatchServiceModels.TaskAddCollectionResult;
    try {
      answer = await this.#client.task.addCollection(
        jobId,
        tasks.map((task) => this.#taskOf(task)),
      );
    } catch (error) {
      this.#knownJobs.delete(jobId);
      throw batchFailure(error, `${tasks.length} tasks could not be added to job ${jobId}`);
    }
    const refused = (answer.value ?? []).filter(
      ({ error }) => error !== undefined && error.code !== 'TaskExists',
    );
    const [first] = refused;
    if (first === undefined) return;
    // Some were added, some not; adding all of them again leaves those that exist as they are.
    throw new RetryableFailure(
      'dependency-unavailable',
      `Batch did not take ${refused.length} of ${tasks.length} tasks of job ${jobId}: ${first.error?.code ?? 'no reason given'}`,
    );
  }

  #taskOf({ taskId, image, environment, dependsOn, retriesMax, wallClockSecondsMax }: TaskSpecification) {
    const variables = { ...this.#options.environment, ...environment };
    return {
      id: taskId,
      // The image's entry point knows what to do; Batch requires a command line, which is appended to it.
      commandLine: '',
      containerSettings: {
        imageName: this.#options.images[image] ?? image,
        containerRunOptions: '--rm --read-only --tmpfs /tmp',
      },
      environmentSettings: Object.entries(variables).map(([name, value]) => ({ name, value })),
      constraints: {
        maxTaskRetryCount: retriesMax,
        maxWallClockTime: `PT${wallClockSecondsMax}S`,
        retentionTime: TASK_RETENTION,
      },
      exitConditions: {
        exitCodes: [{ code: TERMINAL_EXIT_CODE, exitOptions: { dependencyAction: 'block' as const } }],
      },
      ...(dependsOn.length === 0 ? {} : { dependsOn: { taskIds: [...dependsOn] } }),
    };
  }
}

function outcomeOf({ id = '', state, executionInfo: run }: BatchServiceModels.CloudTask): TaskOutcome {
  const times = {
    ...(run?.startTime === undefined ? {} : { startedAt: new Date(run.startTime).toISOString() }),
    ...(run?.endTime === undefined ? {} : { endedAt: new Date(run.endTime).toISOString() }),
  };
  if (state !== 'completed')
    return { taskId: id, state: state === 'running' ? 'running' : 'waiting', ...times };
  const { exitCode, failureInfo, result } = run ?? {};
  const failed = result === undefined ? exitCode !== 0 : result.toLowerCase() !== 'success';
  const message = failureInfo?.message ?? failureInfo?.code;
  return {
    taskId: id,
    state: failed ? 'failed' : 'succeeded',
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(message === undefined ? {} : { message }),
    ...times,
  };
}

/** Quotas of the account; they free up as jobs end and nodes become idle. */
const QUOTA_CODES = new Set([
  'ActiveJobAndScheduleQuotaReached',
  'AccountCoreQuotaReached',
  'PoolQuotaReached',
]);
const QUOTA_RETRY_AFTER_MS = 60_000;

function batchFailure(error: unknown, what: string): unknown {
  const code = codeOf(error) ?? '';
  if (QUOTA_CODES.has(code)) {
    return new RetryableFailure(
      'dependency-unavailable',
      `${what}: ${code}. Raise the quota, or wait for jobs to end.`,
      {
        cause: error,
        retryAfterMs: QUOTA_RETRY_AFTER_MS,
      },
    );
  }
  return retryableFailureOf(error, what) ?? error;
}
