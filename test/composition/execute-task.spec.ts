import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { executeTask, TaskExit } from '#composition/execute-task.ts';
import type { TaskDefinition, TaskTools, TaskWork } from '#composition/task-tools.ts';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { TaskResult } from '#domain/result-manifest.ts';
import { TaskConfiguration } from '#domain/task-configuration.ts';
import type { TaskReportBody } from '#domain/tasks/task-report.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import { StageBench, sha256Of } from '#test/support/stage-bench.ts';

const WORK_FOLDER = { account: 'operations', container: 'tasks', path: 'm/1/enrich/1/t-000000/' };
const CONFIGURATION_AT = { ...WORK_FOLDER, path: `${WORK_FOLDER.path}configuration.json` };
const RESULT_AT = { ...WORK_FOLDER, path: `${WORK_FOLDER.path}result.json` };
const DONE: TaskWork = { outcome: 'succeeded', files: [], loss: NO_LOSS, facts: { seen: 3 } };

async function task(work: (tools: TaskTools) => Promise<TaskWork>) {
  const bench = new StageBench();
  const reports: { taskId: string; body: TaskReportBody }[] = [];
  const configuration: TaskConfiguration = {
    schemaVersion: 1,
    image: 'landfall/test',
    taskId: 't-000000',
    stageRunId: 't',
    measurementId: 'm',
    generation: 1,
    stage: 'enrich',
    attempt: 1,
    output: {},
    result: RESULT_AT,
  };
  await bench.put(CONFIGURATION_AT, new TextEncoder().encode(JSON.stringify(configuration)));
  let runs = 0;
  const definition: TaskDefinition<TaskConfiguration> = {
    image: 'landfall/test',
    configuration: TaskConfiguration,
    work: (_, tools) => {
      runs += 1;
      return work(tools);
    },
  };
  const environment = {
    ...bench.taskEnvironment(),
    reporter: {
      report: async (taskId: string, body: TaskReportBody) => {
        reports.push({ taskId, body });
      },
    },
  };
  return {
    bench,
    reports,
    environment,
    definition,
    run: () => executeTask(definition, CONFIGURATION_AT, environment),
    result: async () =>
      TaskResult.parse(JSON.parse(new TextDecoder().decode(await bench.blobs.read(RESULT_AT)))),
    runs: () => runs,
  };
}

describe('one run of a task', () => {
  it('writes its result and reports it, pinned by hash', async () => {
    const { bench, run, reports, result } = await task(async () => DONE);
    assert.equal(await run(), TaskExit.done);
    assert.deepEqual((await result()).facts, { seen: 3 });
    const bytes = await bench.blobs.read(RESULT_AT);
    const reference = { ...RESULT_AT, sha256: sha256Of(bytes), sizeBytes: bytes.length };
    assert.deepEqual(reports, [{ taskId: 't-000000', body: { outcome: 'succeeded', result: reference } }]);
  });

  it('that is repeated after its node was lost reports again and works no more', async () => {
    const { run, reports, runs } = await task(async () => DONE);
    await run();
    assert.equal(await run(), TaskExit.done);
    assert.equal(runs(), 1);
    assert.deepEqual(reports[0], reports[1]);
  });

  it('that may go well next time says nothing yet, leaves its reason, and is done by the next', async () => {
    let fails = true;
    const { run, reports, result } = await task(async () => {
      if (fails) throw new RetryableFailure('dependency-unavailable', 'storage is away');
      return DONE;
    });
    assert.equal(await run(), TaskExit.retryable);
    assert.equal(reports.length, 0, 'Batch has retries left');
    assert.equal((await result()).reason?.message, 'storage is away');
    fails = false;
    assert.equal(await run(), TaskExit.done);
    assert.equal((await result()).outcome, 'succeeded');
  });

  for (const [name, error, code] of [
    ['a terminal failure', new TerminalFailure('file-changed', 'changed'), 'file-changed'],
    ['an unreadable recording', new RecordingFormatError('a.bag', 'rosbag', 'no header'), 'file-unreadable'],
  ] as const) {
    it(`with ${name} reports it at once, and a retry ends the same without working`, async () => {
      const { run, reports, runs } = await task(() => Promise.reject(error));
      assert.equal(await run(), TaskExit.terminal);
      assert.equal(await run(), TaskExit.terminal);
      assert.equal(runs(), 1);
      assert.equal(reports[0]?.body.reason?.code, code);
    });
  }

  it('ends well although its report is not taken: the poller finds the result', async () => {
    const { bench, environment, definition } = await task(async () => DONE);
    const reporter = {
      report: () => Promise.reject(new RetryableFailure('dependency-unavailable', 'no API')),
    };
    assert.equal(
      await executeTask(definition, CONFIGURATION_AT, { ...environment, reporter }),
      TaskExit.done,
    );
    assert.equal(bench.telemetry.count('task.report-failed'), 1);
  });

  it('refuses to work for another image', async () => {
    const { environment, definition } = await task(async () => DONE);
    const other = { ...definition, image: 'landfall/other' };
    await assert.rejects(
      executeTask(other, CONFIGURATION_AT, environment),
      /is for landfall\/test, but this is landfall\/other/,
    );
  });

  it('uploads from a scratch folder that is gone afterwards', async () => {
    let scratch = '';
    const { run, result, bench } = await task(async (tools) => {
      scratch = tools.scratchFolder;
      const path = join(scratch, 'frame.jpg');
      writeFileSync(path, 'jpeg');
      const folder = { account: 'extracted', container: 'camera', path: 'a/' };
      const file = await tools.upload(path, folder, 'frame.jpg', {
        mediaType: 'image/jpeg',
        sensor: 'camera',
      });
      return { ...DONE, files: [file] };
    });
    await run();
    const [file] = (await result()).files;
    assert.equal(file?.path, 'a/frame.jpg');
    assert.equal(file?.sha256, sha256Of(new TextEncoder().encode('jpeg')));
    assert.deepEqual(await bench.paths('extracted', 'camera'), ['a/frame.jpg']);
    assert.equal(existsSync(scratch), false);
  });
});
