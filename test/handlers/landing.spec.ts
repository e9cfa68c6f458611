import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BlobEvent } from '#domain/blob-event.ts';
import { measurementIdOf } from '#domain/identity.ts';
import { LandedVersions } from '#domain/landed-versions.ts';
import type { DataOf, MessageType } from '#domain/messages.ts';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import { Landing } from '#handlers/landing.ts';
import { sweepLanding } from '#handlers/operations/sweep-landing.ts';
import { MemoryBlobStore, sha256Of } from '#test/simulation/fakes/memory-blob-store.ts';
import { MemoryLandingStore } from '#test/simulation/fakes/memory-landing-store.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

const NOON = Date.parse('2026-05-04T12:00:00Z');
const HOUR_MS = 3_600_000;
const FOLDER = 'landing1/drive-1';

/** A Landing account with one folder, `drive-1`, and everything that was said about it. */
class Scene {
  readonly blobs = new MemoryBlobStore(() => new Date(this.nowMs));
  readonly store = new MemoryLandingStore();
  readonly telemetry = new QuietTelemetry();
  readonly said: OutgoingMessage[] = [];
  readonly clock = { now: () => new Date(this.nowMs), wait: async () => {} };
  readonly landing: Landing;
  nowMs = NOON;

  constructor() {
    const sender = { send: async (messages: readonly OutgoingMessage[]) => void this.said.push(...messages) };
    const { store, blobs, clock, telemetry } = this;
    this.landing = new Landing(
      { store, blobs, sender, clock, telemetry, sha256: sha256Of },
      {
        region: 'westeurope',
        waitMs: HOUR_MS,
        defaultFleet: 'default',
        papers: { account: 'operations', container: 'tasks' },
      },
    );
  }

  at(path: string) {
    return { account: 'landing1', container: 'recordings', path: `drive-1/${path}` };
  }

  async upload(path: string, content: string): Promise<BlobEvent> {
    await this.blobs.write(this.at(path), new TextEncoder().encode(content), { contentType: 'x/y' });
    return this.created(path);
  }

  created(path: string, api = 'PutBlob'): BlobEvent {
    return { type: 'created', api, location: this.at(path), isDirectory: false };
  }

  async arrive(path: string, content: string): Promise<void> {
    await this.landing.handle(await this.upload(path, content));
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, location] = [this.at(from), this.at(to)];
    this.blobs.rename(source, location);
    await this.landing.handle({ type: 'renamed', api: 'RenameFile', location, source, isDirectory: false });
  }

  async sweepAfter(ms: number): Promise<void> {
    this.nowMs += ms;
    await sweepLanding(this, this.landing);
  }

  /** `received`, `incomplete`, `cancel`: the middle of each type. */
  types(): readonly string[] {
    return this.said.map((message) => message.envelope.type.split('.')[2] ?? '');
  }

  lastDataOf<T extends MessageType>(type: T): DataOf<T> {
    const found = this.said.findLast((message) => message.envelope.type === type);
    assert.ok(found, `nobody said ${type}`);
    return found.envelope.data as DataOf<T>;
  }
}

function manifestOf(files: Readonly<Record<string, number>>): string {
  return JSON.stringify({
    schemaVersion: 1,
    fleet: 'north',
    recordingId: 'drive-1',
    vehicle: { vin: 'V1' },
    files: Object.entries(files).map(([path, sizeBytes]) => ({ path, sizeBytes, md5: '0'.repeat(32) })),
  });
}

const TWO_FILES = manifestOf({ 'a.mcap': 3, 'deep/b.mf4': 5 });
const CONTENT: Readonly<Record<string, string>> = {
  'manifest.json': TWO_FILES,
  'a.mcap': 'aaa',
  'deep/b.mf4': 'bbbbb',
};

async function announcedScene(): Promise<Scene> {
  const scene = new Scene();
  for (const [path, content] of Object.entries(CONTENT)) await scene.arrive(path, content);
  assert.deepEqual(scene.types(), ['received']);
  return scene;
}

