// A Batch account: its pools, jobs and tasks, their states, and its quotas. Changes are saved as they happen; what is to
// run is the scheduler's business.
import { BatchError, invalidValue } from './batch-error.ts';
import type { BatchStore } from './batch-store.ts';
import { newETag, touch } from './document-stamp.ts';
import {
  type JobDocument,
  JobPatchSchema,
  JobSchema,
  type PoolDocument,
  PoolSchema,
  type TaskDocument,
  type TaskFailureInfo,
  TaskSchema,
  TaskUpdateSchema,
} from './documents.ts';
import { UNLIMITED_DURATION } from './duration.ts';
import { Job } from './job.ts';
import { parseBody } from './parse-body.ts';
import { exitOptions } from './task-dependencies.ts';

/** How a task ended. */
export interface TaskEnd {
  readonly exitCode?: number;
  readonly failure?: TaskFailureInfo;
}

/** What the account tells the scheduler. */
export interface AccountListener {
  /** Something may be able to start now. */
  schedulable(): void;
  /** A running task is to be stopped; its end is of no interest any more. */
  stop(job: Job, task: TaskDocument): void;
}

export interface Quotas {
  /** Jobs that are not completed. */
  readonly activeJobsMax: number;
  readonly tasksPerAddMax: number;
}

export const DEFAULT_QUOTAS: Quotas = { activeJobsMax: 300, tasksPerAddMax: 100 };

const TERMINATED: TaskFailureInfo = {
  category: 'UserError',
  code: 'TaskEnded',
  message: 'Task Was Ended by User Request',
};

export class BatchAccount {
  readonly pools = new Map<string, PoolDocument>();
  readonly jobs = new Map<string, Job>();
  listener: AccountListener = { schedulable: () => undefined, stop: () => undefined };
  readonly #store: BatchStore;
  readonly #baseUrl: () => string;
  readonly #quotas: Quotas;

  constructor(store: BatchStore, baseUrl: () => string, quotas: Quotas) {
    this.#store = store;
    this.#baseUrl = baseUrl;
    this.#quotas = quotas;
    const stored = store.load();
    for (const pool of stored.pools) this.pools.set(pool.id, pool);
    for (const job of stored.jobs) this.jobs.set(job.id, new Job(job));
    for (const { jobId, document } of stored.tasks) {
      // The node was lost with the emulator, so the task goes back into the queue, as in a node's recovery.
      if (document.state === 'running') this.#requeued(document);
      this.jobs.get(jobId)?.add(document);
    }
  }

  addPool(body: unknown): PoolDocument {
    const pool = parseBody(PoolSchema, body);
    if (this.pools.has(pool.id))
      throw new BatchError(409, 'PoolExists', 'The specified pool already exists.');
    const document: PoolDocument = {
      ...pool,
      ...this.#stamp(`pools/${pool.id}`),
      state: 'active',
      allocationState: 'steady',
      currentDedicatedNodes: pool.targetDedicatedNodes,
    };
    this.#store.savePool(document);
    this.pools.set(document.id, document);
    this.listener.schedulable();
    return document;
  }

  pool(id: string): PoolDocument {
    const pool = this.pools.get(id);
    if (pool === undefined) throw new BatchError(404, 'PoolNotFound', 'The specified pool does not exist.');
    return pool;
  }

  /** Changes what a pool is made of; resizing is such a change. */
  updatePool(id: string, body: unknown): PoolDocument {
    const pool = this.pool(id);
    Object.assign(pool, parseBody(PoolSchema.partial(), body), { id });
    pool.currentDedicatedNodes = pool.targetDedicatedNodes;
    touch(pool);
    this.#store.savePool(pool);
    this.listener.schedulable();
    return pool;
  }

  deletePool(id: string): void {
    this.pool(id);
    this.#store.deletePool(id);
    this.pools.delete(id);
  }

