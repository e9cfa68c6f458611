import { z } from 'zod';
import { fleetTableName } from '#domain/fleet-tables.ts';
import type { FleetTablePlace, FleetTables, MeasurementRows, TableFile } from '#domain/ports/fleet-tables.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import { DeltaTable, type DeltaTablePorts, measurementOf } from './delta-table.ts';

const Stats = z.object({ numRecords: z.int().nonnegative() });

/**
 * The tables of fleets as Delta tables: `<fleet>/<table>/` in the container `tables` of an account. Which tables a
 * fleet has is said by `<fleet>/_catalog/<table>.json`, with their columns and units.
 */
export class DeltaFleetTables implements FleetTables {
  readonly #ports: DeltaTablePorts;
  readonly #container: string;
  readonly #tables = new Map<string, DeltaTable>();

  constructor(ports: DeltaTablePorts, container: string) {
    this.#ports = ports;
    this.#container = container;
  }

  async exist(place: FleetTablePlace): Promise<boolean> {
    return (await this.#tablesOf(place)).length > 0;
  }

  async replace(place: FleetTablePlace, rows: MeasurementRows): Promise<'replaced' | 'known' | 'superseded'> {
    const { measurementId, generation } = rows;
    const tables = await this.#tablesOf(place);
    const own = rows.table === undefined ? undefined : fleetTableName(place.kind, rows.table.columns);
    const others = tables.filter(({ facts }) => facts.name !== own);
    const target = own === undefined ? undefined : this.#table(place, own);
    const all = target === undefined ? others : [target, ...others];
    const generations = await Promise.all(all.map((table) => table.generationOf(measurementId)));
    if (generations.some((committed) => committed > generation)) return 'superseded';
    let changed = false;
    if (target !== undefined && generations[0] !== generation) {
      if (!tables.includes(target)) await this.#describe(place, target.facts.name, rows);
      await target.replace(rows);
      changed = true;
    }
    // The measurement's rows had other columns in an older generation: they lie in another table.
    for (const table of others) {
      if ((await table.filesOf(measurementId)).length === 0) continue;
      await table.replace({ ...withoutTable(rows) });
      changed = true;
    }
    return changed ? 'replaced' : 'known';
  }

  async files(place: FleetTablePlace): Promise<readonly TableFile[]> {
    const files: TableFile[] = [];
    for (const { facts, state } of await Promise.all(
      (await this.#tablesOf(place)).map(async (table) => ({
        facts: table.facts,
        state: await table.state(),
      })),
    )) {
      for (const file of state.files.values())
        files.push({
          table: facts.name,
          location: { ...facts.folder, path: `${facts.folder.path}${decodeURI(file.path)}` },
          ...measurementOf(file),
          rowCount: Stats.parse(JSON.parse(file.stats ?? '{}')).numRecords,
        });
    }
    return files;
  }

  /** All tables of a kind, by name. */
  async #tablesOf(place: FleetTablePlace): Promise<readonly DeltaTable[]> {
    const catalog = this.#at(place.account, `${place.fleet}/_catalog/${place.kind}`);
    const tables: DeltaTable[] = [];
    for await (const { location } of this.#ports.blobs.list(catalog)) {
      const name = location.path.slice(location.path.lastIndexOf('/') + 1).replace(/\.json$/, '');
      tables.push(this.#table(place, name));
    }
    return tables;
  }

  #table(place: FleetTablePlace, name: string): DeltaTable {
    const { account, fleet, kind } = place;
    const folder = this.#at(account, `${fleet}/${name}/`);
    const key = `${account}/${folder.path}`;
    const table = this.#tables.get(key) ?? new DeltaTable({ name, fleet, kind, folder }, this.#ports);
    this.#tables.set(key, table);
    return table;
  }

  /** Says in the catalogue that there is such a table; before the table itself, so that it is never overlooked. */
  async #describe({ account, fleet, kind }: FleetTablePlace, name: string, rows: MeasurementRows) {
    const columns = rows.table?.columns ?? [];
    const content = new TextEncoder().encode(
      JSON.stringify({ schemaVersion: 1, fleet, kind, name, columns }),
    );
    await this.#ports.blobs.write(this.#at(account, `${fleet}/_catalog/${name}.json`), content, {
      contentType: 'application/json',
      onlyIfAbsent: true,
    });
  }

  #at(account: string, path: string): BlobLocation {
    return { account, container: this.#container, path };
  }
}

function withoutTable({ table: _, ...rows }: MeasurementRows): MeasurementRows {
  return rows;
}
