// A measurement on the road while everything dies: node test/acceptance/kill-every-process.ts
// Kills the handlers' process once during every stage, and the saga manager and the Service Bus, Cosmos and Batch
// emulators once each (kill -9; `landfall up` restarts them, as a service manager would), and compares the results with
// those of an undisturbed run. Prints what it did; exit code 1 when the results differ. Takes a few minutes.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { STAGES, type Stage } from '#domain/vocabulary.ts';
import { type RunningStack, startRunningStack } from './running-stack.ts';

const ENDS_WITHIN_MS = 15 * 60_000;

/** Who dies while which stage runs: the handlers in every one, the others once each. */
const KILLS: Readonly<Record<Stage, readonly string[]>> = {
  validate: ['handlers', 'saga'],
  register: ['handlers'],
  copy: ['handlers', 'service-bus'],
  extract: ['handlers', 'batch'],
  sync: ['handlers', 'cosmos'],
  enrich: ['handlers'],
  'scene-detect': ['handlers'],
  share: ['handlers'],
};

const stack = await startRunningStack();
const folders = await mkdtemp(join(tmpdir(), 'landfall-kill-'));
try {
  const undisturbed = await upload(stack, 'undisturbed');
  const calm = await ended(stack, undisturbed, () => Promise.resolve());
  console.log(`undisturbed run: ${calm.state}`);
  const disturbed = await upload(stack, 'disturbed');
  const done = new Set<Stage>();
  const stormy = await ended(stack, disturbed, async (status) => {
    const running = status.stages.find((stage) => stage.state !== 'Succeeded' && stage.state !== 'Skipped');
    if (running === undefined || done.has(running.stage)) return;
    done.add(running.stage);
    for (const name of KILLS[running.stage]) {
      const pid = await stack.processId(name);
      process.kill(pid, 'SIGKILL');
      console.log(`${running.stage} (${running.state}): killed ${name} (process ${pid})`);
    }
  });
  console.log(`disturbed run: ${stormy.state}, killed during ${[...done].join(', ')}`);
  const differences = differencesOf(resultsOf(calm), resultsOf(stormy));
  for (const difference of differences) console.log(difference);
  if (differences.length > 0) console.log(`disturbed: ${JSON.stringify(stormy, null, 2)}`);
  assert.equal(differences.length, 0, 'the results are those of an undisturbed run');
  assert.equal(done.size, STAGES.length, 'somebody was killed in every stage');
  console.log('The results are the same.');
} finally {
  await stack.stop();
  await rm(folders, { recursive: true, force: true });
}

async function upload(running: RunningStack, name: string): Promise<string> {
  const folder = join(folders, name);
  await mkdir(folder);
  const sink = await openFileByteSink(join(folder, 'drive.bag'));
  await writeDriveBag(sink, { drive: DEMO_DRIVE, startTimeNs: 1_764_000_000_000_000_000n, seed: 3 });
  await sink.close();
  return (await running.json<{ measurementId: string }>('upload', folder)).measurementId;
}

async function ended(
  running: RunningStack,
  measurementId: string,
  onLook: (status: MeasurementStatus) => Promise<void>,
): Promise<MeasurementStatus> {
  const api = await apiOf(running);
  const deadline = Date.now() + ENDS_WITHIN_MS;
  for (;;) {
    const status = await look(`${api}/measurements/${measurementId}`);
    if (status !== undefined) {
      if (['Shared', 'Rejected', 'Failed', 'Cancelled'].includes(status.state)) return status;
      await onLook(status);
    }
    if (Date.now() > deadline) throw new Error(`not ended in time: ${JSON.stringify(status, null, 2)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Undefined while the API, or what is behind it, is down. */
async function look(url: string): Promise<MeasurementStatus | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return response.ok ? ((await response.json()) as MeasurementStatus) : undefined;
  } catch (error) {
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError'))
      return undefined;
    throw error;
  }
}

async function apiOf(running: RunningStack): Promise<string> {
  const { out } = await running.landfall('env');
  return /^export LANDFALL_API='(.*)'$/m.exec(out)?.[1] ?? '';
}

/** What a run produced, without what must differ: ids, paths, attempts, times. */
function resultsOf(status: MeasurementStatus): object {
  return {
    state: status.state,
    stages: status.stages.map(({ stage, state }) => `${stage} ${state}`),
    dataStreams: status.dataStreams
      .map(({ kind, state, rowCount, files }) => ({
        kind,
        state,
        rowCount,
        files: files
          .map(({ table, rows, path }) => `${path.split('/').at(-1)} ${table ?? ''} ${rows ?? ''}`)
          .toSorted(),
      }))
      .toSorted((a, b) => a.kind.localeCompare(b.kind)),
    scenes: status.scenes.map(({ type, startTime, endTime }) => ({ type, startTime, endTime })),
  };
}

/** Where two results differ, each as a sentence with its place: `dataStreams.2.files.0: calm "a", disturbed "b"`. */
function differencesOf(calm: unknown, stormy: unknown, place = ''): readonly string[] {
  const bothObjects = [calm, stormy].every((side) => typeof side === 'object' && side !== null);
  if (!bothObjects)
    return Object.is(calm, stormy)
      ? []
      : [`${place}: undisturbed ${JSON.stringify(calm)}, disturbed ${JSON.stringify(stormy)}`];
  const [left, right] = [calm, stormy] as readonly Record<string, unknown>[];
  return [...new Set([...Object.keys(left!), ...Object.keys(right!)])].flatMap((name) =>
    differencesOf(left![name], right![name], place === '' ? name : `${place}.${name}`),
  );
}
