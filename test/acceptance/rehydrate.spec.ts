import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { readSettings } from '#composition/settings.ts';
import { blobStoreOf } from '#composition/storage.ts';
import { landingFolderOf } from '#domain/manifest.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import type { FailedMessage } from '#domain/ports/failed-message-store.ts';
import type { ReplayAnswer } from '#handlers/operations/replay-dead-letters.ts';
import { smallBag, timesNs } from '#test/support/small-bag.ts';
import { type RunningStack, startRunningStack } from './running-stack.ts';

const TIMES_NS = timesNs(1_772_600_000_000_000_000n, 100, 10);

/** What comes back: measurements from the error zone and from the archive, messages from the dead. */
describe('back to Landing', function () {
  this.timeout(300_000);
  let stack: RunningStack;
  let folders: string;
  let exported: Readonly<Record<string, string>>;

  before(async () => {
    folders = await mkdtemp(join(tmpdir(), 'landfall-rehydrate-'));
    stack = await startRunningStack({ LANDFALL_LANDING_WAIT_SECONDS: '20' });
    const { out } = await stack.landfall('env');
    exported = Object.fromEntries(
      [...out.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name!, value!]),
    );
  });

  after(async () => {
    await stack?.stop();
    await rm(folders, { recursive: true, force: true });
  });

  it('a measurement that was rejected runs again with the corrected file, and the others from the error zone', async () => {
    const { measurementId, bag } = await rejected('corrected');

    // Only the corrected file is uploaded; b.bag and the manifest lie in the error zone.
    await uploadAlone('corrected', bag);
    const again = await stack.landfall('rehydrate', measurementId, '--reason', 'a.bag was cut off');
    assert.equal(again.code, 0, again.err);
    await isShared(measurementId);
  });

  it('a measurement that was rejected runs again once its corrected file is uploaded, and nobody has to ask', async () => {
    const { measurementId, bag } = await rejected('alone');
    await uploadAlone('alone', bag);
    await isShared(measurementId);
  });

  it('a shared measurement comes back from the archive as a new generation; the old results stay', async () => {
    const folder = await recordingFolder('kept', ['a.bag']);
    const words = ['upload', folder, '--wait'];
    const { measurementId, state } = await stack.json<{ measurementId: string; state: string }>(...words);
    assert.equal(state, 'Shared');
    const before = await until(measurementId, () => true);
    const archived = await namesIn('archive', measurementId);
    const asked = await stack.landfall(
      'rehydrate',
      measurementId,
      '--from',
      'archive',
      '--reason',
      'new extraction',
    );
    assert.equal(asked.code, 0, asked.err);
    const after = await until(
      measurementId,
      (status) => status.generation === before.generation + 1 && status.state === 'Shared',
    );
    const statesOf = (generation: number) =>
      after.dataStreams.filter((stream) => stream.generation === generation).map(({ state: of }) => of);
    assert.ok(statesOf(before.generation).every((of) => of === 'Superseded'));
    assert.deepEqual(
      statesOf(after.generation).filter((of) => of !== 'Completed'),
      [],
    );
    assert.equal(statesOf(after.generation).length, statesOf(before.generation).length);
    assert.ok(
      (await namesIn('archive', measurementId)).length >= archived.length,
      'the archive keeps its own',
    );
  });

  it('a message that nobody can read is found among the dead letters; its replay is tried, and audited', async () => {
    const client = new ServiceBusClient(exported['LANDFALL_SERVICE_BUS_CONNECTION_STRING']!);
    const poison = { specversion: '1.0', id: 'poison', type: 'landfall.measurement.paint.v9' };
    await client.createSender('sync').sendMessages({ body: poison, messageId: 'poison' });
    await client.close();
    const dead = await eventually('its arrival among the dead', async () => {
      const letters = await stack.json<FailedMessage[]>('dead-letters', 'list');
      return letters.find((letter) => letter.messageType === 'landfall.measurement.paint.v9');
    });
    assert.equal(dead.queue, 'sync');
    assert.match(dead.reason, /message-invalid/);
    const shown = await stack.json<FailedMessage>('dead-letters', 'show', dead.failedMessageId);
    assert.deepEqual(shown.body, poison);

    const dry = await stack.json<ReplayAnswer>('dead-letters', 'replay', '--all', '--dry-run');
    assert.equal(dry.found, 1);
    assert.equal(dry.replayed, 0);
    assert.equal((await stack.json<FailedMessage[]>('dead-letters', 'list'))[0]?.state, 'failed');

    const words = [
      'dead-letters',
      'replay',
      '--all',
      '--why',
      'the reader was corrected',
      '--operation',
      'op-1',
    ];
    const replay = await stack.json<ReplayAnswer>(...words);
    assert.deepEqual(replay, { operationId: 'op-1', dryRun: false, found: 1, replayed: 1, skipped: 0 });
    const letters = await eventually('its second death', async () => {
      const found = await stack.json<FailedMessage[]>('dead-letters', 'list');
      return found.length === 2 ? found : undefined;
    });
    assert.deepEqual(letters.map((letter) => `${letter.state} ${letter.replayCount}`).toSorted(), [
      'failed 1',
      'replayed 1',
    ]);
    assert.deepEqual(
      letters.map((letter) => letter.queue),
      ['sync', 'sync'],
      'it went to its own consumer only',
    );
  });

  /** A measurement of two files whose first was damaged on the way, when all of it lies in the error zone. */
  async function rejected(
    name: string,
  ): Promise<{ readonly measurementId: string; readonly bag: Uint8Array<ArrayBuffer> }> {
    const folder = await recordingFolder(name, ['a.bag', 'b.bag']);
    const bag = await readFile(join(folder, 'a.bag'));
    const damaged = Uint8Array.from(bag);
    damaged[damaged.length - 20] = damaged.at(-20)! ^ 0xff;
    await writeFile(join(folder, 'a.bag'), damaged);
    const upload = await stack.landfall('upload', folder, '--wait', '--json');
    assert.equal(upload.code, 3, upload.err);
    const { measurementId, state } = JSON.parse(upload.out) as { measurementId: string; state: string };
    assert.equal(state, 'Rejected');
    await eventually('the move to the error zone', async () =>
      (await namesIn('errorzone', measurementId)).includes('reason.json'),
    );
    await eventually('an empty Landing', async () => (await namesIn('landing', `${name}/`)).length === 0);
    return { measurementId, bag: Uint8Array.from(bag) };
  }

  async function uploadAlone(name: string, content: Uint8Array): Promise<void> {
    const path = `${landingFolderOf('default', name)}/a.bag`;
    const landing = { account: 'landing', container: 'recordings', path };
    const contentType = 'application/octet-stream';
    await blobStoreOf(readSettings(exported)).write(landing, content, { contentType });
  }

  async function isShared(measurementId: string): Promise<void> {
    const seen = await until(measurementId, (status) => status.state === 'Shared');
    assert.equal(seen.reason, undefined);
    const raw = seen.dataStreams.find((stream) => stream.kind === 'raw' && stream.state === 'Completed');
    const names = raw?.files.map((file) => file.path.split('/').at(-1)).toSorted();
    assert.deepEqual(names, ['a.bag', 'b.bag', 'manifest.json']);
  }

  async function recordingFolder(name: string, files: readonly string[]): Promise<string> {
    const folder = join(folders, name);
    await mkdir(folder, { recursive: true });
    for (const file of files) await writeFile(join(folder, file), await smallBag({ timesNs: TIMES_NS }));
    const { code, err } = await stack.landfall('manifest', folder);
    assert.equal(code, 0, err);
    return folder;
  }

  async function namesIn(account: string, part: string): Promise<string[]> {
    const names: string[] = [];
    const container = { account, container: 'recordings', path: '' };
    for await (const { location } of blobStoreOf(readSettings(exported)).list(container))
      if (location.path.includes(part)) names.push(location.path.split('/').at(-1)!);
    return names;
  }

  function until(
    measurementId: string,
    isReached: (status: MeasurementStatus) => boolean,
  ): Promise<MeasurementStatus> {
    let last: MeasurementStatus | undefined;
    const what = () =>
      `the awaited state of ${measurementId} (${last?.state}, ${JSON.stringify(last?.reason)})`;
    return eventually(what, async () => {
      last = await stack.json<MeasurementStatus>('status', measurementId);
      return isReached(last) ? last : undefined;
    });
  }

  async function eventually<T>(
    what: string | (() => string),
    look: () => Promise<T | undefined | false>,
  ): Promise<T> {
    const deadline = Date.now() + 120_000;
    for (;;) {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      if (Date.now() > deadline)
        throw new Error(`${typeof what === 'string' ? what : what()} did not happen within two minutes`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
});
