// Against "Batch Service REST API" and "Azure Batch documentation", through @azure/batch.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchServiceClient } from '@azure/batch';
import {
  BlobSASPermissions,
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type RunningBatch, startBatch } from '#emulators/batch/batch.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { ACCOUNT_KEY, containerClient } from '../storage/storage-fixture.ts';
import {
  addJob,
  addPool,
  BATCH_ACCOUNT,
  batchClient,
  javascript,
  removeFolder,
  temporaryFolder,
  untilTask,
} from './batch-fixture.ts';

describe('batch emulator', () => {
  const folder = temporaryFolder();
  let batch: RunningBatch;
  let client: BatchServiceClient;

  before(async () => {
    const program = join(folder, 'program.mjs');
    writeFileSync(
      program,
      'console.log(process.argv.slice(2).join("|")); process.exit(Number(process.argv[3]))',
    );
    batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder: join(folder, 'data'),
      images: { 'landfall/echo': ['node', 'program.mjs'] },
      imageRootFolder: folder,
    });
    client = batchClient(batch.endpoint);
    await addPool(client);
  });

  after(async () => {
    await batch.close();
    removeFolder(folder);
  });

  const stdout = async (jobId: string, taskId: string): Promise<string> => {
    const answer = await client.file.getFromTask(jobId, taskId, 'stdout.txt');
    const chunks: Buffer[] = [];
    for await (const chunk of answer.readableStreamBody ?? []) chunks.push(chunk as unknown as Buffer);
    return Buffer.concat(chunks).toString();
  };

  describe('running tasks', () => {
    it('runs a task with the environment of Batch, its job and itself, in a folder of its own', async () => {
      await addJob(client, 'environment', {
        commonEnvironmentSettings: [
          { name: 'FROM_JOB', value: 'job' },
          { name: 'FROM_BOTH', value: 'job' },
        ],
      });
      const names = ['ACCOUNT_NAME', 'JOB_ID', 'TASK_ID', 'POOL_ID', 'NODE_ID'].map(
        (name) => `AZ_BATCH_${name}`,
      );
      await client.task.add('environment', {
        id: 'print',
        commandLine: javascript(
          `console.log(JSON.stringify({...process.env, cwd: process.cwd()}, [...${JSON.stringify(names).replaceAll('"', "'")}, 'AZ_BATCH_TASK_WORKING_DIR', 'cwd', 'FROM_JOB', 'FROM_BOTH']))`,
        ),
        environmentSettings: [{ name: 'FROM_BOTH', value: 'task' }],
      });
      const task = await untilTask(client, 'environment', 'print');
      assert.equal(task.executionInfo?.exitCode, 0);
      assert.equal(task.executionInfo?.result, 'success');
      const environment = JSON.parse(await stdout('environment', 'print'));
      assert.deepEqual(
        names.map((name) => environment[name]),
        ['batchlocal', 'environment', 'print', 'small', 'tvmps_small_0_d'],
      );
      assert.equal(environment.FROM_JOB, 'job');
      assert.equal(environment.FROM_BOTH, 'task');
      assert.equal(environment.cwd, environment.AZ_BATCH_TASK_WORKING_DIR);
    });

    it('runs the local program of an image, with the command line as its arguments and without a shell', async () => {
      await addJob(client, 'images');
      const containerSettings = { imageName: 'registry.azurecr.io:443/landfall/echo:1.2' };
      await client.task.addCollection('images', [
        { id: 'known', commandLine: `"a b" 0 $HOME '*'`, containerSettings },
        { id: 'unknown', commandLine: '', containerSettings: { imageName: 'landfall/other' } },
      ]);
      await untilTask(client, 'images', 'known');
      assert.equal(await stdout('images', 'known'), 'a b|0|$HOME|*\n');
      const unknown = await untilTask(client, 'images', 'unknown');
      assert.equal(unknown.executionInfo?.failureInfo?.code, 'ContainerInvalidImage');
      assert.equal(unknown.executionInfo?.exitCode, undefined);
    });

    it('runs dependent tasks in order, and completes the job with its last task when that is asked for', async () => {
      await addJob(client, 'chain');
      const task = (id: string, taskIds: string[]) => ({
        id,
        commandLine: javascript('setTimeout(() => {}, 50)'),
        dependsOn: { taskIds },
      });
      const results = await client.task.addCollection('chain', [
        task('third', ['first', 'second']),
        task('second', ['first']),
        task('first', []),
      ]);
      assert.deepEqual(
        results.value?.map(({ taskId, status }) => `${taskId} ${status}`),
        ['third success', 'second success', 'first success'],
      );
      await client.job.patch('chain', { onAllTasksComplete: 'terminatejob' });
      await untilTask(client, 'chain', 'third');
      const started = async (id: string) => (await client.task.get('chain', id)).executionInfo?.startTime;
      const ended = async (id: string) => (await client.task.get('chain', id)).executionInfo?.endTime;
      assert.ok(Number(await started('second')) >= Number(await ended('first')));
      assert.ok(Number(await started('third')) >= Number(await ended('second')));
      const job = await client.job.get('chain');
      assert.equal(job.state, 'completed');
      assert.equal(job.executionInfo?.terminateReason, 'AllTasksCompleted');
    });

    it('starts a failed task again as often as it may', async () => {
      await addJob(client, 'retries');
      await client.task.add('retries', {
        id: 'never',
        commandLine: javascript('process.exit(3)'),
        constraints: { maxTaskRetryCount: 2 },
      });
      const { executionInfo } = await untilTask(client, 'retries', 'never');
      assert.equal(executionInfo?.retryCount, 2);
      assert.equal(executionInfo?.exitCode, 3);
      assert.equal(executionInfo?.result, 'failure');
      assert.equal(executionInfo?.failureInfo?.code, 'FailureExitCode');
    });

    it('ends a task that runs longer than its wall-clock limit, and does not try again', async () => {
      await addJob(client, 'limits');
      await client.task.add('limits', {
        id: 'slow',
        commandLine: javascript('setInterval(() => {}, 1000)'),
        constraints: { maxWallClockTime: 'PT0.2S', maxTaskRetryCount: 5 },
      });
      const { executionInfo } = await untilTask(client, 'limits', 'slow');
      assert.equal(executionInfo?.failureInfo?.code, 'TaskEnded');
      assert.equal(executionInfo?.retryCount, 0);
    });

    it('fails a task whose program there is not', async () => {
      await addJob(client, 'missing');
      await client.task.add('missing', { id: 'none', commandLine: 'no-such-program --help' });
      const { executionInfo } = await untilTask(client, 'missing', 'none');
      assert.equal(executionInfo?.failureInfo?.code, 'CommandProgramNotFound');
    });

    it('ends a running task on request, and runs it again when it is reactivated', async () => {
      await addJob(client, 'ended');
      await client.task.add('ended', {
        id: 'endless',
        commandLine: javascript('setInterval(() => {}, 1000)'),
      });
      await untilTask(client, 'ended', 'endless', ({ state }) => state === 'running');
      await client.task.terminate('ended', 'endless');
      const ended = await client.task.get('ended', 'endless');
      assert.equal(ended.state, 'completed');
      assert.equal(ended.executionInfo?.failureInfo?.code, 'TaskEnded');
      await client.task.reactivate('ended', 'endless');
      await untilTask(client, 'ended', 'endless', ({ state }) => state === 'running');
      await client.job.terminate('ended', { terminateReason: 'Cancelled' });
      const job = await client.job.get('ended');
      assert.equal(job.state, 'completed');
      assert.equal(job.executionInfo?.terminateReason, 'Cancelled');
      await untilTask(client, 'ended', 'endless');
    });

    it('runs no more tasks at once than a pool has slots', async () => {
      await addPool(client, 'narrow', { nodes: 2, slotsPerNode: 1 });
      await addJob(client, 'crowd', { poolInfo: { poolId: 'narrow' } });
      await client.task.addCollection(
        'crowd',
        Array.from({ length: 4 }, (_, n) => ({
          id: `t${n}`,
          commandLine: javascript('setInterval(() => {}, 1000)'),
        })),
      );
      await untilTask(client, 'crowd', 't1', ({ state }) => state === 'running');
      const { taskCounts } = await client.job.getTaskCounts('crowd');
      assert.deepEqual([taskCounts.running, taskCounts.active], [2, 2]);
      const nodes = await client.computeNode.list('narrow');
      assert.deepEqual(
        nodes.map(({ runningTasksCount }) => runningTasksCount),
        [1, 1],
      );
      await client.job.terminate('crowd');
    });

    it('lets tasks wait for a pool that does not exist yet', async () => {
      await addJob(client, 'early', { poolInfo: { poolId: 'later' } });
      await client.task.add('early', { id: 'waits', commandLine: javascript('') });
      assert.equal((await client.task.get('early', 'waits')).state, 'active');
      await addPool(client, 'later');
      await untilTask(client, 'early', 'waits');
    });
  });

  describe('exit conditions', () => {
    it('lets dependents start after a failure that is said to satisfy them, and holds them otherwise', async () => {
      await addJob(client, 'conditions');
      const failing = (id: string, code: number) => ({
        id,
        commandLine: javascript(`process.exit(${code})`),
        exitConditions: {
          exitCodes: [{ code: 7, exitOptions: { dependencyAction: 'satisfy' as const } }],
          exitCodeRanges: [{ start: 20, end: 29, exitOptions: { dependencyAction: 'satisfy' as const } }],
        },
      });
      const after = (id: string) => ({
        id: `after-${id}`,
        commandLine: javascript(''),
        dependsOn: { taskIds: [id] },
      });
      const pairs = [failing('tolerated', 7), failing('in-range', 25), failing('not-tolerated', 8)];
      await client.task.addCollection(
        'conditions',
        pairs.flatMap((task) => [task, after(task.id)]),
      );
      await untilTask(client, 'conditions', 'after-tolerated');
      await untilTask(client, 'conditions', 'after-in-range');
      await untilTask(client, 'conditions', 'not-tolerated');
      assert.equal((await client.task.get('conditions', 'after-not-tolerated')).state, 'active');
      const { taskCounts } = await client.job.getTaskCounts('conditions');
      assert.deepEqual({ ...taskCounts }, { active: 1, running: 0, completed: 5, succeeded: 2, failed: 3 });
    });

    it('ends the job when a task fails in a way that is said to end it', async () => {
      await addJob(client, 'fatal', { onTaskFailure: 'performexitoptionsjobaction' });
      await client.task.add('fatal', {
        id: 'boom',
        commandLine: javascript('process.exit(9)'),
        exitConditions: { default: { jobAction: 'terminate' } },
      });
      await untilTask(client, 'fatal', 'boom');
      const job = await client.job.get('fatal');
      assert.equal(job.executionInfo?.terminateReason, 'TaskFailed');
      await assert.rejects(client.task.add('fatal', { id: 'late', commandLine: 'x' }), {
        code: 'JobCompleted',
      });
    });
  });

  describe('files', () => {
    let storage: RunningStorage;
    let container: ContainerClient;
    const credential = new StorageSharedKeyCredential('results', ACCOUNT_KEY);
    const expiresOn = new Date(Date.now() + 600_000);

    before(async () => {
      storage = await startStorage({
        accounts: [{ name: 'results', key: ACCOUNT_KEY }],
        dataFolder: join(folder, 'storage'),
      });
      container = containerClient(storage.endpoint, 'results', 'outputs');
      await container.create();
    });
    after(() => storage.close());

    it('brings resource files before a task and takes output files after it', async () => {
      const input = container.getBlockBlobClient('in/numbers.txt');
      await input.upload('1 2 3', 5);
      const readSas = generateBlobSASQueryParameters(
        {
          containerName: 'outputs',
          blobName: input.name,
          permissions: BlobSASPermissions.parse('r'),
          expiresOn,
        },
        credential,
      );
      const writeSas = generateBlobSASQueryParameters(
        { containerName: 'outputs', permissions: ContainerSASPermissions.parse('cw'), expiresOn },
        credential,
      );
      const containerUrl = `${container.url}?${writeSas}`;
      await addJob(client, 'files');
      await client.task.add('files', {
        id: 'sum',
        commandLine: javascript(
          "const fs = require('fs'); fs.mkdirSync('out'); fs.writeFileSync('out/sum.txt', String(eval(fs.readFileSync('data/in.txt', 'utf8').split(' ').join('+')))); console.log('summed'); process.exit(4)",
        ),
        resourceFiles: [{ httpUrl: `${input.url}?${readSas}`, filePath: 'data/in.txt' }],
        outputFiles: [
          {
            filePattern: 'out/**/*.txt',
            destination: { container: { containerUrl, path: 'run-1' } },
            uploadOptions: { uploadCondition: 'taskcompletion' },
          },
          {
            filePattern: '../std*.txt',
            destination: { container: { containerUrl, path: 'run-1/logs' } },
            uploadOptions: { uploadCondition: 'taskfailure' },
          },
          {
            filePattern: 'out/sum.txt',
            destination: { container: { containerUrl, path: 'never.txt' } },
            uploadOptions: { uploadCondition: 'tasksuccess' },
          },
        ],
      });
      const { executionInfo } = await untilTask(client, 'files', 'sum');
      assert.equal(executionInfo?.exitCode, 4);
      const names: string[] = [];
      for await (const { name } of container.listBlobsFlat()) names.push(name);
      assert.deepEqual(names, [
        'in/numbers.txt',
        'run-1/logs/stderr.txt',
        'run-1/logs/stdout.txt',
        'run-1/out/sum.txt',
      ]);
      assert.equal((await container.getBlobClient('run-1/out/sum.txt').downloadToBuffer()).toString(), '6');
      const listed = await client.file.listFromTask('files', 'sum', { recursive: true });
      assert.deepEqual(
        listed.filter(({ isDirectory }) => !isDirectory).map(({ name }) => name),
        ['stderr.txt', 'stdout.txt', 'wd/data/in.txt', 'wd/out/sum.txt'],
      );
      const { contentLength } = await client.file.getPropertiesFromTask('files', 'sum', 'stdout.txt');
      assert.equal(contentLength, 7);
      await assert.rejects(client.file.getFromTask('files', 'sum', 'none.txt'), { statusCode: 404 });
    });

    it('fails a task before it starts when a resource file is not there', async () => {
      await addJob(client, 'no-input');
      await client.task.add('no-input', {
        id: 'reads',
        commandLine: javascript(''),
        resourceFiles: [{ httpUrl: `${container.url}/absent.txt`, filePath: 'in.txt' }],
      });
      const { executionInfo } = await untilTask(client, 'no-input', 'reads');
      assert.match(executionInfo?.failureInfo?.code ?? '', /^Blob/);
      assert.equal(executionInfo?.exitCode, undefined);
    });

    it('does not let a resource file out of the task folder', async () => {
      await addJob(client, 'escape');
      await client.task.add('escape', {
        id: 'escapes',
        commandLine: javascript(''),
        resourceFiles: [{ httpUrl: `${container.url}/in/numbers.txt`, filePath: '../../../../outside.txt' }],
      });
      const { executionInfo } = await untilTask(client, 'escape', 'escapes');
      assert.equal(executionInfo?.failureInfo?.code, 'InvalidFilePath');
    });
  });

  describe('the account', () => {
    it('refuses a key that is not its own, and takes a bearer token', async () => {
      const stranger = batchClient(batch.endpoint, Buffer.from('x'.repeat(64)).toString('base64'));
      await assert.rejects(stranger.pool.get('small'), { statusCode: 403, code: 'AuthenticationFailed' });
      const url = `${batch.endpoint}/pools/small?api-version=2024-07-01.20.0`;
      assert.equal((await fetch(url, { headers: { authorization: 'Bearer token' } })).status, 200);
    });

    it('answers what does not exist, and what exists already, as Batch does', async () => {
      await assert.rejects(client.job.get('none'), { statusCode: 404, code: 'JobNotFound' });
      assert.equal((await client.pool.exists('small')).body, true);
      assert.equal((await client.pool.exists('none')).body, false);
      await addJob(client, 'twice');
      await assert.rejects(addJob(client, 'twice'), { statusCode: 409, code: 'JobExists' });
      const task = { id: 'same', commandLine: javascript('') };
      await client.task.add('twice', task);
      await assert.rejects(client.task.add('twice', task), { statusCode: 409, code: 'TaskExists' });
      const { value } = await client.task.addCollection('twice', [task, { ...task, id: 'new' }]);
      assert.deepEqual(
        value?.map(({ status, error }) => `${status} ${error?.code ?? ''}`.trim()),
        ['clienterror TaskExists', 'success'],
      );
      await client.job.deleteMethod('twice');
      await assert.rejects(client.task.get('twice', 'same'), { statusCode: 404, code: 'JobNotFound' });
    });

    it('takes at most 100 tasks in one call, and ids of at most 64 characters', async () => {
      await addJob(client, 'many', { poolInfo: { poolId: 'absent' } });
      // The SDK would refuse both before they are sent.
      const post = async (path: string, body: object): Promise<string> => {
        const answer = await fetch(`${batch.endpoint}/jobs/many/${path}?api-version=2022-10-01.16.0`, {
          method: 'POST',
          headers: { authorization: 'Bearer token', 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        const { code = '' } = (await answer.json()) as { code?: string };
        return `${answer.status} ${code}`.trim();
      };
      const value = Array.from({ length: 101 }, (_, n) => ({ id: `t${n}`, commandLine: 'x' }));
      assert.equal(await post('addtaskcollection', { value }), '400 InvalidPropertyValue');
      assert.equal((await client.job.getTaskCounts('many')).taskCounts.active, 0);
      await client.task.addCollection('many', value.slice(0, 100));
      assert.equal((await client.job.getTaskCounts('many')).taskCounts.active, 100);
      const tooLong = { id: 'x'.repeat(65), commandLine: 'x' };
      assert.equal(await post('tasks', tooLong), '400 InvalidPropertyValue');
    });

    it('lists tasks by prefix, state and result, only the fields asked for, page by page', async () => {
      await addJob(client, 'listed');
      const codes = [0, 1, 0, 1, 0];
      await client.task.addCollection(
        'listed',
        codes.map((code, n) => ({ id: `m1-${n}`, commandLine: javascript(`process.exit(${code})`) })),
      );
      await client.task.add('listed', { id: 'm2-0', commandLine: javascript('') });
      for (const n of codes.keys()) await untilTask(client, 'listed', `m1-${n}`);
      const first = await client.task.list('listed', {
        taskListOptions: {
          filter: "startswith(id,'m1-') and state eq 'completed'",
          select: 'id,state,executionInfo',
          maxResults: 3,
        },
      });
      assert.deepEqual(
        first.map(({ id }) => id),
        ['m1-0', 'm1-1', 'm1-2'],
      );
      assert.equal(first[0]?.commandLine, undefined);
      assert.ok(first.odatanextLink);
      const second = await client.task.listNext(first.odatanextLink);
      assert.deepEqual(
        second.map(({ id }) => id),
        ['m1-3', 'm1-4'],
      );
      const failed = await client.task.list('listed', {
        taskListOptions: { filter: "executionInfo/result eq 'failure'" },
      });
      assert.deepEqual(
        failed.map(({ id }) => id),
        ['m1-1', 'm1-3'],
      );
      await assert.rejects(client.task.list('listed', { taskListOptions: { filter: 'state is done' } }), {
        statusCode: 400,
      });
    });

    it('executes a job whose answer is lost, so that adding it again says it exists', async () => {
      batch.faults.add({ match: { method: 'POST', pathPattern: '^/jobs' }, kind: 'lost-answer', times: 1 });
      await assert.rejects(addJob(client, 'lost'));
      await assert.rejects(addJob(client, 'lost'), { code: 'JobExists' });
    });
  });
});

describe('batch emulator without processes', () => {
  const folder = temporaryFolder();
  after(() => removeFolder(folder));

  it('has at most 300 active jobs', async () => {
    const batch = await startBatch({ account: BATCH_ACCOUNT, dataFolder: join(folder, 'jobs') });
    const client = batchClient(batch.endpoint);
    for (let n = 0; n < 300; n += 1) await addJob(client, `j${n}`);
    await assert.rejects(addJob(client, 'one-too-many'), {
      statusCode: 409,
      code: 'ActiveJobAndScheduleQuotaReached',
    });
    await client.job.terminate('j0');
    await addJob(client, 'now');
    await batch.close();
  });

  it('starts tasks of jobs of a higher priority first, those of equal ones in the order they became ready', async () => {
    const runs: string[] = [];
    const batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder: join(folder, 'order'),
      runTask: async ({ taskId }) => {
        runs.push(taskId);
        return 0;
      },
    });
    const client = batchClient(batch.endpoint);
    await addJob(client, 'first');
    await addJob(client, 'second');
    await addJob(client, 'urgent', { priority: 10 });
    for (const [job, id] of [
      ['first', 'a'],
      ['second', 'b'],
      ['first', 'c'],
      ['second', 'd'],
      ['urgent', 'e'],
    ] as const)
      await client.task.add(job, { id, commandLine: 'program' });
    await addPool(client, 'small', { slotsPerNode: 1 });
    await untilTask(client, 'second', 'd');
    assert.deepEqual(runs, ['e', 'a', 'b', 'c', 'd']);
    await batch.close();
  });

  it('hands tasks to a function instead, and runs those of a lost node again', async () => {
    const runs: string[] = [];
    let finish = (): void => undefined;
    const batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder: join(folder, 'function'),
      runTask: async (task, signal) => {
        runs.push(`${task.taskId} ${task.environment['AZ_BATCH_NODE_ID']} ${task.commandLine.join(' ')}`);
        if (runs.length > 1) return 0;
        await new Promise<void>((resolve) => {
          finish = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        return 1;
      },
    });
    const client = batchClient(batch.endpoint);
    await addPool(client);
    await addJob(client, 'job');
    await client.task.add('job', { id: 'task', commandLine: 'program argument' });
    await untilTask(client, 'job', 'task', ({ state }) => state === 'running');
    const answer = await fetch(`${batch.endpoint}/control/nodes/lose`, {
      method: 'POST',
      body: JSON.stringify({ poolId: 'small' }),
    });
    assert.deepEqual(await answer.json(), { requeuedTasks: ['task'] });
    const { executionInfo } = await untilTask(client, 'job', 'task');
    assert.equal(executionInfo?.requeueCount, 1);
    assert.equal(executionInfo?.retryCount, 0);
    assert.equal(executionInfo?.result, 'success');
    assert.deepEqual(runs, Array(2).fill('task tvmps_small_0_d program argument'));
    finish();
    await batch.close();
  });
});
