import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  type AzureBatchOptions,
  AzureBatchTaskRunner,
} from '#adapters/azure/batch/azure-batch-task-runner.ts';
import { createBatchPools } from '#adapters/azure/batch/create-pools.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { taskIdOf } from '#domain/identity.ts';
import type { TaskSpecification } from '#domain/ports/task-runner.ts';
import { type RunningBatch, startBatch } from '#emulators/batch/batch.ts';
import { taskRunnerContract } from '#test/contract/task-runner.contract.ts';
import {
  BATCH_ACCOUNT,
  batchClient,
  removeFolder,
  temporaryFolder,
} from '#test/emulators/batch/batch-fixture.ts';

describe('Azure Batch', () => {
  const dataFolder = temporaryFolder();
  const running = new Map<string, (exitCode: number) => void>();
  const starts = new Map<string, number>();
  const environments = new Map<string, Readonly<Record<string, string>>>();
  let batch: RunningBatch;
  let runner: AzureBatchTaskRunner;
  let now = new Date('2026-03-01T12:00:00Z');

  const settings = () => ({
    endpoint: batch.endpoint,
    account: BATCH_ACCOUNT.name,
    access: { auth: 'emulator-key', key: BATCH_ACCOUNT.key } as const,
  });
  function connect(more: Partial<AzureBatchOptions> = {}): AzureBatchTaskRunner {
    return new AzureBatchTaskRunner({
      ...settings(),
      pools: { orchestrator: 'orchestrator', execution: 'execution' },
      images: { 'landfall/copy': 'registry.azurecr.io/landfall/copy:1' },
      environment: { LANDFALL_REGION: 'local' },
      now: () => now,
      ...more,
    });
  }

  before(async () => {
    batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder,
      quotas: { activeJobsMax: 30 },
      runTask: ({ taskId, environment }, signal) =>
        new Promise((resolve) => {
          starts.set(taskId, (starts.get(taskId) ?? 0) + 1);
          environments.set(taskId, environment);
          running.set(taskId, resolve);
          signal.addEventListener('abort', () => resolve(137));
        }),
    });
    runner = connect();
    const pools = [{ id: 'execution', nodes: 1, slotsPerNode: 256 }];
    await createBatchPools(settings(), pools);
    await createBatchPools(settings(), pools);
  });
  after(async () => {
    for (const end of running.values()) end(0);
    await batch.close();
    removeFolder(dataFolder);
  });

  taskRunnerContract('Azure Batch', async () => ({
    runner,
    end: async (taskId, exitCode) => running.get(taskId)?.(exitCode),
    starts: (taskId) => starts.get(taskId) ?? 0,
  }));

  function tasksOf(run: string, count: number): TaskSpecification[] {
    return Array.from({ length: count }, (_, index) => ({
      taskId: taskIdOf(run, index),
      image: 'landfall/copy',
      pool: 'execution',
      environment: { NUMBER: String(index) },
      dependsOn: index === 0 ? [] : [taskIdOf(run, index - 1)],
      retriesMax: 0,
      wallClockSecondsMax: 60,
    }));
  }
  async function eventually(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 5000;
    while (!(await isTrue())) {
      if (Date.now() > deadline) throw new Error(`Not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it('submits more tasks than one request takes, and lists more than one page', async () => {
    const run = randomUUID();
    const tasks = tasksOf(run, 250).map((task) => ({ ...task, dependsOn: [] }));
    const { jobId } = await runner.submit('extract', run, tasks);
    const outcomes = await runner.outcomes(
      jobId,
      run,
      tasks.map(({ taskId }) => taskId),
    );
    assert.equal(outcomes.filter(({ state }) => state !== 'lost').length, 250);
    await eventually('the first runs', () => running.has(tasks[0]!.taskId));
    assert.equal(environments.get(tasks[0]!.taskId)?.['LANDFALL_REGION'], 'local');
    assert.equal(environments.get(tasks[0]!.taskId)?.['NUMBER'], '0');
    for (const { taskId } of tasks) {
      await eventually(`${taskId} runs`, () => running.has(taskId));
      running.get(taskId)?.(0);
    }
  });

  it('says of tasks that wait for one that failed that they failed, and for which', async () => {
    const run = randomUUID();
    const tasks = tasksOf(run, 3);
    const { jobId } = await runner.submit('copy', run, tasks);
    await eventually('the first runs', () => running.has(tasks[0]!.taskId));
    running.get(tasks[0]!.taskId)?.(5);
    const ids = tasks.map(({ taskId }) => taskId);
    await eventually('all have ended', async () =>
      (await runner.outcomes(jobId, run, ids)).every(({ state }) => state === 'failed'),
    );
    const outcomes = await runner.outcomes(jobId, run, ids);
    assert.equal(outcomes[0]?.exitCode, 5);
    assert.equal(outcomes[2]?.message, `It waits for task ${ids[1]}, which failed.`);
  });

  it('goes on in the job of the day before when a submission crashed over midnight', async () => {
    const run = randomUUID();
    const tasks = tasksOf(run, 2);
    const { jobId } = await runner.submit('enrich', run, tasks.slice(0, 1));
    now = new Date('2026-03-02T00:00:01Z');
    assert.deepEqual(await runner.submit('enrich', run, tasks), { jobId });
    const next = await runner.submit('enrich', randomUUID(), tasksOf(randomUUID(), 1));
    assert.match(next.jobId, /-20260302$/);
  });

  it('gives the jobs of later stages a higher priority', async () => {
    const client = batchClient(batch.endpoint);
    const priorities: number[] = [];
    for (const stage of ['remove-duplicate', 'validate', 'copy', 'share']) {
      const { jobId } = await runner.submit(stage, randomUUID(), tasksOf(randomUUID(), 1));
      priorities.push((await client.job.get(jobId)).priority ?? 0);
    }
    assert.deepEqual(priorities, [0, 0, 20, 70]);
  });

  it('closes the jobs of past days before it opens one of today', async () => {
    const client = batchClient(batch.endpoint);
    now = new Date('2026-03-15T12:00:00Z');
    await runner.submit('share', randomUUID(), tasksOf(randomUUID(), 1));
    const jobs = await client.job.list();
    const old = jobs.filter(({ id = '' }) => /-2026030[12]$/.test(id));
    assert.ok(old.length > 0);
    assert.deepEqual(
      old.filter(({ state }) => state === 'active'),
      [],
    );
  });

  it('puts a submission off when quotas are used up, or too many tasks wait', async () => {
    const client = batchClient(batch.endpoint);
    const run = randomUUID();
    const busy = connect({ waitingTasksMax: 0 });
    await assert.rejects(
      (async () => {
        await busy.submit('sync', run, tasksOf(run, 1));
      })(),
      (error) => error instanceof RetryableFailure && error.retryAfterMs === 60_000,
    );
    const added: string[] = [];
    for (let index = 0; index < 30; index++) {
      const id = `filler-${index}`;
      try {
        await client.job.add({ id, poolInfo: { poolId: 'execution' } });
        added.push(id);
      } catch (error) {
        assert.equal((error as { statusCode?: number }).statusCode, 409);
        break;
      }
    }
    await assert.rejects(
      runner.submit('register', run, tasksOf(run, 1)),
      (error) => error instanceof RetryableFailure && /Quota/.test(error.message),
    );
    for (const id of added) await client.job.deleteMethod(id);
  });

  it('says that trying again may help when the service is out of order', async () => {
    batch.faults.add({ kind: 'status', status: 503, times: 20 });
    try {
      await assert.rejects(
        runner.outcomes('landfall-x', randomUUID(), []),
        (error) => error instanceof RetryableFailure,
      );
    } finally {
      batch.faults.clear();
    }
  });

  it('refuses a key for a host that is not this machine, and a token over plain http', () => {
    assert.throws(
      () => connect({ endpoint: 'https://fleet.westeurope.batch.azure.com' }),
      /is not this machine/,
    );
    assert.throws(() => connect({ access: { auth: 'managed-identity' } }), /is not https/);
  });
});
