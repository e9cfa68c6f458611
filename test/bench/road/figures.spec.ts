import assert from 'node:assert/strict';
import { coveredMs, percentile } from './figures.ts';

describe('figures of the road bench', () => {
  it('takes percentiles by nearest rank, whatever the order', () => {
    const sample = [5, 1, 4, 2, 3];
    assert.equal(percentile(sample, 0.5), 3);
    assert.equal(percentile(sample, 0.95), 5);
    assert.ok(Number.isNaN(percentile([], 0.5)));
  });

  it('counts time that two tasks ran in once', () => {
    const intervals = [
      { startMs: 30, endMs: 40 },
      { startMs: 0, endMs: 10 },
      { startMs: 5, endMs: 12 },
      { startMs: 6, endMs: 8 },
    ];
    assert.equal(coveredMs(intervals), 22);
  });
});
