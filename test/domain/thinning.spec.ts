import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Downsampling } from '#domain/tasks/extract-tasks.ts';
import { TopicThinning } from '#domain/thinning.ts';
import { travelledDistance } from '#domain/travelled-distance.ts';

const MS = 1_000_000n;
const every = (count: number, periodMs: number) =>
  Array.from({ length: count }, (_, index) => index * periodMs);

function kept(
  rule: Downsampling,
  timesMs: readonly number[],
  metresAt?: (timeNs: bigint) => number | undefined,
) {
  const topic = new TopicThinning(rule, metresAt);
  return timesMs.filter((time) => topic.keeps(BigInt(Math.round(time * 1e6))));
}

describe('thinning a topic', () => {
  it('meets a rate on average that does not divide the recorder’s', () => {
    const rows = kept({ rateHzMax: 30 }, every(1000, 10));
    assert.ok(Math.abs(rows.length - 300) <= 1, String(rows.length));
  });

  it('keeps every row of a topic that is slower than the rate', () => {
    assert.equal(kept({ rateHzMax: 30 }, every(50, 100)).length, 50);
  });

  it('keeps the first of every n', () => {
    assert.deepEqual(kept({ everyNth: 4 }, every(10, 1)), [0, 4, 8]);
  });

  it('goes on when a clock is set back, and after a pause', () => {
    const rows = kept({ rateHzMax: 1 }, [10_000, 10_500, 11_000, 100, 600, 1_100, 3_600_000]);
    assert.deepEqual(rows, [10_000, 11_000, 100, 1_100, 3_600_000]);
  });

  it('keeps everything inside the kept ranges, thinned outside', () => {
    const rule = {
      rateHzMax: 1,
      keepRanges: [{ from: '1970-01-01T00:00:02Z', to: '1970-01-01T02:00:02.500+02:00' }],
    };
    const rows = kept(rule, every(50, 100));
    assert.deepEqual(rows, [0, 1000, 2000, 2100, 2200, 2300, 2400, 2500, 2600, 3000, 4000]);
  });

  it('keeps a row each so many metres, and all where the place is not known', () => {
    const metresAt = (timeNs: bigint) => (timeNs < 1000n * MS ? undefined : Number(timeNs / MS) / 100);
    const rows = kept(
      { distanceMetresMin: 5 },
      [0, 500, ...every(20, 100).map((time) => time + 1000)],
      metresAt,
    );
    assert.deepEqual(rows, [0, 500, 1000, 1500, 2000, 2500]);
  });

  it('never keeps two rows nearer than half a period, and counts what it did', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 10_000 })),
        fc.integer({ min: 1, max: 50 }),
        (times, hz) => {
          const topic = new TopicThinning({ rateHzMax: hz });
          const ordered = times.toSorted((a, b) => a - b);
          const rows = ordered.filter((time) => topic.keeps(BigInt(time) * MS));
          assert.equal(topic.rowsSeen, ordered.length);
          assert.equal(topic.rowsKept, rows.length);
          const spanSeconds = ordered.length === 0 ? 0 : (ordered.at(-1)! - ordered[0]!) / 1000;
          assert.ok(rows.length <= Math.floor(spanSeconds * hz + 1e-6) + 1);
          assert.equal(ordered.length > 0, rows.length > 0);
        },
      ),
    );
  });
});

describe('the way a vehicle has come', () => {
  const north = (metres: number) => (metres / 6_371_008.8) * (180 / Math.PI);

  it('is the sum of its steps, in proportion between them, unknown outside', () => {
    const metresAt = travelledDistance({
      kind: 'geographic',
      timestampsNs: BigInt64Array.of(0n, 10n, 20n),
      coordinates: [Float64Array.of(0, north(10), north(30)), Float64Array.of(11, 11, 11)],
    });
    assert.ok(Math.abs(metresAt(15n)! - 20) < 1e-6);
    assert.equal(metresAt(21n), undefined);
    assert.equal(metresAt(-1n), undefined);
  });

  it('does not grow with the noise of a receiver at rest, nor with positions that are none', () => {
    const count = 1000;
    const noise = Float64Array.from({ length: count }, (_, index) =>
      index === 500 ? Number.NaN : ((index * 7919) % 13) * 0.02,
    );
    const metresAt = travelledDistance({
      kind: 'cartesian',
      timestampsNs: BigInt64Array.from({ length: count }, (_, index) => BigInt(index)),
      coordinates: [noise, noise],
    });
    assert.equal(metresAt(999n), 0);
  });
});