  addJob(body: unknown): JobDocument {
    const job = parseBody(JobSchema, body);
    if (this.jobs.has(job.id)) throw new BatchError(409, 'JobExists', 'The specified job already exists.');
    const active = [...this.jobs.values()].filter(({ document }) => document.state !== 'completed').length;
    if (active >= this.#quotas.activeJobsMax)
      throw new BatchError(
        409,
        'ActiveJobAndScheduleQuotaReached',
        `The account has reached its quota of ${this.#quotas.activeJobsMax} active jobs and job schedules.`,
      );
    const stamp = this.#stamp(`jobs/${job.id}`);
    const document: JobDocument = {
      ...job,
      ...stamp,
      state: 'active',
      executionInfo: { startTime: stamp.creationTime, poolId: job.poolInfo.poolId },
    };
    this.#store.saveJob(document);
    this.jobs.set(job.id, new Job(document));
    this.listener.schedulable();
    return document;
  }

  job(id: string): Job {
    const job = this.jobs.get(id);
    if (job === undefined) throw new BatchError(404, 'JobNotFound', 'The specified job does not exist.');
    return job;
  }

  updateJob(id: string, body: unknown): JobDocument {
    const job = this.job(id);
    if (job.document.state === 'completed') throw jobCompleted();
    Object.assign(job.document, parseBody(JobPatchSchema, body), { id });
    this.#jobChanged(job);
    this.#endJobWhenDone(job);
    this.listener.schedulable();
    return job.document;
  }

  terminateJob(id: string, reason: string): void {
    const job = this.job(id);
    if (job.document.state === 'completed') throw jobCompleted();
    this.endJob(job, reason);
  }

  disableJob(id: string, disableTasks: string): void {
    const job = this.job(id);
    if (job.document.state === 'completed') throw jobCompleted();
    this.#jobChanged(job, 'disabled');
    for (const task of [...job.tasks.values()].filter(({ state }) => state === 'running')) {
      if (disableTasks === 'wait') continue;
      this.listener.stop(job, task);
      if (disableTasks === 'requeue') this.requeueTask(job, task);
      else this.completeTask(job, task, { failure: TERMINATED });
    }
  }

  enableJob(id: string): void {
    const job = this.job(id);
    if (job.document.state !== 'disabled') return;
    this.#jobChanged(job, 'active');
    this.listener.schedulable();
  }

  deleteJob(id: string): Job {
    const job = this.job(id);
    for (const task of job.tasks.values()) if (task.state === 'running') this.listener.stop(job, task);
    this.#store.deleteJob(id);
    this.jobs.delete(id);
    return job;
  }

  /** Completes a job and ends what runs in it. Tasks that have not started stay active and are never scheduled. */
  endJob(job: Job, terminateReason: string): void {
    if (job.document.state === 'completed') return;
    this.#store.together(() => {
      job.document.executionInfo = {
        ...job.document.executionInfo,
        endTime: new Date().toISOString(),
        terminateReason,
      };
      this.#jobChanged(job, 'completed');
      for (const task of job.tasks.values()) if (task.state === 'running') this.#terminate(job, task);
    });
  }

  addTask(jobId: string, body: unknown): TaskDocument {
    const job = this.job(jobId);
    const task = this.#newTask(job, body);
    this.#store.saveTask(jobId, task);
    job.add(task);
    this.listener.schedulable();
    return task;
  }

  /** "Task - Add Collection": each task on its own, with a result for each; what is accepted is on disk together. */
  addTasks(jobId: string, bodies: readonly unknown[]): object[] {
    const job = this.job(jobId);
    if (bodies.length > this.#quotas.tasksPerAddMax)
      throw invalidValue(
        'value',
        `A call adds at most ${this.#quotas.tasksPerAddMax} tasks; it had ${bodies.length}.`,
      );
    const results: object[] = [];
    this.#store.together(() => {
      for (const body of bodies) results.push(this.#addOfMany(job, body));
    });
    this.listener.schedulable();
    return results;
  }

  task(jobId: string, taskId: string): { job: Job; task: TaskDocument } {
    const job = this.job(jobId);
    const task = job.tasks.get(taskId);
    if (task === undefined) throw new BatchError(404, 'TaskNotFound', 'The specified task does not exist.');
    return { job, task };
  }

  updateTask(jobId: string, taskId: string, body: unknown): TaskDocument {
    const { job, task } = this.task(jobId, taskId);
    task.constraints = taskConstraints(job, parseBody(TaskUpdateSchema, body).constraints);
    this.#taskChanged(job, task);
    return task;
  }

  deleteTask(jobId: string, taskId: string): void {
    const { job, task } = this.task(jobId, taskId);
    if (task.state === 'running') this.listener.stop(job, task);
    this.#store.deleteTask(jobId, taskId);
    job.remove(task);
  }

  terminateTask(jobId: string, taskId: string): TaskDocument {
    const { job, task } = this.task(jobId, taskId);
    if (task.state === 'completed')
      throw new BatchError(409, 'TaskCompleted', 'The specified task is already in a completed state.');
    this.#terminate(job, task);
    this.#endJobWhenDone(job);
    this.listener.schedulable();
    return task;
  }

  reactivateTask(jobId: string, taskId: string): TaskDocument {
    const { job, task } = this.task(jobId, taskId);
    if (job.document.state === 'completed') throw jobCompleted();
    if (task.state !== 'completed' || task.executionInfo.result === 'success')
      throw new BatchError(
        409,
        'TaskNotFailed',
        'Only a task that has completed and failed can be reactivated.',
      );
    task.executionInfo = { retryCount: 0, requeueCount: task.executionInfo.requeueCount };
    this.#taskChanged(job, task, 'active');
    this.listener.schedulable();
    return task;
  }

  startTask(job: Job, task: TaskDocument, nodeId: string): void {
    const poolId = job.document.poolInfo.poolId;
    const taskRootDirectory = `workitems/${job.document.id}/job-1/${task.id}`;
    task.nodeInfo = { nodeId, poolId, taskRootDirectory };
    const { retryCount, requeueCount, lastRetryTime, lastRequeueTime } = task.executionInfo;
    task.executionInfo = {
      startTime: new Date().toISOString(),
      retryCount,
      requeueCount,
      ...(lastRetryTime === undefined ? {} : { lastRetryTime }),
      ...(lastRequeueTime === undefined ? {} : { lastRequeueTime }),
    };
    this.#taskChanged(job, task, 'running');
  }

  processStarted(job: Job, task: TaskDocument, processGroup: number | undefined): void {
    this.#store.saveProcessGroup(job.document.id, task.id, processGroup);
  }

  /** The program ended by itself: it is started again when it failed and may be retried, else it is completed. */
  taskEnded(job: Job, task: TaskDocument, end: TaskEnd): void {
    const retriesMax = task.constraints.maxTaskRetryCount ?? 0;
    const { retryCount } = task.executionInfo;
    const failedByItself = end.exitCode !== undefined && end.failure !== undefined;
    if (failedByItself && (retriesMax < 0 || retryCount < retriesMax)) {
      task.executionInfo.retryCount = retryCount + 1;
      task.executionInfo.lastRetryTime = new Date().toISOString();
      this.#taskChanged(job, task, 'active');
      this.listener.schedulable();
      return;
    }
    this.completeTask(job, task, end);
  }

  completeTask(job: Job, task: TaskDocument, { exitCode, failure }: TaskEnd): void {
    Object.assign(task.executionInfo, {
      endTime: new Date().toISOString(),
      result: failure === undefined ? 'success' : 'failure',
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(failure === undefined ? {} : { failureInfo: failure }),
    });
    this.#taskChanged(job, task, 'completed');
    const { jobAction } = exitOptions(task);
    if (job.document.onTaskFailure === 'performexitoptionsjobaction' && job.document.state === 'active') {
      if (jobAction === 'terminate') this.endJob(job, 'TaskFailed');
      if (jobAction === 'disable') this.#jobChanged(job, 'disabled');
    }
    this.#endJobWhenDone(job);
    this.listener.schedulable();
  }

  /** The node is gone: the task runs again from its beginning, whatever its retry count. */
  requeueTask(job: Job, task: TaskDocument): void {
    this.#requeued(task);
    job.updateReadiness(task);
    this.#store.saveTask(job.document.id, task);
    this.listener.schedulable();
  }

  #requeued(task: TaskDocument): void {
    task.executionInfo.requeueCount += 1;
    task.executionInfo.lastRequeueTime = new Date().toISOString();
    touch(task, 'active');
  }

  #terminate(job: Job, task: TaskDocument): void {
    if (task.state === 'completed') return;
    if (task.state === 'running') this.listener.stop(job, task);
    Object.assign(task.executionInfo, {
      endTime: new Date().toISOString(),
      result: 'failure',
      failureInfo: TERMINATED,
    });
    this.#taskChanged(job, task, 'completed');
  }

  #addOfMany(job: Job, body: unknown): object {
    const taskId = typeof body === 'object' && body !== null && 'id' in body ? String(body.id) : '';
    try {
      const task = this.#newTask(job, body);
      this.#store.saveTask(job.document.id, task);
      job.add(task);
      return {
        status: 'success',
        taskId,
        eTag: task.eTag,
        lastModified: task.lastModified,
        location: task.url,
      };
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      const message = { lang: 'en-us', value: error.message };
      return { status: 'clienterror', taskId, error: { code: error.code, message, values: error.values } };
    }
  }

  #newTask(job: Job, body: unknown): TaskDocument {
    if (job.document.state === 'completed') throw jobCompleted();
    const task = parseBody(TaskSchema, body);
    if (job.tasks.has(task.id)) throw new BatchError(409, 'TaskExists', 'The specified task already exists.');
    if (task.dependsOn !== undefined && !job.document.usesTaskDependencies)
      throw new BatchError(
        400,
        'TaskDependenciesNotSpecifiedOnJob',
        'The task has dependencies, but usesTaskDependencies of its job is not true.',
      );
    return {
      ...task,
      ...this.#stamp(`jobs/${job.document.id}/tasks/${task.id}`),
      constraints: taskConstraints(job, task.constraints),
      state: 'active',
      executionInfo: { retryCount: 0, requeueCount: 0 },
    };
  }

  /** A job with `onAllTasksComplete: terminateJob` ends with its last task, and at once when it has none. */
  #endJobWhenDone(job: Job): void {
    if (job.document.state !== 'active' || job.document.onAllTasksComplete !== 'terminatejob') return;
    if (job.allTasksCompleted()) this.endJob(job, 'AllTasksCompleted');
  }

  #jobChanged(job: Job, state?: JobDocument['state']): void {
    touch(job.document, state);
    this.#store.saveJob(job.document);
  }

  #taskChanged(job: Job, task: TaskDocument, state?: TaskDocument['state']): void {
    touch(task, state);
    job.updateReadiness(task);
    this.#store.saveTask(job.document.id, task);
  }

  #stamp(path: string) {
    const now = new Date().toISOString();
    return {
      url: `${this.#baseUrl()}/${path}`,
      eTag: newETag(),
      creationTime: now,
      lastModified: now,
      stateTransitionTime: now,
    };
  }
}

function taskConstraints(job: Job, given: TaskDocument['constraints']): TaskDocument['constraints'] {
  const maxTaskRetryCount = given.maxTaskRetryCount ?? job.document.constraints.maxTaskRetryCount ?? 0;
  return { maxWallClockTime: UNLIMITED_DURATION, retentionTime: 'P7D', ...given, maxTaskRetryCount };
}

function jobCompleted(): BatchError {
  return new BatchError(409, 'JobCompleted', 'The specified job is already in a completed state.');
}
