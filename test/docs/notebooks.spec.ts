import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { layOut } from '#adapters/parquet/column-layout.ts';
import { enrich } from '#containers/enrich/enrich.ts';
import { SCENE_COLUMNS, sceneRows } from '#containers/scene-detect/scene-table.ts';
import { PARTITION_COLUMNS } from '#domain/fleet-tables.ts';
import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { LATITUDE, LONGITUDE, TIME_COLUMN, VEHICLE_SPEED } from '#domain/table-columns.ts';
import { TablesOnDisk } from '#test/support/tables-on-disk.ts';
import { HOW_TO_GET_PYTHON, runPython, tablesPython } from '#test/support/tables-python.ts';

const NOTEBOOKS = globSync('docs/examples/notebooks/*.ipynb');

/** nbformat 4.5 as far as we use it (nbformat, "The Notebook file format"). */
const Source = z.array(z.string());
const Notebook = z.strictObject({
  nbformat: z.literal(4),
  nbformat_minor: z.literal(5),
  metadata: z.object({
    kernelspec: z.object({ name: z.string(), display_name: z.string() }),
    language_info: z.object({ name: z.literal('python') }),
  }),
  cells: z.array(
    z.discriminatedUnion('cell_type', [
      z.strictObject({
        cell_type: z.literal('markdown'),
        id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
        metadata: z.strictObject({}),
        source: Source,
      }),
      z.strictObject({
        cell_type: z.literal('code'),
        id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
        metadata: z.strictObject({}),
        source: Source,
        // As written, not as run: what somebody's data looked like is nobody's business.
        outputs: z.tuple([]),
        execution_count: z.null(),
      }),
    ]),
  ),
});

const notebook = (path: string) => Notebook.parse(JSON.parse(readFileSync(path, 'utf8')));
const codeOf = (path: string) =>
  notebook(path).cells.flatMap((cell) => (cell.cell_type === 'code' ? [cell.source.join('')] : []));

/** Twenty seconds at 20 Hz: 15 m/s, then braking hard, by the day's light in Munich. */
async function enrichedTable() {
  const rowCount = 400;
  const index = Array.from({ length: rowCount }, (_, row) => row);
  const timestampsNs = BigInt64Array.from(
    index,
    (row) => 1_780_000_000_123_456_789n + BigInt(row) * 50_000_000n,
  );
  const speed = Float64Array.from(index, (row) => Math.max(0, 15 - Math.max(0, row - 100) * 0.2));
  const columns: TableColumn[] = [
    TIME_COLUMN,
    { name: LATITUDE, type: 'float64', unit: '°' },
    { name: LONGITUDE, type: 'float64', unit: '°' },
    { name: 'can.wheels.speed', type: 'float64', unit: 'm/s' },
  ];
  const values = [timestampsNs, index.map(() => 48.1), index.map(() => 11.6), speed];
  async function* read(names: readonly string[]): AsyncGenerator<TableRows> {
    const wanted = names.map((name) => values[columns.findIndex((column) => column.name === name)]!);
    const batch = wanted.map((column) => ({
      values: column instanceof BigInt64Array ? column : Float64Array.from(column),
    }));
    yield { rowCount, columns: batch };
  }
  const sun = () => ({ elevationDegrees: 40, azimuthDegrees: 180 });
  const enriched = await enrich({ columns, rowCount, read }, sun);
  return { timestampsNs, columns: enriched.columns, rows: await Array.fromAsync(enriched.rows) };
}

function namesOf(columns: readonly TableColumn[]): readonly string[] {
  return layOut({ columns, metadata: {} }).flatMap(({ storedAs, nanosecondsIn }) =>
    nanosecondsIn === undefined ? [storedAs] : [storedAs, nanosecondsIn],
  );
}