describe('landing: a folder with its manifest and all its files', () => {
  it('is announced once, when the last file is there', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', TWO_FILES);
    await scene.arrive('a.mcap', 'aaa');
    assert.deepEqual(scene.said, []);
    await scene.arrive('deep/b.mf4', 'bbbbb');
    assert.deepEqual(scene.types(), ['received']);
    const { recording, measurementId, landed } = scene.lastDataOf('landfall.measurement.received.v1');
    assert.ok(landed, 'the versions are noted');
    const noted = LandedVersions.parse(
      JSON.parse(new TextDecoder().decode(await scene.blobs.readPinned(landed))),
    );
    for (const { path, eTag } of noted.files)
      assert.equal((await scene.blobs.head(scene.at(path)))?.eTag, eTag);
    assert.equal(noted.files.length, recording.fileCount + 1);
    assert.equal(measurementId, measurementIdOf('north', 'drive-1'));
    assert.equal(recording.sizeBytes, 8);
    assert.equal(recording.manifest.sha256, sha256Of(new TextEncoder().encode(TWO_FILES)));
  });

  it('is the same whatever the order, the repetitions and the renames in which it comes', async () => {
    const paths = Object.keys(CONTENT);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(paths, { minLength: 3 }),
        fc.array(fc.constantFrom(...paths), { maxLength: 6 }),
        fc.constantFrom(...paths),
        fc.boolean(),
        async (order, repeated, renamed, hasWrongBytesFirst) => {
          const scene = new Scene();
          for (const path of order) {
            if (hasWrongBytesFirst) await scene.arrive(path, '');
            if (path === renamed) {
              await scene.arrive('upload.tmp', CONTENT[path] ?? '');
              await scene.rename('upload.tmp', path);
            } else {
              await scene.arrive(path, CONTENT[path] ?? '');
            }
          }
          for (const path of repeated) await scene.landing.handle(scene.created(path, 'FlushWithClose'));
          assert.deepEqual(scene.types(), ['received']);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is announced once when all its events come at the same time', async () => {
    const scene = new Scene();
    const events: BlobEvent[] = [];
    for (const [path, content] of Object.entries(CONTENT)) events.push(await scene.upload(path, content));
    await Promise.all([...events, ...events].map((event) => scene.landing.handle(event)));
    assert.equal(new Set(scene.said.map((message) => message.messageId)).size, 1);
    assert.equal((await scene.store.folder(FOLDER))?.announced?.as, 'received');
  });

  it('is announced when the file it begins to wait for has just been recorded', async () => {
    const scene = new Scene();
    await scene.upload('a.mcap', 'aaa');
    const replaceFolder = scene.store.replaceFolder.bind(scene.store);
    scene.store.replaceFolder = async (folder) => {
      if (folder.waitingFor === 'a.mcap') {
        scene.store.replaceFolder = replaceFolder;
        await scene.landing.handle(scene.created('a.mcap'));
      }
      return replaceFolder(folder);
    };
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3 }));
    assert.deepEqual(scene.types(), ['received']);
  });

  it('is seen as it is by a worker whose look was overtaken, although its clock is ahead', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3 }));
    await scene.upload('a.mcap', 'a');
    const head = scene.blobs.head.bind(scene.blobs);
    scene.blobs.head = async (location) => {
      const seen = await head(location);
      scene.blobs.head = head;
      scene.nowMs -= 5000;
      await scene.arrive('a.mcap', 'aaa');
      scene.nowMs += 5000;
      return seen;
    };
    await scene.landing.handle(scene.created('a.mcap'));
    assert.equal((await scene.store.file(FOLDER, 'a.mcap'))?.sizeBytes, 3);
    assert.deepEqual(new Set(scene.types()), new Set(['received']));
  });

  it('is found by a rename of the whole directory into place', async () => {
    const scene = new Scene();
    for (const [path, content] of Object.entries(CONTENT)) await scene.upload(path, content);
    const location = { ...scene.at(''), path: 'drive-1' };
    const source = { ...location, path: 'incoming-1' };
    await scene.landing.handle({
      type: 'renamed',
      api: 'RenameDirectory',
      location,
      source,
      isDirectory: true,
    });
    assert.deepEqual(scene.types(), ['received']);
  });

  it('is found by the sweep when every event was lost but one', async () => {
    const scene = new Scene();
    await scene.upload('manifest.json', TWO_FILES);
    await scene.upload('a.mcap', 'aaa');
    await scene.arrive('deep/b.mf4', 'bbbbb');
    assert.deepEqual(scene.types(), []);
    await scene.sweepAfter(HOUR_MS + 1);
    assert.deepEqual(scene.types(), ['received']);
  });

  it('of 10,000 files is compared with its manifest a few times, not 10,000 times', async function () {
    this.timeout(30_000);
    const count = 10_000;
    const paths = Array.from({ length: count }, (_, index) => `frames/${index}.bin`);
    const scene = new Scene();
    await scene.arrive('manifest.json', manifestOf(Object.fromEntries(paths.map((path) => [path, 1]))));
    for (const path of paths) await scene.arrive(path, 'x');
    assert.deepEqual(scene.types(), ['received']);
    assert.ok(scene.store.filesRead < 40 * count, `${scene.store.filesRead} files read`);
  });
});

