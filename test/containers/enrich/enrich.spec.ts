import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dayPhaseOf, enrich, type SunPosition } from '#containers/enrich/enrich.ts';
import { numbersOf, textsOf, timesOf } from '#domain/column-values.ts';
import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';

const TIMES = BigInt64Array.of(0n, 1_000_000_000n, 2_000_000_000n);
const column = (values: readonly number[], validity = values.map(() => 1)) => ({
  values: Float64Array.from(values),
  validity: Uint8Array.from(validity),
});

/** A table in memory, read in batches of so many rows. */
async function enriched(
  columns: readonly TableColumn[],
  values: readonly { readonly values: Float64Array | BigInt64Array; readonly validity?: Uint8Array }[],
  sunPosition: SunPosition = () => ({ elevationDegrees: 5, azimuthDegrees: 90 }),
  batchRows = 1000,
) {
  const rowCount = values[0]!.values.length;
  async function* read(names: readonly string[]): AsyncGenerator<TableRows> {
    const wanted = names.map((name) => values[columns.findIndex((each) => each.name === name)]!);
    for (let row = 0; row < rowCount; row += batchRows) {
      const end = Math.min(rowCount, row + batchRows);
      const batch = wanted.map(({ values: all, validity }) => ({
        values: all.slice(row, end),
        validity: validity?.slice(row, end) ?? new Uint8Array(end - row).fill(1),
      }));
      yield { rowCount: end - row, columns: batch };
    }
  }
  const table = await enrich({ columns, rowCount, read }, sunPosition);
  const rows = await Array.fromAsync(table.rows);
  const index = (name: string) => table.columns.findIndex((each) => each.name === name);
  return {
    columns: table.columns,
    times: [...timesOf(rows, 0)],
    numbers: (name: string) => numbersOf(rows, index(name)),
    texts: (name: string) => textsOf(rows, index(name)),
    rowsMax: Math.max(0, ...rows.map((batch) => batch.rowCount)),
  };
}

describe('enrichment', () => {
  it('names the phase of the day by the height of the sun', () => {
    const phases = [10, -0.8, -0.9, -6.1, -12.1, -18.1].map(dayPhaseOf);
    assert.deepEqual(phases, [
      'day',
      'day',
      'civil twilight',
      'nautical twilight',
      'astronomical twilight',
      'night',
    ]);
  });

  it('keeps every row and column, and adds the sun where the place is known', async () => {
    const columns = [
      TIME_COLUMN,
      { name: 'gnss.latitude', type: 'float64' as const },
      { name: 'gnss.longitude', type: 'float64' as const },
    ];
    const asked: number[] = [];
    const table = await enriched(
      columns,
      [{ values: TIMES }, column([50, 50, 50]), column([10, 10, 10], [1, 0, 1])],
      (time) => {
        asked.push(time.getTime());
        return { elevationDegrees: 5, azimuthDegrees: 90 };
      },
    );
    assert.deepEqual(table.times, [...TIMES]);
    assert.deepEqual(asked, [0, 2000]);
    assert.deepEqual([...table.numbers('sun.elevation').validity], [1, 0, 1]);
    assert.deepEqual(table.texts('sun.day_phase'), ['day', '', 'day']);
    assert.deepEqual([...table.numbers('gnss.latitude').values], [50, 50, 50]);
  });

  it('has no motion where nothing tells it', async () => {
    const { columns } = await enriched([TIME_COLUMN], [{ values: TIMES }]);
    assert.deepEqual(
      columns.map((each) => each.name),
      ['timestamp', 'sun.elevation', 'sun.azimuth', 'sun.day_phase'],
    );
  });

  it('is the same whatever the batches, over pauses and holes too', async () => {
    const names = [
      'gnss.latitude',
      'gnss.longitude',
      'can.A.SPEED',
      'imu.angular_velocity.z',
      'imu.linear_acceleration.z',
    ];
    const columns = [TIME_COLUMN, ...names.map((name) => ({ name, type: 'float64' as const }))];
    const row = fc.record({
      stepMs: fc.oneof(
        { weight: 9, arbitrary: fc.constant(50) },
        { weight: 1, arbitrary: fc.integer({ min: 100, max: 90_000 }) },
      ),
      values: fc.tuple(
        ...names.map(() => fc.option(fc.double({ min: -20, max: 20, noNaN: true }), { freq: 6 })),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 120 }),
        fc.integer({ min: 1, max: 40 }),
        async (rows, batchRows) => {
          let ms = 0;
          const times = BigInt64Array.from(rows, ({ stepMs }) => {
            ms += stepMs;
            return BigInt(ms) * 1_000_000n;
          });
          const values = [
            { values: times },
            ...names.map((_, index) =>
              column(
                rows.map((each) => each.values[index] ?? 0),
                rows.map((each) => (each.values[index] === null ? 0 : 1)),
              ),
            ),
          ];
          const whole = await enriched(columns, values, undefined, 1000);
          const inBatches = await enriched(columns, values, undefined, batchRows);
          assert.deepEqual(inBatches.columns, whole.columns);
          assert.deepEqual(inBatches.times, [...times]);
          for (const { name, type } of whole.columns.slice(1)) {
            if (type === 'string') assert.deepEqual(inBatches.texts(name), whole.texts(name));
            else assert.deepEqual(inBatches.numbers(name), whole.numbers(name), name);
          }
        },
      ),
    );
  });

  it('goes on with what it has, however long the table', async () => {
    const times = BigInt64Array.from({ length: 5000 }, (_, index) => BigInt(index) * 50_000_000n);
    const speeds = column(Array.from(times, (_, index) => index % 20));
    const columns = [TIME_COLUMN, { name: 'can.A.SPEED', type: 'float64' as const, unit: 'm/s' }];
    const { rowsMax, numbers } = await enriched(columns, [{ values: times }, speeds], undefined, 100);
    assert.ok(rowsMax <= 130, `${rowsMax} rows at once`);
    assert.equal(
      numbers('vehicle.acceleration').validity.reduce((sum, valid) => sum + valid, 0),
      5000,
    );
  });
});
