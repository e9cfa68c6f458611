import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mergedInTime, type TimedRows } from '#containers/sync/rows-in-time.ts';
import {
  PAUSE_NS_MIN,
  type SourceTable,
  synchronizedColumns,
  synchronizedRows,
} from '#containers/sync/synchronize.ts';
import { numbersOf, timesOf } from '#domain/column-values.ts';
import { type AlignmentMethod, RecordedTimes } from '#domain/timeline.ts';

const MS = 1_000_000n;
const OPTIONS = { periodNs: 100n * MS, toleranceNs: 150n * MS };

/** A sample of which the value may be null. Times in milliseconds. */
type Sample = readonly [ms: number, value: number | null];

async function* batches(samples: readonly Sample[], batchRows: number): AsyncGenerator<TimedRows> {
  for (let row = 0; row < samples.length; row += batchRows) {
    const batch = samples.slice(row, row + batchRows);
    yield {
      timestampsNs: BigInt64Array.from(batch, ([ms]) => BigInt(ms) * MS),
      columns: [
        {
          values: Float64Array.from(batch, ([, value]) => value ?? 0),
          validity: Uint8Array.from(batch, ([, value]) => (value === null ? 0 : 1)),
        },
      ],
    };
  }
}

/** As the reader gives the parts of a table: each in order of time, equal ones in the order of the file. */
function source(
  name: string,
  parts: readonly (readonly Sample[])[],
  { method = 'as-of' as AlignmentMethod, batchRows = 3 } = {},
): SourceTable {
  const ordered = parts.map((samples) => samples.toSorted((a, b) => a[0] - b[0]));
  const recorded = ordered.map((samples) => {
    const times = new RecordedTimes(PAUSE_NS_MIN);
    times.add(BigInt64Array.from(samples, ([ms]) => BigInt(ms) * MS));
    return times;
  });
  const part = { account: 'a', container: 'c', path: 'p', sha256: '0'.repeat(64), sizeBytes: 1 };
  return {
    selected: { parts: [part], source: name, signals: [{ column: 'v', name, unit: 'm', method }] },
    stretches: recorded.flatMap(({ stretches }) => stretches),
    rows: mergedInTime(ordered.map((samples) => batches(samples, batchRows))),
  };
}

async function synchronized(tables: readonly SourceTable[], options: { blockRows?: number } = {}) {
  const rows = await Array.fromAsync(synchronizedRows(tables, { ...OPTIONS, ...options }));
  const times = [...timesOf(rows, 0)].map((time) => Number(time / MS));
  const columns = tables.map((_, index) => {
    const { values, validity } = numbersOf(rows, index + 1);
    return Array.from(values, (value, row) => (validity[row] === 1 ? value : null));
  });
  return { times, columns };
}

/** What the timeline must show at a time, told without batches, blocks or windows. */
function expectedAt(samples: readonly Sample[], ms: number, method: AlignmentMethod): number | null {
  const known = samples.filter(([, value]) => value !== null).toSorted((a, b) => a[0] - b[0]);
  const before = known.findLast(([time]) => time <= ms);
  const after = known.find(([time]) => time > ms);
  const age = before === undefined ? Number.POSITIVE_INFINITY : ms - before[0];
  const ahead = after === undefined ? Number.POSITIVE_INFINITY : after[0] - ms;
  if (method === 'as-of') return age <= 150 ? before![1] : null;
  if (method === 'nearest') {
    if (Math.min(age, ahead) > 150) return null;
    return ahead < age ? after![1] : before![1];
  }
  if (age === 0) return before![1];
  if (age + ahead > 300) return null;
  return before![1]! + (after![1]! - before![1]!) * (age / (age + ahead));
}