describe('landing: other content in a folder that was announced', () => {
  it('is announced again, with another hash', async () => {
    const scene = await announcedScene();
    const first = scene.lastDataOf('landfall.measurement.received.v1').filesHash;
    await scene.arrive('a.mcap', 'AAA');
    assert.deepEqual(scene.types(), ['received', 'received']);
    assert.notEqual(scene.lastDataOf('landfall.measurement.received.v1').filesHash, first);
  });

  it('is announced even when the process died between recording and comparing', async () => {
    const scene = await announcedScene();
    const event = await scene.upload('a.mcap', 'AAA');
    const recordFile = scene.store.recordFile.bind(scene.store);
    scene.nowMs += 1000;
    scene.store.recordFile = async (folder, file) => {
      await recordFile(folder, file);
      throw new Error('killed');
    };
    await assert.rejects(scene.landing.handle(event), /killed/);
    scene.store.recordFile = recordFile;
    await scene.landing.handle(event);
    assert.deepEqual(scene.types(), ['received', 'received']);
  });

  it('that is only a repetition of an event costs no comparison', async () => {
    const scene = await announcedScene();
    const before = scene.store.filesRead;
    for (let i = 0; i < 5; i++) await scene.landing.handle(scene.created('a.mcap', 'FlushWithClose'));
    assert.equal(scene.store.filesRead, before);
    assert.equal(scene.said.length, 1);
  });

  it('that leaves, because it was copied, is announced to nobody', async () => {
    const scene = await announcedScene();
    for (const path of Object.keys(CONTENT)) {
      await scene.blobs.remove(scene.at(path));
      const location = scene.at(path);
      await scene.landing.handle({ type: 'deleted', api: 'DeleteBlob', location, isDirectory: false });
    }
    await scene.sweepAfter(3 * HOUR_MS);
    await scene.sweepAfter(3 * HOUR_MS);
    assert.deepEqual(scene.types(), ['received']);
    assert.equal((await scene.store.folder(FOLDER))?.lookAt, undefined);
  });

  it('is not complete with files that have left and whose removal nobody has told yet', async () => {
    const scene = await announcedScene();
    for (const path of Object.keys(CONTENT)) await scene.blobs.remove(scene.at(path));
    scene.nowMs += 1000;
    await scene.arrive('manifest.json', TWO_FILES);
    assert.deepEqual(scene.types(), ['received']);
    await scene.arrive('a.mcap', 'aaa');
    await scene.arrive('deep/b.mf4', 'bbbbb');
    assert.deepEqual(scene.types(), ['received', 'received']);
  });

  it('is announced as it is when a worker records another file between comparison and inventory', async () => {
    const scene = await announcedScene();
    await scene.upload('a.mcap', 'AAA');
    const files = scene.store.files.bind(scene.store);
    let readings = 0;
    scene.store.files = async function* (folder) {
      readings += 1;
      if (readings === 2) await scene.landing.handle(scene.created('a.mcap'));
      yield* files(folder);
    };
    await scene.arrive('deep/b.mf4', 'BBBBB');
    const { landed } = scene.lastDataOf('landfall.measurement.received.v1');
    assert.ok(landed);
    const noted = LandedVersions.parse(JSON.parse(Buffer.from(await scene.blobs.read(landed)).toString()));
    for (const { path, eTag } of noted.files)
      assert.equal(eTag, (await scene.blobs.head(scene.at(path)))?.eTag, path);
  });

  it('that comes back after it left is announced again', async () => {
    const scene = await announcedScene();
    for (const path of Object.keys(CONTENT)) {
      scene.nowMs += 1000;
      await scene.blobs.remove(scene.at(path));
      const location = scene.at(path);
      await scene.landing.handle({ type: 'deleted', api: 'DeleteBlob', location, isDirectory: false });
    }
    for (const [path, content] of Object.entries(CONTENT)) {
      scene.nowMs += 1000;
      await scene.arrive(path, content);
    }
    assert.deepEqual(scene.types(), ['received', 'received']);
  });
});

