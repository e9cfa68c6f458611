/**
 * Putting signals that were sampled at different times onto one grid of times. What is not known at a grid time is
 * null: a stale value is never carried, and nothing is invented outside the samples.
 */

/** One signal as it was recorded. Times ascend (equal times allowed: the later one wins). */
export interface Signal {
  readonly timestampsNs: BigInt64Array;
  readonly values: Float64Array;
  /** 1 = value, 0 = null; absent when nothing is null. */
  readonly validity?: Uint8Array;
}

export interface AlignedSignal {
  readonly values: Float64Array;
  readonly validity: Uint8Array;
}

export type AlignmentMethod =
  /** The last value at or before the grid time. */
  | 'as-of'
  /** The value closest in time. */
  | 'nearest'
  /** Between the values before and after, for quantities that change steadily. */
  | 'linear';

/** Grid times from the first multiple of the period at or after `startNs` to the last at or before `endNs`. */
export function gridOf(startNs: bigint, endNs: bigint, periodNs: bigint): BigInt64Array {
  if (periodNs <= 0n) throw new RangeError(`a grid period of ${periodNs} ns is not positive`);
  const first = ((startNs + periodNs - 1n) / periodNs) * periodNs;
  const count = first > endNs ? 0 : Number((endNs - first) / periodNs) + 1;
  const grid = new BigInt64Array(count);
  for (let index = 0; index < count; index++) grid[index] = first + BigInt(index) * periodNs;
  return grid;
}

export interface Stretch {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * When one table was recorded: stretches with no row for more than `gapNsMax` between them. Its times are told batch
 * by batch; what is kept is two times a stretch. From the first time that is earlier than the one before, nothing is
 * kept: such a table has to be read in order.
 */
export class RecordedTimes {
  readonly #gapNsMax: bigint;
  readonly #stretches: { startNs: bigint; endNs: bigint }[] = [];
  #previousNs: bigint | undefined;
  /** Whether no time so far was earlier than the one before. */
  ascending = true;

  constructor(gapNsMax: bigint) {
    this.#gapNsMax = gapNsMax;
  }

  add(timestampsNs: BigInt64Array): void {
    for (const time of timestampsNs) {
      if (this.#previousNs !== undefined && time < this.#previousNs) this.ascending = false;
      if (!this.ascending) return;
      this.#previousNs = time;
      const open = this.#stretches.at(-1);
      if (open !== undefined && time - open.endNs <= this.#gapNsMax) open.endNs = time;
      else this.#stretches.push({ startNs: time, endNs: time });
    }
  }

  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }
}

/**
 * The stretches of several tables as those of all: a recorder that paused, or one wrong time decades away, does not
 * make a timeline of empty rows.
 */
export function joinedStretches(parts: readonly Stretch[], gapNsMax: bigint): readonly Stretch[] {
  const stretches: { startNs: bigint; endNs: bigint }[] = [];
  for (const part of parts.toSorted((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0))) {
    const last = stretches.at(-1);
    if (last === undefined || part.startNs - last.endNs > gapNsMax) stretches.push({ ...part });
    else if (part.endNs > last.endNs) last.endNs = part.endNs;
  }
  return stretches;
}

/** The grid of all stretches, at most `rowsMax` times at once. */
export function* gridBlocks(
  stretches: readonly Stretch[],
  periodNs: bigint,
  rowsMax: number,
): Generator<BigInt64Array> {
  for (const { startNs, endNs } of stretches) {
    for (let from = startNs; from <= endNs; from += BigInt(rowsMax) * periodNs) {
      const last = from + BigInt(rowsMax) * periodNs - 1n;
      const grid = gridOf(from, last < endNs ? last : endNs, periodNs);
      if (grid.length > 0) yield grid;
    }
  }
}

/**
 * How far from the grid a sample can lie and still count, in tolerances: `linear` may use two samples that are twice
 * the tolerance apart.
 */
export const REACH_TOLERANCES = 2n;

/**
 * The signal at every grid time. For `as-of` and `nearest` the sample may be at most `toleranceNs` away; for
 * `linear` the samples before and after may be at most twice that apart.
 */
export function align(
  signal: Signal,
  grid: BigInt64Array,
  method: AlignmentMethod,
  toleranceNs: bigint,
): AlignedSignal {
  const present = withoutNulls(signal);
  const values = new Float64Array(grid.length);
  const validity = new Uint8Array(grid.length);
  const times = present.timestampsNs;
  let before = -1;
  for (let index = 0; index < grid.length; index++) {
    const time = grid[index]!;
    while (before + 1 < times.length && times[before + 1]! <= time) before += 1;
    const value = valueAt(present, before, time, method, toleranceNs);
    if (value !== undefined) {
      values[index] = value;
      validity[index] = 1;
    }
  }
  return { values, validity };
}

function valueAt(
  signal: Signal,
  before: number,
  time: bigint,
  method: AlignmentMethod,
  toleranceNs: bigint,
): number | undefined {
  const { timestampsNs: times, values } = signal;
  const after = before + 1;
  const ageNs = before >= 0 ? time - times[before]! : undefined;
  const aheadNs = after < times.length ? times[after]! - time : undefined;
  if (method === 'as-of') return ageNs !== undefined && ageNs <= toleranceNs ? values[before] : undefined;
  if (method === 'linear') {
    if (ageNs === 0n) return values[before];
    if (ageNs === undefined || aheadNs === undefined || ageNs + aheadNs > 2n * toleranceNs) return undefined;
    const share = Number(ageNs) / Number(ageNs + aheadNs);
    return values[before]! + (values[after]! - values[before]!) * share;
  }
  const takeAfter = aheadNs !== undefined && (ageNs === undefined || aheadNs < ageNs);
  const distanceNs = takeAfter ? aheadNs : ageNs;
  if (distanceNs === undefined || distanceNs > toleranceNs) return undefined;
  return values[takeAfter ? after : before];
}

/** Nulls and NaN are no samples: the one before counts, as long as it is not stale. */
function withoutNulls(signal: Signal): Signal {
  const keep: number[] = [];
  for (let index = 0; index < signal.values.length; index++) {
    if (signal.validity?.[index] !== 0 && !Number.isNaN(signal.values[index])) keep.push(index);
  }
  if (keep.length === signal.values.length) return signal;
  return {
    timestampsNs: BigInt64Array.from(keep, (index) => signal.timestampsNs[index]!),
    values: Float64Array.from(keep, (index) => signal.values[index]!),
  };
}
