import type { Downsampling } from './tasks/extract-tasks.ts';

/** Which rows of a topic are kept. Pure: times and ways in, yes or no out. */

/** Per topic name; `*` is for topics without a rule of their own. */
export type DownsamplingRules = Readonly<Record<string, Downsampling>>;

/** One topic's memory of what was kept last. */
export class TopicThinning {
  readonly #rule: Downsampling;
  readonly #metresAt: ((timeNs: bigint) => number | undefined) | undefined;
  readonly #periodNs: bigint;
  readonly #ranges: readonly { readonly fromNs: bigint; readonly toNs: bigint }[];
  #slotStartNs: bigint | undefined;
  #lastMetres: number | undefined;
  rowsSeen = 0;
  rowsKept = 0;
  #thinnedSeen = 0;

  constructor(rule: Downsampling, metresAt?: (timeNs: bigint) => number | undefined) {
    this.#rule = rule;
    this.#metresAt = metresAt;
    this.#periodNs = rule.rateHzMax === undefined ? 0n : BigInt(Math.round(1e9 / rule.rateHzMax));
    this.#ranges = (rule.keepRanges ?? []).map(({ from, to }) => ({ fromNs: nsOf(from), toNs: nsOf(to) }));
  }

  /** Rows in the order of the topic. */
  keeps(timeNs: bigint): boolean {
    this.rowsSeen += 1;
    const kept = this.#ranges.some(({ fromNs, toNs }) => fromNs <= timeNs && timeNs <= toNs)
      ? true
      : this.#passes(timeNs);
    if (kept) this.rowsKept += 1;
    return kept;
  }

  #passes(timeNs: bigint): boolean {
    const { everyNth } = this.#rule;
    const number = this.#thinnedSeen;
    this.#thinnedSeen += 1;
    if (everyNth !== undefined && number % everyNth !== 0) return false;
    const metres = this.#metresAt?.(timeNs);
    if (!this.#isFar(metres) || !this.#isDue(timeNs)) return false;
    if (metres !== undefined) this.#lastMetres = metres;
    this.#startSlot(timeNs);
    return true;
  }

  /** Where the way is not known nothing can be said to be near. */
  #isFar(metres: number | undefined): boolean {
    const { distanceMetresMin } = this.#rule;
    if (distanceMetresMin === undefined || metres === undefined || this.#lastMetres === undefined)
      return true;
    return Math.abs(metres - this.#lastMetres) >= distanceMetresMin;
  }

  /** The first row of each period is due: on average the rate is met, whatever the recorder's own rate is. */
  #isDue(timeNs: bigint): boolean {
    if (this.#periodNs === 0n || this.#slotStartNs === undefined) return true;
    // A clock that was set back starts anew.
    return timeNs >= this.#slotStartNs + this.#periodNs || timeNs < this.#slotStartNs;
  }

  #startSlot(timeNs: bigint): void {
    if (this.#periodNs === 0n) return;
    if (this.#slotStartNs === undefined || timeNs < this.#slotStartNs) this.#slotStartNs = timeNs;
    else this.#slotStartNs += ((timeNs - this.#slotStartNs) / this.#periodNs) * this.#periodNs;
  }
}

/** RFC 3339 with up to nine digits below the second, as nanoseconds since 1970. */
function nsOf(text: string): bigint {
  const [, whole = '', fraction = '', zone = ''] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const wholeNs = BigInt(Date.parse(`${whole}${zone}`)) * 1_000_000n;
  return wholeNs + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}
