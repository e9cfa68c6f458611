import assert from 'node:assert/strict';
import { dayPhaseOf, enrich } from '#containers/enrich/enrich.ts';
import { numbersOf, textsOf } from '#domain/column-values.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';

const TIMES = BigInt64Array.of(0n, 1_000_000_000n, 2_000_000_000n);
const column = (values: readonly number[], validity = values.map(() => 1)) => ({
  values: Float64Array.from(values),
  validity: Uint8Array.from(validity),
});

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

  it('keeps every row and column, and adds the sun where the place is known', () => {
    const columns = [
      TIME_COLUMN,
      { name: 'gnss.latitude', type: 'float64' as const },
      { name: 'gnss.longitude', type: 'float64' as const },
    ];
    const rows = {
      rowCount: 3,
      columns: [{ values: TIMES }, column([50, 50, 50]), column([10, 10, 10], [1, 0, 1])],
    };
    const asked: number[] = [];
    const enriched = enrich(columns, [rows], (time) => {
      asked.push(time.getTime());
      return { elevationDegrees: 5, azimuthDegrees: 90 };
    });
    const index = (name: string) => enriched.columns.findIndex((each) => each.name === name);
    assert.equal(enriched.rows.rowCount, 3);
    assert.deepEqual(asked, [0, 2000]);
    assert.deepEqual([...numbersOf([enriched.rows], index('sun.elevation')).validity], [1, 0, 1]);
    assert.deepEqual(textsOf([enriched.rows], index('sun.day_phase')), ['day', '', 'day']);
    assert.deepEqual([...numbersOf([enriched.rows], index('gnss.latitude')).values], [50, 50, 50]);
  });

  it('has no motion where nothing tells it', () => {
    const rows = { rowCount: 3, columns: [{ values: TIMES }] };
    const { columns } = enrich([TIME_COLUMN], [rows], () => ({ elevationDegrees: 0, azimuthDegrees: 0 }));
    assert.deepEqual(
      columns.map((each) => each.name),
      ['timestamp', 'sun.elevation', 'sun.azimuth', 'sun.day_phase'],
    );
  });
});
