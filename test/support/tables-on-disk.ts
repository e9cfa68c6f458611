import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DeltaFleetTables } from '#adapters/delta/delta-fleet-tables.ts';
import { layOut } from '#adapters/parquet/column-layout.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import type { FleetTablePlace, MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';

/** Tables of fleets by our writer and our committer, put into folders for programs of others to open. */
export class TablesOnDisk {
  readonly #clock = { now: () => new Date('2026-11-22T12:00:00Z'), wait: async () => undefined };
  readonly blobs = new MemoryBlobStore(this.#clock.now);
  readonly tables = new DeltaFleetTables(
    {
      blobs: this.blobs,
      clock: this.#clock,
      storedColumns: (columns) => layOut({ columns, metadata: {} }),
    },
    'tables',
  );
  readonly #writer = new ParquetTableWriter();
  readonly #folder = mkdtempSync(join(tmpdir(), 'landfall-tables-'));

  /** @returns what was committed, to be committed again. */
  async add(
    place: FleetTablePlace,
    measurement: Omit<MeasurementRows, 'table'>,
    table: { readonly columns: readonly TableColumn[]; readonly rows: TableRows | readonly TableRows[] },
    times: { readonly startTime?: string; readonly endTime?: string } = {},
  ): Promise<MeasurementRows> {
    const { columns, rows } = table;
    const path = join(this.#folder, `${randomUUID()}.parquet`);
    const open = await this.#writer.open(path, { columns, metadata: {} });
    for (const batch of [rows].flat()) await open.append(batch);
    const { rowCount } = await open.close();
    const content = readFileSync(path);
    const location = { account: place.account, container: 'structured', path: `${randomUUID()}.parquet` };
    await this.blobs.write(location, content, { contentType: 'application/vnd.apache.parquet' });
    const sha256 = createHash('sha256').update(content).digest('hex');
    const file = { ...location, sizeBytes: content.length, sha256 };
    const committed = { ...measurement, table: { columns, file, rowCount, ...times } };
    await this.tables.replace(place, committed);
    return committed;
  }

  /** The folder of the first table of this place, with everything in it. */
  async folderOf(place: FleetTablePlace): Promise<string> {
    const root = mkdtempSync(join(this.#folder, 'tables-'));
    const fleet = { account: place.account, container: 'tables', path: `${place.fleet}/` };
    for await (const { location } of this.blobs.list(fleet)) {
      const path = join(root, location.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, await this.blobs.read(location));
    }
    const [file] = await this.tables.files(place);
    return join(root, place.fleet, file?.table ?? '');
  }

  async dispose(): Promise<void> {
    await this.#writer.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
