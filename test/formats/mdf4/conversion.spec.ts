import assert from 'node:assert/strict';
import { channel, conversion, mdfBytes, oneGroup, type TestFile, texts, u8 } from './blocks-in-test.ts';
import { type Cell, openBytes, readTables } from './reading.ts';

/** One uint8 channel `x` with the raw values, read through the conversion `cc`. */
async function convert(raw: readonly number[], blocks: TestFile, dataType = 0) {
  const reader = await openBytes(
    mdfBytes(
      oneGroup(
        'x',
        1,
        raw.map((value) => u8(value)),
        { ...channel({ label: 'x', conversion: 'cc', byteOffset: 8, dataType }), ...blocks },
      ),
    ),
  );
  const { group } = await readTables(reader);
  assert.deepEqual(reader.loss().reasons, []);
  const columns = reader.summary.tables[0]?.columns ?? [];
  return { x: group?.columns['x'] as Cell[], text: group?.columns['x.text'], columns };
}

describe('an MDF 4 conversion', () => {
  it('0, or linear by one, leaves integers as they are', async () => {
    for (const blocks of [conversion('cc', 0, []), conversion('cc', 1, [0, 1])]) {
      const { x, columns } = await convert([3, 200], blocks);
      assert.deepEqual([x, columns[0]?.type], [[3, 200], 'uint8']);
    }
  });

  it('1 is offset and factor, in that order', async () => {
    const { x, columns } = await convert([0, 2], conversion('cc', 1, [-40, 0.5]));
    assert.deepEqual([x, columns[0]?.type, columns[0]?.source], [[-40, -39], 'float64', 'raw * 0.5 + -40']);
  });

  it('2 is a quotient of polynomials', async () => {
    const { x } = await convert([2], conversion('cc', 2, [1, 2, 3, 0, 1, 2]));
    assert.deepEqual(x, [(4 + 4 + 3) / (2 + 2)]);
  });

  it('3 is a formula with one variable', async () => {
    const cases: readonly [string, number][] = [
      ['X*2+1', 9],
      ['2 * (X1 - 1) ^ 2', 18],
      ['-X^2', -16],
      ['sqrt(X) + pow(X, 2) / 8', 4],
      ['1.5e1 - abs(-X)', 11],
    ];
    for (const [formula, expected] of cases) {
      const { x } = await convert([4], { ...conversion('cc', 3, [], [formula]), ...texts(formula) });
      assert.deepEqual([formula, x], [formula, [expected]]);
    }
  });

  it('4 interpolates and 5 takes the nearer value, both flat outside of the table', async () => {
    const table = [10, 0, 20, 100, 30, 400];
    assert.deepEqual(
      (await convert([0, 10, 15, 29, 99], conversion('cc', 4, table))).x,
      [0, 0, 50, 370, 400],
    );
    assert.deepEqual(
      (await convert([0, 15, 16, 26, 99], conversion('cc', 5, table))).x,
      [0, 0, 100, 400, 400],
    );
  });

  it('6 gives the value of a range, whole numbers up to its end, else the default', async () => {
    const ranges = [0, 9, 1, 10, 19, 2, -1];
    assert.deepEqual((await convert([0, 9, 10, 19, 20], conversion('cc', 6, ranges))).x, [1, 1, 2, 2, -1]);
  });

  it('7 and 8 leave raw numbers and name them', async () => {
    const named = await convert([0, 1, 5], {
      ...conversion('cc', 7, [0, 1], ['off', 'on', '?']),
      ...texts('off', 'on', '?'),
    });
    assert.deepEqual([named.x, named.columns[0]?.type], [[0, 1, 5], 'uint8']);
    assert.deepEqual(named.columns[0]?.choices, { '0': 'off', '1': 'on', default: '?' });
    const ranges = await convert([0], {
      ...conversion('cc', 8, [0, 9, 10, 10], ['low', 'ten', '']),
      ...texts('low', 'ten'),
    });
    assert.deepEqual(ranges.columns[0]?.choices, { '0..9': 'low', '10': 'ten' });
  });

  it('7 with a number for most values gives both: numbers, and texts in a column of their own', async () => {
    const { x, text, columns } = await convert([10, 255], {
      ...conversion('cc', 7, [255], ['invalid', 'scale']),
      ...conversion('scale', 1, [0, 0.1]),
      ...texts('invalid'),
    });
    assert.deepEqual(x, [1, null]);
    assert.deepEqual(text, [null, 'invalid']);
    assert.deepEqual(
      columns.map((column) => column.type),
      ['float64', 'string'],
    );
  });

  it('8 chained to another table of ranges follows it', async () => {
    const { x } = await convert([3, 12], {
      ...conversion('cc', 8, [0, 9, 10, 19], ['double', 'inner', '']),
      ...conversion('double', 1, [0, 2]),
      ...conversion('inner', 6, [10, 19, 7, 0]),
    });
    assert.deepEqual(x, [6, 7]);
  });

  it('9 gives the value of a text, 10 another text', async () => {
    const toValue = await convert(
      [0x61, 0x62, 0x63],
      { ...conversion('cc', 9, [1, 2, -1], ['a', 'b']), ...texts('a', 'b') },
      7,
    );
    assert.deepEqual(toValue.x, [1, 2, -1]);
    const toText = await convert(
      [0x61, 0x62],
      { ...conversion('cc', 10, [], ['a', 'Anna', '']), ...texts('a', 'Anna') },
      7,
    );
    assert.deepEqual(toText.x, ['Anna', 'b']);
  });

  it('11 names bit fields', async () => {
    const masks = new Float64Array(BigUint64Array.of(3n, 4n).buffer);
    const { x, text } = await convert([1, 6], {
      ...conversion('cc', 11, [...masks], ['mode', 'flag']),
      ...conversion('mode', 7, [1, 2], ['eco', 'sport', ''], 'Mode'),
      ...conversion('flag', 7, [4], ['active', '']),
      ...texts('eco', 'sport', 'active', 'Mode'),
    });
    assert.deepEqual(x, [1, 6]);
    assert.deepEqual(text, ['Mode = eco', 'Mode = sport|active']);
  });

  it('that refers to itself, or is of no known type, loses its channel only', async () => {
    for (const blocks of [
      conversion('cc', 7, [0], ['cc', '']),
      conversion('cc', 99, []),
      conversion('cc', 1, [1]),
      { ...conversion('cc', 3, [], ['X +* 2']), ...texts('X +* 2') },
    ]) {
      const file = oneGroup('x', 1, [u8(1)], {
        ...channel({ label: 'x', next: 'y', conversion: 'cc', byteOffset: 8 }),
        ...channel({ label: 'y', byteOffset: 8 }),
        ...blocks,
      });
      const reader = await openBytes(mdfBytes(file));
      const { group } = await readTables(reader);
      assert.deepEqual(group?.columns, { y: [1] });
      assert.equal(reader.loss().reasons.length, 1);
    }
  });
});
