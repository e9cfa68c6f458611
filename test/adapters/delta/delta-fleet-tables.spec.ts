import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { DeltaFleetTables } from '#adapters/delta/delta-fleet-tables.ts';
import { layOut } from '#adapters/parquet/column-layout.ts';
import { TerminalFailure } from '#domain/failures.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { FleetTablePlace, MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { BlobReference } from '#domain/vocabulary.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { fleetTablesContract } from '#test/contract/fleet-tables.contract.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';

const clock = { now: () => new Date('2026-11-22T12:00:00Z'), wait: async () => undefined };

function committer(blobs: BlobStore): DeltaFleetTables {
  const storedColumns = (columns: Parameters<typeof layOut>[0]['columns']) =>
    layOut({ columns, metadata: {} });
  return new DeltaFleetTables({ blobs, clock, storedColumns }, 'tables');
}

async function fileIn(blobs: BlobStore, account: string): Promise<BlobReference> {
  const content = new TextEncoder().encode(`rows of ${randomUUID()}`);
  const location = { account, container: 'structured', path: `${randomUUID()}.parquet` };
  await blobs.write(location, content, { contentType: 'application/octet-stream' });
  return {
    ...location,
    sizeBytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}

function underTest(blobs: BlobStore, account: string) {
  return {
    tables: committer(blobs),
    account,
    file: () => fileIn(blobs, account),
    successor: () => committer(blobs),
  };
}

describe('tables of fleets in Delta', () => {
  fleetTablesContract('Delta, in memory', async () =>
    underTest(new MemoryBlobStore(() => clock.now()), 'scenes01'),
  );

  describe('on the local stack', () => {
    const key = Buffer.from('k'.repeat(64)).toString('base64');
    const dataFolder = mkdtempSync(join(tmpdir(), 'landfall-delta-'));
    let storage: RunningStorage;
    before(async () => {
      storage = await startStorage({ accounts: [{ name: 'scenes01', key, hierarchical: true }], dataFolder });
    });
    after(async () => {
      await storage.close();
      rmSync(dataFolder, { recursive: true, force: true });
    });
    fleetTablesContract('Delta, in storage', async () => {
      const endpoint = `${storage.endpoint}/scenes01`;
      const access = { auth: 'emulator-key', key } as const;
      return underTest(
        new AzureBlobStore(new StorageAccounts({ scenes01: { endpoint, access } })),
        'scenes01',
      );
    });
  });
});

describe('the log of a Delta table', () => {
  const account = 'scenes01';
  const place: FleetTablePlace = { account, fleet: 'north', kind: 'scenes' };
  const columns = [{ name: 'start_time', type: 'timestamp' }] as const;
  let blobs: MemoryBlobStore;
  beforeEach(() => {
    blobs = new MemoryBlobStore(() => clock.now());
  });
  async function rowsOf(generation = 1, measurementId: string = randomUUID()): Promise<MeasurementRows> {
    const file = await fileIn(blobs, account);
    const table = { columns, file, rowCount: 3 };
    return { measurementId, generation, vin: 'V1', date: '2026-11-22', table };
  }
  const inLog = async () => {
    const names: string[] = [];
    for await (const { location } of blobs.list({
      account,
      container: 'tables',
      path: 'north/scenes/_delta_log/',
    }))
      names.push(location.path.slice('north/scenes/_delta_log/'.length));
    return names;
  };

  it('has one commit for what arrives while another commit is under way', async () => {
    const tables = committer(blobs);
    await tables.replace(place, await rowsOf());
    const rows = await Promise.all(Array.from({ length: 50 }, () => rowsOf()));
    await Promise.all(rows.map((each) => tables.replace(place, each)));
    const commits = await inLog();
    assert.ok(commits.length < 10, `${commits.length} commits for 51 measurements`);
    assert.equal((await tables.files(place)).length, 51);
  });

  it('has a checkpoint, from which a new process goes on with what was removed, committed and known', async () => {
    const tables = committer(blobs);
    const [replaced, last] = [await rowsOf(), await rowsOf()];
    await tables.replace(place, replaced);
    await tables.replace(place, await rowsOf(2, replaced.measurementId));
    for (let count = 0; count < 99; count++) await tables.replace(place, await rowsOf());
    await tables.replace(place, last);
    const names = await inLog();
    assert.ok(names.includes('00000000000000000100.checkpoint.parquet'), names.join(' '));
    // What lies before the checkpoint is not needed any more.
    for (const name of names.filter((each) => /^0+\d{1,2}\.json$/.test(each)))
      await blobs.remove({ account, container: 'tables', path: `north/scenes/_delta_log/${name}` });
    const successor = committer(blobs);
    assert.deepEqual(new Set(await successor.files(place)), new Set(await tables.files(place)));
    assert.equal(await successor.replace(place, replaced), 'superseded');
    assert.equal(await successor.replace(place, last), 'known');
    assert.equal(await successor.replace(place, await rowsOf()), 'replaced');
    assert.equal((await successor.files(place)).length, 102);
  });

  it('a table that another program has given newer features is left alone, and the reason is said', async () => {
    const tables = committer(blobs);
    await tables.replace(place, await rowsOf());
    const upgrade = `${JSON.stringify({ protocol: { minReaderVersion: 3, minWriterVersion: 7 } })}\n`;
    const path = 'north/scenes/_delta_log/00000000000000000001.json';
    await blobs.write({ account, container: 'tables', path }, new TextEncoder().encode(upgrade), {
      contentType: 'application/json',
    });
    await assert.rejects(
      tables.replace(place, await rowsOf()),
      (error) => error instanceof TerminalFailure && /reader version 3/.test(error.message),
    );
  });

  it('a column that has become of another type is refused by name', async () => {
    const tables = committer(blobs);
    await tables.replace(place, await rowsOf());
    const rows = await rowsOf();
    const changed = [{ name: 'start_time', type: 'string' }] as const;
    await assert.rejects(
      tables.replace(place, { ...rows, table: { ...rows.table!, columns: changed } }),
      (error) => error instanceof TerminalFailure && /column start_time of table scenes/.test(error.message),
    );
  });

  it('a file of several blocks arrives byte for byte', async () => {
    const content = randomBytes(17 * 1024 ** 2 + 5);
    const location = { account, container: 'structured', path: 'large.parquet' };
    await blobs.write(location, content, { contentType: 'application/octet-stream' });
    const sha256 = createHash('sha256').update(content).digest('hex');
    const rows = await rowsOf();
    const file = { ...location, sizeBytes: content.length, sha256 };
    const tables = committer(blobs);
    await tables.replace(place, { ...rows, table: { columns, file, rowCount: 3 } });
    const [copy] = await tables.files(place);
    await blobs.readPinned({ ...copy!.location, sha256, sizeBytes: content.length });
  });

  it('a file that is gone is said to be gone, and nothing is committed', async () => {
    const tables = committer(blobs);
    const rows = await rowsOf();
    await blobs.remove(rows.table!.file);
    await assert.rejects(
      tables.replace(place, rows),
      (error) => error instanceof TerminalFailure && error.code === 'not-found',
    );
    assert.deepEqual(await inLog(), []);
  });
});
