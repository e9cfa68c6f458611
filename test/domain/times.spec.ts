import assert from 'node:assert/strict';
import { CoveredTime, startAndEndOf } from '#domain/times.ts';

describe('the time that a table covers', () => {
  it('is from its earliest to its latest row, in whatever order and batches they come', () => {
    const covered = new CoveredTime();
    covered.include(BigInt64Array.of(2_000_000_000n, 3_000_000_001n));
    covered.include([]);
    covered.include([1_500_000_000n]);
    assert.deepEqual(startAndEndOf(covered), {
      startTime: '1970-01-01T00:00:01.500Z',
      endTime: '1970-01-01T00:00:03.000000001Z',
    });
  });

  it('begins where it ends for one row, and is not said for a table without rows', () => {
    const covered = new CoveredTime();
    assert.deepEqual(startAndEndOf(covered), {});
    covered.include([0n]);
    assert.equal(startAndEndOf(covered).startTime, '1970-01-01T00:00:00.000Z');
    assert.equal(covered.startTimeNs, covered.endTimeNs);
  });
});
