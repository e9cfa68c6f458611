import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sparkline } from '#adapters/cli/inspect-text.ts';
import { TimeHistogram } from '#adapters/cli/time-histogram.ts';

const SECOND = 1_000_000_000n;

describe('rows over time', () => {
  it('shows a gap as a gap, and an even rate as even', () => {
    const histogram = new TimeHistogram();
    for (let index = 0; index < 1000; index++)
      if (index < 400 || index >= 600) histogram.add(SECOND * 1000n + BigInt(index) * 10_000_000n);
    const counts = histogram.over(SECOND * 1000n, SECOND * 1010n, 10);
    assert.equal(sparkline(counts), '████··████');
  });

  it('survives one wrong time decades away, in bounded memory', () => {
    const histogram = new TimeHistogram();
    histogram.add(0n);
    for (let index = 0; index < 100_000; index++)
      histogram.add(1_700_000_000n * SECOND + BigInt(index) * 1_000_000n);
    const counts = histogram.over(0n, 1_700_000_100n * SECOND, 4);
    assert.deepEqual(Array.from(counts, Math.round), [1, 0, 0, 100_000]);
  });

  it('loses no row, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), { minLength: 1 }), (times) => {
        const histogram = new TimeHistogram();
        for (const time of times) histogram.add(time);
        const sorted = times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        const counts = histogram.over(sorted[0]!, sorted.at(-1)!, 7);
        const sum = counts.reduce((total, count) => total + count, 0);
        assert.ok(Math.abs(sum - times.length) < 1e-6);
      }),
    );
  });
});
