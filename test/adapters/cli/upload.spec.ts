import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { makeManifest } from '#adapters/cli/local-folder.ts';
import { uploadFolder } from '#adapters/cli/upload.ts';
import { measurementIdOf } from '#domain/identity.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';
import { RecordedTerminal } from '#test/support/fake-api.ts';

describe('landfall upload', () => {
  let root: string;
  let folder: string;
  let blobs: MemoryBlobStore;
  let terminal: RecordedTerminal;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'upload-'));
    folder = join(root, 'drive 7');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'b.bag'), 'bytes of b');
    writeFileSync(join(folder, 'sub', 'a.bag'), 'a');
    writeFileSync(join(folder, '.DS_Store'), 'not a recording');
    blobs = new MemoryBlobStore(() => new Date(0));
    terminal = new RecordedTerminal();
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const upload = (fleet = 'default') =>
    uploadFolder(folder, { fleet, vin: 'WLF1' }, { blobs, landingAccountOf: () => 'landing' }, terminal);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const pathsIn = async (location: BlobLocation) => {
    const paths: string[] = [];
    for await (const blob of blobs.list(location)) paths.push(blob.location.path);
    return paths;
  };

  it('makes a manifest of what is there, hidden files left out, and names the recording as the folder', async () => {
    const manifest = await makeManifest(folder, { fleet: 'test' }, terminal);
    assert.deepEqual(manifest, {
      schemaVersion: 1,
      fleet: 'test',
      recordingId: 'drive 7',
      vehicle: { vin: 'UNKNOWN' },
      files: [
        { path: 'b.bag', sizeBytes: 10, sha256: sha256('bytes of b') },
        { path: 'sub/a.bag', sizeBytes: 1, sha256: sha256('a') },
      ],
    });
  });

  it('puts the files into one folder of Landing, and the manifest last', async () => {
    const order: string[] = [];
    const write = blobs.write.bind(blobs);
    blobs.write = async (location, ...rest) => {
      order.push(...(await pathsIn({ ...location, path: '' })));
      return write(location, ...rest);
    };
    const uploaded = await upload();
    assert.deepEqual(uploaded, {
      measurementId: measurementIdOf('default', 'drive 7'),
      folder: { account: 'landing', container: 'recordings', path: 'drive_7/' },
      fileCount: 2,
      sizeBytes: 11,
    });
    assert.deepEqual(order, ['drive_7/b.bag', 'drive_7/sub/a.bag']);
    assert.deepEqual(await pathsIn(uploaded.folder), [
      ...order.slice(0, 1),
      'drive_7/manifest.json',
      order[1],
    ]);
  });

  it('keeps two fleets apart that use one name', async () => {
    assert.notEqual((await upload('red')).folder.path, (await upload('blue')).folder.path);
  });

  it('leaves a manifest that is there as it is, and tells which of its files are missing', async () => {
    const own = await makeManifest(folder, { fleet: 'test' }, terminal);
    const listed = {
      ...own,
      files: [...own.files, { path: 'late.bag', sizeBytes: 5, sha256: sha256('later') }],
    };
    const text = JSON.stringify(listed);
    writeFileSync(join(folder, 'manifest.json'), text);
    const { folder: landing, fileCount } = await upload();
    assert.equal(fileCount, 2);
    const kept = await blobs.read({ ...landing, path: `${landing.path}manifest.json` });
    assert.equal(new TextDecoder().decode(kept), text);
    assert.match(terminal.notes[0]!, /misses 1 of the 3 files .*: late\.bag\. The measurement waits/);
  });

  it('refuses a manifest that breaks a rule, before anything is sent', async () => {
    writeFileSync(join(folder, 'manifest.json'), '{"schemaVersion":1}');
    await assert.rejects(upload(), /Correct it, or remove it and let `landfall manifest` write one/);
    assert.deepEqual(await pathsIn({ account: 'landing', container: 'recordings', path: '' }), []);
  });

  it('says so when there is no such folder, or nothing in it', async () => {
    mkdirSync(join(root, 'empty'));
    for (const [name, message] of [
      ['nowhere', /nowhere is not a folder/],
      ['drive 7/b.bag', /b\.bag is not a folder/],
      ['empty', /empty holds no files/],
    ] as const) {
      await assert.rejects(
        makeManifest(join(root, name), { fleet: 'test' }, terminal),
        (error: unknown) =>
          error instanceof CommandError && error.exitCode === EXIT.usage && message.test(error.message),
      );
    }
  });
});
