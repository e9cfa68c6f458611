import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { textValues } from '#domain/column-values.ts';
import type { FleetTablePlace, MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import { TablesOnDisk } from '#test/support/tables-on-disk.ts';
import { HOW_TO_GET_PYTHON, runPython, tablesPython } from '#test/support/tables-python.ts';

interface SeenTable {
  readonly version: number;
  readonly name: string;
  readonly partitionColumns: readonly string[];
  readonly types: Readonly<Record<string, string>>;
  readonly dtypes: Readonly<Record<string, string>>;
  readonly fileCount: number;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

const COLUMNS: readonly TableColumn[] = [
  { name: 'timestamp', type: 'timestamp', description: 'time of the row' },
  { name: 'vehicle.speed', type: 'float64', unit: 'm/s' },
  { name: 'gear', type: 'int32' },
  { name: 'phase', type: 'string' },
];
/** As recorders without messages name their channels. */
const UNUSUAL = COLUMNS.map((column) =>
  column.name === 'gear' ? { ...column, name: 'Gear {chosen} (1/n), =;' } : column,
);
/** Microseconds and a rest that only the int64 column keeps. */
const STARTS_NS = 1_780_000_000_123_456_789n;

/** delta-rs, a Delta implementation that shares nothing with ours, opens what our committer wrote. */
describe('Delta tables as delta-rs and pandas see them', function () {
  this.timeout(120_000);
  const place: FleetTablePlace = { account: 'enriched01', fleet: 'north', kind: 'enriched' };
  const disk = new TablesOnDisk();
  const { tables, blobs } = disk;
  let python = '';

  before(function () {
    python = tablesPython() ?? '';
    if (python !== '') return;
    console.log(HOW_TO_GET_PYTHON);
    this.skip();
  });
  after(() => disk.dispose());

  /** As many rows as the generation counts tens. */
  async function commit(
    measurementId: string,
    vin: string,
    generation: number,
    columns = COLUMNS,
    to = place,
  ): Promise<MeasurementRows> {
    const rowCount = 10 * generation;
    const index = Array.from({ length: rowCount }, (_, row) => row);
    const rows = {
      rowCount,
      columns: [
        { values: BigInt64Array.from(index, (row) => STARTS_NS + BigInt(row) * 50_000_000n) },
        {
          values: Float64Array.from(index, (row) => row / 2),
          validity: Uint8Array.from(index, (row) => Number(row > 0)),
        },
        { values: Int32Array.from(index, (row) => row - 1) },
        { values: textValues(index.map((row) => `Dämmerung ${row}`)) },
      ],
    };
    const times = { startTime: '2026-05-28T20:26:40.123456789Z', endTime: '2026-05-28T20:26:49.623456789Z' };
    const measurement = { measurementId, generation, vin, date: '2026-05-28' };
    return disk.add(to, measurement, { columns, rows }, times);
  }

  async function seen(of = place): Promise<SeenTable> {
    return JSON.parse(runPython(python, ['test/conformance/tables/read_table.py', await disk.folderOf(of)]));
  }

  const [first, second] = [randomUUID(), randomUUID()];

  it('types, values and partition values are right, also with a VIN that no path takes as it is', async () => {
    await commit(first, 'WVW ZZZ/1ä%', 1);
    await commit(second, 'V2', 1);
    const table = await seen();
    assert.deepEqual(table.types, {
      timestamp: 'timestamp[us, tz=UTC]',
      timestamp_ns: 'int64',
      'vehicle.speed': 'double',
      gear: 'int32',
      phase: 'string',
      date: 'date32[day]',
      vin: 'string',
      measurement_id: 'string',
      generation: 'int32',
    });
    assert.equal(table.dtypes['timestamp'], 'datetime64[us, UTC]');
    assert.deepEqual(table.partitionColumns, ['date', 'vin', 'measurement_id', 'generation']);
    assert.equal(table.rows.length, 20);
    const rows = table.rows.filter((row) => row['measurement_id'] === first);
    assert.deepEqual(new Set(rows.map((row) => row['vin'])), new Set(['WVW ZZZ/1ä%']));
    const last = rows.find((row) => row['gear'] === 8);
    assert.equal(last?.['timestamp'], '2026-05-28T20:26:40.573456Z');
    assert.equal(last?.['vehicle.speed'], 4.5);
    assert.equal(last?.['phase'], 'Dämmerung 9');
    assert.equal(rows.find((row) => row['gear'] === -1)?.['vehicle.speed'], null);
  });

  it('a re-run takes the place of what was there', async () => {
    await commit(first, 'WVW ZZZ/1ä%', 2);
    const table = await seen();
    assert.equal(table.fileCount, 2);
    assert.equal(table.rows.length, 30);
    const generations = table.rows.filter((row) => row['measurement_id'] === first);
    assert.deepEqual(new Set(generations.map((row) => row['generation'])), new Set([2]));
  });

  it('channel names with blanks and brackets are read by those names', async () => {
    const south = { ...place, fleet: 'south' };
    await commit(first, 'V1', 1, UNUSUAL, south);
    const table = await seen(south);
    assert.equal(table.types['Gear {chosen} (1/n), =;'], 'int32');
    assert.equal(table.rows[9]?.['Gear {chosen} (1/n), =;'], 8);
    assert.equal(table.rows[9]?.['measurement_id'], first);
  });

  it('a checkpoint alone is as good as the commits before it', async () => {
    const rows = await commit(second, 'V2', 2);
    for (let generation = 3; generation < 100; generation++)
      await tables.replace(place, { ...rows, generation });
    for await (const { location } of blobs.list({
      account: place.account,
      container: 'tables',
      path: 'north/enriched',
    }))
      if (/_delta_log\/0+\d{1,2}\.json$/.test(location.path)) await blobs.remove(location);
    const table = await seen();
    assert.equal(table.version, 100);
    assert.equal(table.rows.length, 40);
    const generations = table.rows.map((row) => `${row['measurement_id']} ${row['generation']}`);
    assert.deepEqual(new Set(generations), new Set([`${first} 2`, `${second} 99`]));
  });
});
