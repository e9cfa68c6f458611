import assert from 'node:assert/strict';
import { stageRunIdOf, taskIdOf } from '#domain/identity.ts';
import type { PlannedTask } from '#domain/stage-plan.ts';
import type { DataStreamResult } from '#domain/vocabulary.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { pollTasks } from '#handlers/operations/poll-tasks.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { StageBench } from '#test/support/stage-bench.ts';

const TASK: PlannedTask = {
  image: 'landfall/enrich',
  pool: 'execution',
  dependsOn: [],
  wallClockSecondsMax: 60,
  output: {},
  own: {},
};

async function startedRun() {
  const bench = new StageBench();
  const recording = await bench.land({});
  const input: DataStreamResult = {
    dataStreamId: 's',
    kind: 'synchronized',
    zone: 'synchronized',
    locations: [],
    parents: [],
    fileCount: 0,
    sizeBytes: 0,
    rowCount: 0,
  };
  const command = bench.command('landfall.measurement.enrich.v1', {
    generation: 1,
    stage: 'enrich',
    attempt: 1,
    recording,
    input,
  });
  const stage = {
    work: 'enrich' as const,
    command: 'landfall.measurement.enrich.v1' as const,
    plan: () => Promise.resolve({ schemaVersion: 1 as const, tasks: [TASK, TASK] }),
    conclude: () => Promise.resolve([]),
  };
  await batchStageHandler(stage, bench)(command);
  const stageRunId = stageRunIdOf(command.data.measurementId, 1, 'enrich', 1);
  const [first, second] = [taskIdOf(stageRunId, 0), taskIdOf(stageRunId, 1)];
  const wait = (seconds: number) => {
    bench.now = new Date(bench.now.getTime() + seconds * 1000);
  };
  return { bench, stageRunId, first, second, wait };
}

describe('polling tasks', () => {
  it('leaves alone what still runs', async () => {
    const { bench } = await startedRun();
    assert.equal((await pollTasks(bench, 10)).recordedCount, 0);
  });

  it('finds a task that was killed before it could report', async () => {
    const { bench, stageRunId, first, second } = await startedRun();
    await reportTask(bench, second, { outcome: 'succeeded' });
    bench.tasks.end(first, { state: 'failed', exitCode: 137, message: 'out of memory' });
    assert.equal((await pollTasks(bench, 10)).recordedCount, 1);
    const report = (await bench.runs.reports(stageRunId)).find(({ taskId }) => taskId === first);
    assert.equal(report?.reason?.code, 'task-failed');
    assert.match(report?.reason?.message ?? '', /exit code 137.*out of memory/);
    assert.equal(bench.said('landfall.stage.conclude.v1').length, 1);
  });

  it('counts a task once that reports after all', async () => {
    const { bench, stageRunId, first } = await startedRun();
    bench.tasks.end(first, { state: 'failed', exitCode: 1 });
    await pollTasks(bench, 10);
    await reportTask(bench, first, { outcome: 'succeeded' });
    assert.equal((await bench.runs.find(stageRunId))?.endedTaskCount, 1);
  });

  it('gives a task that Batch does not know a minute to appear', async () => {
    const { bench, stageRunId, first, wait } = await startedRun();
    bench.tasks.end(first, { state: 'lost' });
    assert.equal((await pollTasks(bench, 10)).recordedCount, 0);
    wait(61);
    assert.equal((await pollTasks(bench, 10)).recordedCount, 1);
    assert.equal((await bench.runs.reports(stageRunId))[0]?.reason?.code, 'task-lost');
  });

  it('asks for a conclusion again that got lost after the last report', async () => {
    const { bench, first, second, wait } = await startedRun();
    await reportTask(bench, first, { outcome: 'empty' });
    await reportTask(bench, second, { outcome: 'empty' });
    bench.sent.length = 0;
    await pollTasks(bench, 10);
    assert.equal(bench.sent.length, 0, 'it may be on its way');
    wait(61);
    await pollTasks(bench, 10);
    assert.equal(bench.said('landfall.stage.conclude.v1').length, 1);
  });

  it('asks about so many runs at a time, and about all of them in turn', async () => {
    const bench = new StageBench();
    const command = bench.command('landfall.measurement.cancel.v1', { generation: 1 } as never);
    const asked: string[] = [];
    const ids = Array.from({ length: 5 }, (_, index) => stageRunIdOf(command.subject, 1, 'enrich', index));
    for (const stageRunId of ids)
      await bench.runs.create({
        stageRunId,
        stage: 'enrich',
        measurementId: command.subject,
        attempt: 1,
        jobId: 'job',
        command,
        taskCount: 1,
        endedTaskCount: 0,
        state: 'open',
        createdAt: bench.now.toISOString(),
      });
    bench.tasks.outcomes = (_jobId, stageRunId) => {
      asked.push(stageRunId);
      return Promise.resolve([]);
    };
    let after: string | undefined;
    const countsPerRound: number[] = [];
    for (let round = 0; round < 4; round++) {
      const before = asked.length;
      ({ upToStageRunId: after } = await pollTasks(bench, 2, after));
      countsPerRound.push(asked.length - before);
    }
    assert.deepEqual(countsPerRound, [2, 2, 1, 2]);
    assert.deepEqual(asked.slice(0, 5), ids.toSorted(), 'each once before one is asked about again');
  });

  it('refuses a report for a task that does not exist', async () => {
    const { bench, stageRunId } = await startedRun();
    await assert.rejects(reportTask(bench, `${stageRunId}-000007`, { outcome: 'succeeded' }), /no task/);
    await assert.rejects(reportTask(bench, 'nonsense', { outcome: 'succeeded' }), /no task nonsense/);
  });

  describe('of a run that nobody waits for any more', () => {
    const at = (measurementId: string, progress: object) => ({
      id: measurementId,
      kind: 'measurement' as const,
      measurementId,
      stages: { enrich: progress },
    });

    for (const [why, progress] of [
      ['its measurement was cancelled', { state: 'Failed', generation: 1, attempt: 1 }],
      ['its measurement was restarted', { state: 'Pending', generation: 1, attempt: 1 }],
      ['a later attempt has taken over', { state: 'Running', generation: 1, attempt: 2 }],
      ['a new generation has taken over', { state: 'Pending', generation: 2, attempt: 0 }],
    ] as const)
      it(`stops its tasks: ${why}`, async () => {
        const { bench, stageRunId, first, second } = await startedRun();
        const run = await bench.runs.find(stageRunId);
        bench.measurements.set(run!.measurementId, at(run!.measurementId, progress));
        await pollTasks(bench, 10);
        assert.deepEqual(bench.tasks.terminated.toSorted(), [first, second].toSorted());
        assert.equal((await bench.runs.find(stageRunId))?.state, 'concluded');
        assert.deepEqual(bench.said('landfall.stage.conclude.v1'), [], 'and nothing is said of it');
      });

    for (const [why, progress] of [
      ['it is the one that is waited for', { state: 'Running', generation: 1, attempt: 1 }],
      ['what was read of the measurement is old', { state: 'Pending', generation: 1, attempt: 0 }],
    ] as const)
      it(`lets its tasks run when ${why}`, async () => {
        const { bench, stageRunId } = await startedRun();
        const run = await bench.runs.find(stageRunId);
        bench.measurements.set(run!.measurementId, at(run!.measurementId, progress));
        await pollTasks(bench, 10);
        assert.deepEqual(bench.tasks.terminated, []);
        assert.equal((await bench.runs.find(stageRunId))?.state, 'open');
      });
  });
});