describe('the notebooks', function () {
  this.timeout(180_000);
  let enriched: Awaited<ReturnType<typeof enrichedTable>>;
  let known: ReadonlySet<string>;
  before(async () => {
    enriched = await enrichedTable();
    known = new Set([
      ...namesOf(SCENE_COLUMNS),
      ...namesOf(enriched.columns),
      ...PARTITION_COLUMNS.map(({ name }) => name),
    ]);
  });

  it('are there for Spark and for pandas with DuckDB', () => {
    assert.deepEqual(NOTEBOOKS.map((path) => path.split(/[/\\]/).at(-1)).toSorted(), [
      'pandas-duckdb.ipynb',
      'spark.ipynb',
    ]);
    assert.ok(enriched.columns.some(({ name }) => name === VEHICLE_SPEED));
  });

  for (const path of NOTEBOOKS) {
    it(`${path} is a notebook without outputs`, () => {
      const { cells } = notebook(path);
      assert.equal(new Set(cells.map(({ id }) => id)).size, cells.length);
      assert.ok(cells.some(({ cell_type }) => cell_type === 'code'));
    });

    it(`${path} names columns and places that exist`, () => {
      const code = codeOf(path).join('\n');
      const made = new Set(
        [...code.matchAll(/alias\("([\w.]+)"\)|AS (\w+)|(\w+)=|\["(\w+)"\] =/g)].flatMap((m) => m.slice(1)),
      );
      const used = [
        ...code.matchAll(/\b[se]\.["`]?((?:[a-z_]+(?:\.[a-z_]+)?))["`]?(?=[\s",)`])/g),
        ...code.matchAll(/["`]((?:vehicle|sun|gnss)\.[a-z_.]+)["`]/g),
        ...code.matchAll(/(?:scene|scenes|signals)\["([a-z_.]+)"\]/g),
      ].map((match) => match[1] ?? '');
      assert.ok(used.length >= 8, `${used.length} columns found in ${path}`);
      assert.deepEqual(
        [...new Set(used)].filter((name) => !known.has(name) && !made.has(name)),
        [],
      );
      assert.match(code, /abfss:\/\/tables@<scenes account>\.dfs\.core\.windows\.net\/<fleet>\/scenes/);
    });
  }

  describe('run', () => {
    const disk = new TablesOnDisk();
    const python = tablesPython();
    before(function () {
      if (python !== undefined) return;
      console.log(HOW_TO_GET_PYTHON);
      this.skip();
    });
    after(() => disk.dispose());

    it('the one for pandas and DuckDB finds the braking in tables that Landfall has made', async () => {
      const measurement = { measurementId: randomUUID(), generation: 1, vin: 'V1', date: '2026-05-28' };
      const [scenes, signals] = (['scenes', 'enriched'] as const).map((kind) => ({
        account: kind,
        fleet: 'north',
        kind,
      }));
      assert.ok(scenes && signals);
      const [startTimeNs, endTimeNs] = [enriched.timestampsNs[100]!, enriched.timestampsNs[160]!];
      const rule = { name: 'hard-braking', version: '1.0.0' };
      const scene = {
        sceneId: randomUUID(),
        type: rule.name,
        startTimeNs,
        endTimeNs,
        confidence: 0.9,
        rule,
        evidence: { thresholdMetresPerSecond2: 3 },
      };
      await disk.add(signals, measurement, enriched);
      await disk.add(scenes, measurement, { columns: SCENE_COLUMNS, rows: sceneRows([scene]) });
      const path = 'docs/examples/notebooks/pandas-duckdb.ipynb';
      const output = runPython(python!, ['test/conformance/tables/run_notebook.py', path], {
        LANDFALL_SCENES: await disk.folderOf(scenes),
        LANDFALL_ENRICHED: await disk.folderOf(signals),
        LANDFALL_STORAGE_OPTIONS: '{}',
      });
      assert.match(output, /hard-braking/);
      assert.match(output, new RegExp(`${measurement.measurementId}.*-[34]\\.\\d+ +day`));
    });
  });
});
