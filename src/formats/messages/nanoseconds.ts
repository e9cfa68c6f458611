const TWO_32 = 4_294_967_296;

/** Writes seconds * 10^9 + nanoseconds as entry `index` of a BigInt64Array seen as 32-bit halves (low, high). */
export function writeNanoseconds(
  halves: Uint32Array,
  index: number,
  seconds: number,
  nanoseconds_: number,
): void {
  const upper = Math.floor(seconds / 65_536);
  const lowPart = (seconds - upper * 65_536) * 1e9 + nanoseconds_;
  const highPart = upper * 1e9;
  const highQuotient = Math.floor(highPart / 65_536);
  const sum = lowPart + (highPart - highQuotient * 65_536) * 65_536;
  halves[2 * index] = sum;
  halves[2 * index + 1] = highQuotient + Math.floor(sum / TWO_32);
}