describe('landing: a folder that waits too long', () => {
  it('is Incomplete, naming what is missing, and goes on when the last file arrives', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', TWO_FILES);
    await scene.arrive('a.mcap', 'a');
    await scene.sweepAfter(HOUR_MS - 1);
    assert.deepEqual(scene.types(), []);
    await scene.sweepAfter(1);
    assert.deepEqual(scene.types(), ['incomplete']);
    const { missing, missingCount } = scene.lastDataOf('landfall.measurement.incomplete.v1');
    assert.deepEqual(missing, ['a.mcap (1 bytes, not 3)', 'deep/b.mf4']);
    assert.equal(missingCount, 2);
    await scene.sweepAfter(HOUR_MS);
    assert.deepEqual(scene.types(), ['incomplete'], 'the same is said once');
    await scene.arrive('a.mcap', 'aaa');
    await scene.arrive('deep/b.mf4', 'bbbbb');
    assert.deepEqual(scene.types(), ['incomplete', 'received']);
  });

  it('waits from its last arrival, not from its first', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', TWO_FILES);
    scene.nowMs += HOUR_MS - 1000;
    await scene.arrive('a.mcap', 'aaa');
    await scene.sweepAfter(1000);
    assert.deepEqual(scene.types(), []);
    await scene.sweepAfter(HOUR_MS);
    assert.deepEqual(scene.types(), ['incomplete']);
  });

  it('without a manifest has a made-up name, which goes when the true one comes', async () => {
    const scene = new Scene();
    await scene.arrive('a.mcap', 'aaa');
    await scene.sweepAfter(HOUR_MS + 1);
    const { measurementId, reason } = scene.lastDataOf('landfall.measurement.incomplete.v1');
    assert.equal(measurementId, measurementIdOf('default', 'drive-1'));
    assert.match(reason.message, /landfall manifest/);
    await scene.arrive('deep/b.mf4', 'bbbbb');
    await scene.arrive('manifest.json', TWO_FILES);
    assert.deepEqual(scene.types(), ['incomplete', 'received', 'cancel']);
    assert.equal(scene.lastDataOf('landfall.measurement.cancel.v1').measurementId, measurementId);
  });
});

describe('landing: a manifest that breaks a rule', () => {
  it('is named at once, with the rule, and healed by a corrected one', async () => {
    const scene = new Scene();
    await scene.arrive('a.mcap', 'aaa');
    await scene.arrive('manifest.json', manifestOf({ '../a.mcap': 3 }));
    const { reason } = scene.lastDataOf('landfall.measurement.incomplete.v1');
    assert.equal(reason.code, 'manifest-invalid');
    assert.match(reason.message, /must not contain '\.\.'/);
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3 }));
    assert.deepEqual(scene.types().slice(0, 2), ['incomplete', 'received']);
  });

  it('is not announced while it is still empty', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', '');
    assert.deepEqual(scene.said, []);
  });
});

describe('landing: hints that are not what they seem', () => {
  it('an empty file that was only just created is not recorded, one that shall be empty is', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3, empty: 0 }));
    await scene.upload('a.mcap', '');
    await scene.landing.handle(scene.created('a.mcap', 'CreateFile'));
    assert.equal(await scene.store.file(FOLDER, 'a.mcap'), undefined);
    await scene.upload('empty', '');
    await scene.landing.handle(scene.created('empty', 'CreateFile'));
    assert.equal((await scene.store.file(FOLDER, 'empty'))?.sizeBytes, 0);
    await scene.arrive('a.mcap', 'aaa');
    assert.deepEqual(scene.types(), ['received']);
  });

  it('a copy that has not ended is looked at again soon', async () => {
    const scene = new Scene();
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3 }));
    const event = await scene.upload('a.mcap', 'aaa');
    scene.blobs.setCopyPending(scene.at('a.mcap'), true);
    await scene.landing.handle({ ...event, api: 'CopyBlob' });
    await scene.sweepAfter(61_000);
    assert.deepEqual(scene.types(), []);
    scene.blobs.setCopyPending(scene.at('a.mcap'), false);
    await scene.sweepAfter(61_000);
    assert.deepEqual(scene.types(), ['received']);
  });

  it('an api nobody knows is counted, and looked at all the same', async () => {
    const scene = new Scene();
    await scene.upload('manifest.json', manifestOf({ 'a.mcap': 3 }));
    await scene.upload('a.mcap', 'aaa');
    for (const path of ['manifest.json', 'a.mcap'])
      await scene.landing.handle(scene.created(path, 'PutBlobNew'));
    assert.deepEqual(scene.types(), ['received']);
    assert.equal(scene.telemetry.count('unknown blob api'), 2);
  });

  it('an event for a blob that is gone, in a folder nobody knows, leaves nothing', async () => {
    const scene = new Scene();
    await scene.landing.handle(scene.created('ghost.mcap'));
    assert.equal(await scene.store.folder(FOLDER), undefined);
  });

  it('a file renamed away and back counts, although its time of writing is old', async () => {
    const scene = new Scene();
    await scene.arrive('a.mcap', 'aaa');
    scene.nowMs += 5000;
    await scene.rename('a.mcap', 'away');
    scene.nowMs += 5000;
    await scene.rename('away', 'a.mcap');
    await scene.arrive('manifest.json', manifestOf({ 'a.mcap': 3 }));
    assert.deepEqual(scene.types(), ['received']);
  });
});
