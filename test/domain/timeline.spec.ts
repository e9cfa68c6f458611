import assert from 'node:assert/strict';
import fc from 'fast-check';
import { align, gridOf, type Signal } from '#domain/timeline.ts';

const signalOf = (samples: readonly (readonly [number, number])[]): Signal => ({
  timestampsNs: BigInt64Array.from(samples, ([time]) => BigInt(time)),
  values: Float64Array.from(samples, ([, value]) => value),
});
const shown = (aligned: { values: Float64Array; validity: Uint8Array }) =>
  Array.from(aligned.values, (value, index) => (aligned.validity[index] === 1 ? value : null));

describe('a timeline', () => {
  it('has its grid on multiples of the period, inside the range', () => {
    assert.deepEqual([...gridOf(15n, 40n, 10n)], [20n, 30n, 40n]);
    assert.deepEqual([...gridOf(21n, 29n, 10n)], []);
    assert.throws(() => gridOf(0n, 1n, 0n), /not positive/);
  });

  it('takes the last value within the tolerance and leaves stale ones null', () => {
    const signal = signalOf([
      [5, 1],
      [18, 2],
      [60, 3],
    ]);
    assert.deepEqual(shown(align(signal, gridOf(0n, 60n, 10n), 'as-of', 12n)), [
      null,
      1,
      2,
      2,
      null,
      null,
      3,
    ]);
  });

  it('takes the nearest value on either side', () => {
    const signal = signalOf([
      [9, 1],
      [26, 2],
    ]);
    assert.deepEqual(shown(align(signal, gridOf(0n, 40n, 10n), 'nearest', 10n)), [1, 1, 2, 2, null]);
  });

  it('interpolates between neighbours, never beyond them and never over a hole', () => {
    const signal = signalOf([
      [10, 0],
      [30, 20],
      [90, 80],
    ]);
    assert.deepEqual(shown(align(signal, gridOf(0n, 90n, 10n), 'linear', 10n)), [
      null,
      0,
      10,
      20,
      null,
      null,
      null,
      null,
      null,
      80,
    ]);
  });

  it('treats nulls and NaN as no samples', () => {
    const signal: Signal = {
      timestampsNs: BigInt64Array.of(0n, 10n, 20n),
      values: Float64Array.of(7, Number.NaN, 9),
      validity: Uint8Array.of(1, 1, 0),
    };
    assert.deepEqual(shown(align(signal, gridOf(0n, 30n, 10n), 'as-of', 20n)), [7, 7, 7, null]);
  });

  it('as-of never shows a value from the future or one older than the tolerance', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.double({ noNaN: true })), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(samples, fc.bigInt({ min: 0n, max: 100n }), (unsorted, toleranceNs) => {
        const sorted = unsorted.toSorted(([a], [b]) => a - b);
        const grid = gridOf(0n, 1000n, 37n);
        const aligned = align(signalOf(sorted), grid, 'as-of', toleranceNs);
        grid.forEach((time, index) => {
          const eligible = sorted.filter(([at]) => BigInt(at) <= time && time - BigInt(at) <= toleranceNs);
          const newest = eligible.at(-1);
          assert.equal(aligned.validity[index], newest === undefined ? 0 : 1);
          if (newest !== undefined) assert.equal(aligned.values[index], newest[1]);
        });
      }),
    );
  });
});
