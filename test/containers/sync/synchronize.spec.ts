import assert from 'node:assert/strict';
import {
  inOrderOfTime,
  type LoadedTable,
  synchronizedColumns,
  synchronizedRows,
} from '#containers/sync/synchronize.ts';
import { numbersOf, timesOf } from '#domain/column-values.ts';

const MS = 1_000_000n;
const OPTIONS = { periodNs: 100n * MS, toleranceNs: 150n * MS };

function loaded(name: string, samples: readonly (readonly [ms: number, value: number])[]): LoadedTable {
  const times = BigInt64Array.from(samples, ([ms]) => BigInt(ms) * MS);
  const values = Float64Array.from(samples, ([, value]) => value);
  const validity = new Uint8Array(samples.length).fill(1);
  const signals = inOrderOfTime(times, [{ values, validity }]);
  const part = { account: 'a', container: 'c', path: 'p', sha256: '0'.repeat(64), sizeBytes: 1 };
  const selected = {
    parts: [part],
    source: name,
    signals: [{ column: 'v', name, unit: 'm', method: 'as-of' as const }],
  };
  return { selected, signals };
}

function synchronized(...tables: readonly LoadedTable[]) {
  const rows = [...synchronizedRows(tables, OPTIONS)];
  const times = [...timesOf(rows, 0)].map((time) => Number(time / MS));
  const columns = tables.map((_, index) => {
    const { values, validity } = numbersOf(rows, index + 1);
    return Array.from(values, (value, row) => (validity[row] === 1 ? value : null));
  });
  return { times, columns };
}

describe('tables on one timeline', () => {
  it('cover the time of all tables; what is stale is null', () => {
    const { times, columns } = synchronized(
      loaded('a', [
        [0, 1],
        [100, 2],
      ]),
      loaded('b', [
        [290, 7],
        [400, 8],
      ]),
    );
    assert.deepEqual(times, [0, 100, 200, 300, 400]);
    assert.deepEqual(columns, [
      [1, 2, 2, null, null],
      [null, null, null, 7, 8],
    ]);
  });

  it('take late messages in the order of time, and of equal times the last written', () => {
    const { columns } = synchronized(
      loaded('a', [
        [200, 3],
        [0, 1],
        [100, 2],
        [100, 5],
      ]),
    );
    assert.deepEqual(columns, [[1, 5, 3]]);
  });

  it('have no rows for a pause, nor for one wrong time decades away', () => {
    const { times } = synchronized(
      loaded('a', [
        [0, 1],
        [1_000_000_000_000, 2],
        [1_000_000_000_100, 3],
      ]),
    );
    assert.deepEqual(times, [0, 1_000_000_000_000, 1_000_000_000_100]);
  });

  it('are the same in blocks as in one', () => {
    const samples = Array.from({ length: 20_000 }, (_, index) => [index * 100, index] as const);
    const { columns } = synchronized(loaded('a', samples));
    assert.deepEqual(
      columns[0],
      samples.map(([, value]) => value),
    );
  });

  it('name the source of each column and when its values are stale', () => {
    const [time, column] = synchronizedColumns([loaded('/imu', [[0, 1]])], OPTIONS);
    assert.equal(time?.name, 'timestamp');
    assert.equal(column?.source, '/imu v, as-of, null when more than 150 ms away');
  });

  it('may be empty', () => {
    assert.deepEqual([...synchronizedRows([], OPTIONS)], []);
  });
});
