import assert from 'node:assert/strict';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { stageRunIdOf, taskIdOf } from '#domain/identity.ts';
import type { Envelope } from '#domain/messages.ts';
import type { PlannedTask } from '#domain/stage-plan.ts';
import type { DataStreamResult } from '#domain/vocabulary.ts';
import { type BatchStage, batchStageHandler } from '#handlers/batch-stage.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { resultLocationOf } from '#handlers/run-papers.ts';
import { stageEvent } from '#handlers/stage-messages.ts';
import { StageBench } from '#test/support/stage-bench.ts';

type Enrich = 'landfall.measurement.enrich.v1';
const STREAM: DataStreamResult = {
  dataStreamId: 'enriched-1',
  kind: 'enriched',
  zone: 'enriched',
  locations: [],
  parents: [],
  fileCount: 0,
  sizeBytes: 0,
  rowCount: 0,
};

function taskAfter(...dependsOn: number[]): PlannedTask {
  return {
    image: 'landfall/enrich',
    pool: 'execution',
    dependsOn,
    wallClockSecondsMax: 60,
    output: {},
    own: { note: 'n' },
  };
}

/** A stage of tasks that do nothing; counts how often it is asked. */
function scenario(tasks: readonly PlannedTask[] = [taskAfter(), taskAfter(0)]) {
  const bench = new StageBench();
  const asked = { plan: 0, conclude: 0 };
  const problem: { plan?: Error; conclude?: Error; firstConclusionHeld?: Promise<void> } = {};
  const stage: BatchStage<Enrich> = {
    work: 'enrich',
    command: 'landfall.measurement.enrich.v1',
    async plan() {
      asked.plan += 1;
      if (problem.plan !== undefined) throw problem.plan;
      const own = { note: `plan ${asked.plan}` };
      return { schemaVersion: 1, tasks: tasks.map((task) => ({ ...task, own })) };
    },
    async conclude(command) {
      asked.conclude += 1;
      if (problem.conclude !== undefined) throw problem.conclude;
      const { measurementId, generation, stage: name, attempt } = command.data;
      const reason = { code: 'c', message: `conclusion ${asked.conclude}` };
      if (asked.conclude === 1) await problem.firstConclusionHeld;
      const data = {
        measurementId,
        generation,
        stage: name,
        attempt,
        outcome: 'partial' as const,
        reason,
      };
      return [stageEvent('landfall.data-stream.enriched.v1', { ...data, dataStream: STREAM })];
    },
  };
  const handle = batchStageHandler(stage, bench);
  const commandOf = (attempt: number) =>
    bench.command(
      'landfall.measurement.enrich.v1',
      { generation: 1, stage: 'enrich', attempt, recording: RECORDING, input: STREAM },
      attempt * 10,
    );
  const command = commandOf(1);
  const runId = (attempt = 1) => stageRunIdOf(command.data.measurementId, 1, 'enrich', attempt);
  const end = async (index: number, attempt = 1) => {
    const taskId = taskIdOf(runId(attempt), index);
    const workFolder = { ...bench.papers, path: `${command.data.measurementId}/1/enrich/${attempt}/` };
    const result = {
      schemaVersion: 1,
      taskId,
      stageRunId: runId(attempt),
      measurementId: command.data.measurementId,
      generation: 1,
      stage: 'enrich',
      attempt,
      image: 'landfall/enrich',
      outcome: 'succeeded',
      startedAt: bench.now.toISOString(),
      endedAt: bench.now.toISOString(),
      files: [],
      loss: { records: 0, bytes: 0, reasons: [] },
      timingsMs: {},
      facts: {},
    };
    await bench.put(resultLocationOf(workFolder, taskId), new TextEncoder().encode(JSON.stringify(result)));
    await reportTask(bench, taskId, { outcome: 'succeeded' });
  };
  const fail = (index: number, code = 'task-failed') =>
    reportTask(bench, taskIdOf(runId(), index), {
      outcome: 'failed',
      reason: { code, message: `task ${index} broke` },
    });
  const conclude = async () => handle(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
  return { bench, asked, problem, handle, command, commandOf, runId, end, fail, conclude };
}

const RECORDING = {
  fleet: 'default',
  recordingId: 'drive-1',
  region: 'local',
  vehicle: { vin: 'V1' },
  folder: { account: 'landing', container: 'recordings', path: 'drive-1/' },
  manifest: {
    account: 'landing',
    container: 'recordings',
    path: 'drive-1/manifest.json',
    sha256: 'a'.repeat(64),
    sizeBytes: 1,
  },
  fileCount: 1,
  sizeBytes: 1,
};

describe('a stage in Batch', () => {
  it('starts with its command, ends with its event, and numbers both after the command', async () => {
    const { bench, handle, command, end, conclude, asked } = scenario();
    await handle(command);
    const [started] = bench.said('landfall.stage.started.v1');
    assert.equal(started?.data.taskCount, 2);
    assert.equal(started?.sequence, '0000000011');
    assert.equal(bench.said('landfall.stage.conclude.v1').length, 0);
    await end(0);
    assert.equal(bench.said('landfall.stage.conclude.v1').length, 0, 'not before the last task');
    await end(1);
    await conclude();
    const [enriched] = bench.said('landfall.data-stream.enriched.v1');
    assert.equal(enriched?.sequence, '0000000012');
    assert.equal(enriched?.causationid, command.id);
    assert.equal(asked.conclude, 1);
  });

  it('tells each task who it is, where its result goes, and what it waits for', async () => {
    const { bench, handle, command, runId } = scenario();
    await handle(command);
    const [first, second] = bench.tasks.submitted();
    assert.deepEqual(second?.dependsOn, [taskIdOf(runId(), 0)]);
    const [account = '', container = '', ...path] =
      Object.values(first?.environment ?? {})[0]?.split('/') ?? [];
    const bytes = await bench.blobs.read({ account, container, path: path.join('/') });
    const configuration = JSON.parse(new TextDecoder().decode(bytes));
    assert.equal(configuration.taskId, first?.taskId);
    assert.equal(configuration.note, 'plan 1');
    assert.match(configuration.result.path, /\/result\.json$/);
  });

  it('that gets its command twice plans once and submits the same tasks', async () => {
    const { bench, handle, command, asked } = scenario();
    await handle(command);
    await handle(command);
    assert.equal(asked.plan, 1);
    assert.equal(bench.tasks.submitted().length, 2);
    assert.equal(bench.said('landfall.stage.started.v1').length, 1);
  });

  for (const crash of ['submit', 'setJob', 'send'] as const) {
    it(`goes on where a process died before ${crash}`, async () => {
      const { bench, handle, command, asked, end, conclude } = scenario();
      const died = () => Promise.reject(new RetryableFailure('dependency-unavailable', 'the process died'));
      const places = { submit: bench.tasks, setJob: bench.runs, send: bench.messages };
      const place = places[crash] as unknown as Record<string, unknown>;
      const whole = place[crash];
      place[crash] = died;
      await assert.rejects(handle(command), /died/);
      place[crash] = whole;
      await handle(command);
      assert.equal(asked.plan, 1, 'the plan was kept');
      await end(0);
      await end(1);
      await conclude();
      assert.equal(bench.said('landfall.data-stream.enriched.v1').length, 1);
    });
  }

  it('has one plan and one conclusion when two processes work on it at once', async () => {
    const { bench, handle, command, end, conclude, asked, problem } = scenario();
    await Promise.all([handle(command), handle(command)]);
    assert.equal(asked.plan, 2);
    const notes = await Promise.all(
      bench.tasks.submitted().map(async ({ environment }) => {
        const [account = '', container = '', ...path] = Object.values(environment)[0]?.split('/') ?? [];
        const bytes = await bench.blobs.read({ account, container, path: path.join('/') });
        return JSON.parse(new TextDecoder().decode(bytes)).note;
      }),
    );
    assert.deepEqual(notes, ['plan 1', 'plan 1']);
    await end(0);
    await end(1);
    let release = () => {};
    problem.firstConclusionHeld = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = conclude();
    await conclude();
    release();
    await slow;
    assert.equal(asked.conclude, 2);
    const said = bench.sent.filter(({ envelope }) => envelope.type === 'landfall.data-stream.enriched.v1');
    assert.equal(new Set(said.map(({ envelope }) => JSON.stringify(envelope.data))).size, 1);
  });

  it('says the same once more when it is asked to conclude again', async () => {
    const { bench, handle, command, end, conclude, asked } = scenario();
    await handle(command);
    await end(0);
    await end(1);
    await conclude();
    bench.now = new Date('2026-03-05T00:00:00.000Z');
    await conclude();
    assert.equal(asked.conclude, 1, 'judged once');
    const said = bench.sent.filter(({ envelope }) => envelope.type === 'landfall.data-stream.enriched.v1');
    assert.equal(said.length, 2);
    assert.deepEqual(said[0]?.envelope.data, said[1]?.envelope.data);
    assert.equal(said[0]?.messageId, said[1]?.messageId);
  });

  it('concludes with what was kept when a process died between keeping and saying', async () => {
    const { bench, handle, command, end, conclude } = scenario();
    await handle(command);
    await end(0);
    await end(1);
    const whole = bench.messages.send;
    bench.messages.send = () => Promise.reject(new RetryableFailure('dependency-unavailable', 'broker away'));
    await assert.rejects(conclude(), /broker away/);
    bench.messages.send = whole;
    await conclude();
    assert.equal(bench.said('landfall.data-stream.enriched.v1').length, 1);
    assert.deepEqual(await bench.runs.open(10), [], 'the run is closed');
  });

  it('fails with the reasons of its tasks, also of those that never started', async () => {
    const { bench, handle, command, fail, conclude } = scenario();
    await handle(command);
    await fail(0);
    await conclude();
    const [failed] = bench.said('landfall.stage.failed.v1');
    assert.equal(failed?.data.retryable, true);
    assert.equal(failed?.data.reason.code, 'task-failed');
    assert.match(failed?.data.reason.message ?? '', /2 of 2 tasks failed.*task 0 broke/);
    assert.match(failed?.data.reason.details?.[1] ?? '', /not started/);
  });

  it('fails for good when a task says that no retry can help', async () => {
    const { bench, handle, command, fail, conclude } = scenario();
    await handle(command);
    await fail(0, 'file-unreadable');
    await conclude();
    assert.equal(bench.said('landfall.stage.failed.v1')[0]?.data.retryable, false);
  });

  it('fails at once when it cannot be planned, and says so again to a repeated command', async () => {
    const { bench, handle, command, problem, asked } = scenario();
    problem.plan = new TerminalFailure('not-found', 'the input has no manifest');
    await handle(command);
    delete problem.plan;
    await handle(command);
    assert.equal(asked.plan, 1, 'what has failed is not begun after all');
    assert.equal(bench.said('landfall.stage.failed.v1')[0]?.data.reason.message, 'the input has no manifest');
    assert.equal(bench.tasks.submitted().length, 0);
  });

  it('fails for good when its results cannot be judged', async () => {
    const { bench, handle, command, problem, end, conclude } = scenario();
    problem.conclude = new TerminalFailure('message-invalid', 'result.json does not fit its schema');
    await handle(command);
    await end(0);
    await end(1);
    await conclude();
    const [failed] = bench.said('landfall.stage.failed.v1');
    assert.equal(failed?.data.retryable, false);
    assert.match(failed?.data.reason.message ?? '', /does not fit/);
  });

  it('without anything to do concludes by itself', async () => {
    const { bench, handle, command, conclude } = scenario([]);
    await handle(command);
    await conclude();
    assert.equal(bench.said('landfall.data-stream.enriched.v1').length, 1);
  });

  it('stops what still runs of an attempt when the next one begins', async () => {
    const { bench, handle, command, commandOf, runId } = scenario();
    await handle(command);
    await handle(commandOf(2));
    const outcomes = await bench.tasks.outcomes('enrich-job', runId(), [taskIdOf(runId(), 0)]);
    assert.equal(outcomes[0]?.state, 'failed');
    const open = await bench.runs.open(10);
    assert.deepEqual(
      open.map((run) => run.attempt),
      [2],
    );
    await handle(command);
    assert.equal((await bench.runs.open(10)).length, 1, 'a late copy of the old command wakes nothing');
  });

  it('refuses a command of another stage by name', async () => {
    const { bench, handle } = scenario();
    const other = bench.command('landfall.measurement.cancel.v1', { actor: 'a', reason: 'r' });
    await assert.rejects(handle(other), /cancel\.v1 came to enrich/);
  });
});
