/** Nanoseconds since 1970 as RFC 3339 UTC: milliseconds where they suffice, else all nine digits. */
export function rfc3339Of(timestampNs: bigint): string {
  const below = timestampNs % 1_000_000n;
  const wholeNs = timestampNs - (below < 0n ? below + 1_000_000n : below);
  const milliseconds = new Date(Number(wholeNs / 1_000_000n)).toISOString();
  const rest = timestampNs - wholeNs;
  return rest === 0n ? milliseconds : `${milliseconds.slice(0, -1)}${String(rest).padStart(6, '0')}Z`;
}

/** The first and last moment of some rows, UTC nanoseconds; undefined while there are none. Rows may come in any order. */
export class CoveredTime {
  #startTimeNs: bigint | undefined;
  #endTimeNs: bigint | undefined;

  get startTimeNs(): bigint | undefined {
    return this.#startTimeNs;
  }

  get endTimeNs(): bigint | undefined {
    return this.#endTimeNs;
  }

  include(timesNs: Iterable<bigint>): void {
    let [first, last] = [this.#startTimeNs, this.#endTimeNs];
    for (const timeNs of timesNs) {
      if (first === undefined || timeNs < first) first = timeNs;
      if (last === undefined || timeNs > last) last = timeNs;
    }
    this.#startTimeNs = first;
    this.#endTimeNs = last;
  }
}

/** Start and end of a table as its facts name them; nothing for a table without rows, or whose rows have no times. */
export function startAndEndOf({
  startTimeNs,
  endTimeNs,
}: {
  readonly startTimeNs?: bigint | undefined;
  readonly endTimeNs?: bigint | undefined;
}): { readonly startTime?: string; readonly endTime?: string } {
  if (startTimeNs === undefined || endTimeNs === undefined) return {};
  return { startTime: rfc3339Of(startTimeNs), endTime: rfc3339Of(endTimeNs) };
}
