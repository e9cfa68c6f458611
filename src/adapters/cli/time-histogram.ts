/** Bins that are kept; with twice the width there are half as many. */
const BINS_MAX = 4096;
const FIRST_WIDTH_NS = 1_000_000n;

/**
 * How many rows lie where in time, for a span nobody knows before: bins grow as the span does, so that memory is
 * bounded and a single wrong time costs nothing but width.
 */
export class TimeHistogram {
  #widthNs = FIRST_WIDTH_NS;
  #counts = new Map<bigint, number>();
  /** Rows mostly follow each other: the bin of the last one, counted aside. */
  #lastBin: bigint | undefined;
  #lastCount = 0;

  add(timeNs: bigint): void {
    const bin = this.#binOf(timeNs);
    if (bin === this.#lastBin) {
      this.#lastCount += 1;
      return;
    }
    this.#settle();
    this.#lastBin = this.#binOf(timeNs);
    this.#lastCount = 1;
  }

  /**
   * Rows in each of `columns` equal parts of the time from `startNs` to `endNs`. Rows of one bin are spread evenly
   * over the parts it touches.
   */
  over(startNs: bigint, endNs: bigint, columns: number): Float64Array {
    this.#settle();
    const result = new Float64Array(columns);
    const spanNs = Number(endNs - startNs) || 1;
    for (const [bin, count] of this.#counts) {
      const from = Number(bin * this.#widthNs - startNs) / spanNs;
      const to = Number((bin + 1n) * this.#widthNs - startNs) / spanNs;
      const first = clamp(Math.floor(from * columns), columns);
      const last = clamp(Math.ceil(to * columns) - 1, columns);
      for (let column = first; column <= last; column++) result[column]! += count / (last - first + 1);
    }
    return result;
  }

  #settle(): void {
    if (this.#lastBin === undefined) return;
    this.#counts.set(this.#lastBin, (this.#counts.get(this.#lastBin) ?? 0) + this.#lastCount);
    this.#lastBin = undefined;
    while (this.#counts.size > BINS_MAX) this.#widen();
  }

  #widen(): void {
    const wider = new Map<bigint, number>();
    for (const [bin, count] of this.#counts) {
      const half = bin >> 1n;
      wider.set(half, (wider.get(half) ?? 0) + count);
    }
    this.#counts = wider;
    this.#widthNs *= 2n;
  }

  /** Rounded down, also before 1970. */
  #binOf(timeNs: bigint): bigint {
    const bin = timeNs / this.#widthNs;
    return timeNs < 0n && bin * this.#widthNs !== timeNs ? bin - 1n : bin;
  }
}

function clamp(column: number, columns: number): number {
  return Math.max(0, Math.min(columns - 1, column));
}