describe('tables on one timeline', () => {
  it('cover the time of all tables; what is stale is null', async () => {
    const { times, columns } = await synchronized([
      source('a', [
        [
          [0, 1],
          [100, 2],
        ],
      ]),
      source('b', [
        [
          [290, 7],
          [400, 8],
        ],
      ]),
    ]);
    assert.deepEqual(times, [0, 100, 200, 300, 400]);
    assert.deepEqual(columns, [
      [1, 2, 2, null, null],
      [null, null, null, 7, 8],
    ]);
  });

  it('take messages that were written late in the order of time, and of equal times the last written', async () => {
    const first: Sample[] = [
      [200, 3],
      [0, 1],
      [100, 2],
    ];
    assert.deepEqual((await synchronized([source('a', [[...first, [100, 5]]])])).columns, [[1, 5, 3]]);
    assert.deepEqual((await synchronized([source('a', [first, [[100, 5]]])])).columns, [[1, 5, 3]]);
    assert.deepEqual((await synchronized([source('a', [[[100, 5]], first])])).columns, [[1, 2, 3]]);
  });

  it('have no rows for a pause, nor for one wrong time decades away', async () => {
    const samples: Sample[] = [
      [0, 1],
      [1_000_000_000_000, 2],
      [1_000_000_000_100, 3],
    ];
    const { times } = await synchronized([source('a', [samples])]);
    assert.deepEqual(times, [0, 1_000_000_000_000, 1_000_000_000_100]);
  });

  it('show the same whatever the batches, the blocks and the parts', async () => {
    const samples = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.option(fc.integer(), { freq: 4 })),
      { minLength: 1, maxLength: 40 },
    );
    const table = fc.record({
      parts: fc.array(samples, { minLength: 1, maxLength: 3 }),
      method: fc.constantFrom<AlignmentMethod>('as-of', 'nearest', 'linear'),
      batchRows: fc.integer({ min: 1, max: 12 }),
      paused: fc.boolean(),
    });
    const road = fc.array(table, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(road, fc.integer({ min: 1, max: 12 }), async (tables, blockRows) => {
        const shifted = tables.map(({ parts, paused, ...options }) => ({
          ...options,
          parts: parts.map((part) => part.map(([ms, value]): Sample => [ms + (paused ? 200_000 : 0), value])),
        }));
        const sources = shifted.map(({ parts, ...options }) => source('a', parts, options));
        const { times, columns } = await synchronized(sources, { blockRows });
        assert.ok(times.every((ms, row) => row === 0 || ms > times[row - 1]!));
        for (const [index, { parts, method }] of shifted.entries())
          assert.deepEqual(
            columns[index],
            times.map((ms) => expectedAt(parts.flat(), ms, method)),
          );
      }),
    );
  });

  it('hold of a table no more than a block and a batch, however long it is', async () => {
    let [given, held, heldMax] = [0, 0, 0];
    async function* endless(): AsyncGenerator<TimedRows> {
      for (let batch = 0; batch < 500; batch++) {
        for await (const rows of batches(
          Array.from({ length: 100 }, (_, row) => [(batch * 100 + row) * 100, row] as const),
          100,
        )) {
          given += 100;
          held += 100;
          heldMax = Math.max(heldMax, held);
          yield rows;
        }
      }
    }
    const table = {
      ...source('a', [[]]),
      stretches: [{ startNs: 0n, endNs: 49_999n * 100n * MS }],
      rows: endless(),
    };
    let rowCount = 0;
    for await (const rows of synchronizedRows([table], { ...OPTIONS, blockRows: 200 })) {
      rowCount += rows.rowCount;
      held = given - rowCount;
    }
    assert.deepEqual([rowCount, given], [50_000, 50_000]);
    assert.ok(heldMax <= 400, `${heldMax} rows were read and not yet written`);
  });

  it('name the source of each column and when its values are stale', () => {
    const [time, column] = synchronizedColumns([source('/imu', [[[0, 1]]])], OPTIONS);
    assert.equal(time?.name, 'timestamp');
    assert.equal(column?.source, '/imu v, as-of, null when more than 150 ms away');
  });

  it('may be empty', async () => {
    assert.deepEqual(await Array.fromAsync(synchronizedRows([], OPTIONS)), []);
  });
});
