/** Seconds from 1904-01-01T00:00:00Z, LabVIEW's epoch, to 1970-01-01T00:00:00Z. */
export const SECONDS_1904_TO_1970 = 2_082_844_800;

const NS_PER_SECOND = 1_000_000_000n;
const FRACTIONS_BITS = 64n;
const HALF_FRACTION = 1n << (FRACTIONS_BITS - 1n);
const INT64_MAX = (1n << 63n) - 1n;

/** A time as the file says it: whole seconds since 1904 and 2^-64 fractions of a second. */
export interface TdmsTimestamp {
  readonly seconds: bigint;
  readonly fractions: bigint;
}

/** The 16 bytes at `offset`: fractions first in little endian, seconds first in big endian. */
export function timestampAt(view: DataView, offset: number, isLittle: boolean): TdmsTimestamp {
  const [fractionsAt, secondsAt] = isLittle ? [offset, offset + 8] : [offset + 8, offset];
  return {
    seconds: view.getBigInt64(secondsAt, isLittle),
    fractions: view.getBigUint64(fractionsAt, isLittle),
  };
}

/** UTC nanoseconds since 1970, rounded; undefined for a time that int64 nanoseconds cannot say. */
export function toUtcNs({ seconds, fractions }: TdmsTimestamp): bigint | undefined {
  const ns =
    (seconds - BigInt(SECONDS_1904_TO_1970)) * NS_PER_SECOND +
    ((fractions * NS_PER_SECOND + HALF_FRACTION) >> FRACTIONS_BITS);
  return ns > INT64_MAX || ns < -INT64_MAX ? undefined : ns;
}

/** The stored time nearest to UTC nanoseconds since 1970. */
export function fromUtcNs(utcNs: bigint): TdmsTimestamp {
  const whole = utcNs / NS_PER_SECOND - (utcNs % NS_PER_SECOND < 0n ? 1n : 0n);
  const ns = utcNs - whole * NS_PER_SECOND;
  return {
    seconds: whole + BigInt(SECONDS_1904_TO_1970),
    fractions: ((ns << FRACTIONS_BITS) + NS_PER_SECOND / 2n) / NS_PER_SECOND,
  };
}

/** LabVIEW writes time zero where no time was set. */
export function isUnset({ seconds, fractions }: TdmsTimestamp): boolean {
  return seconds === 0n && fractions === 0n;
}

/** ISO 8601 with nanoseconds: `2018-08-02T16:14:48.303313000Z`; the raw number of ns where no calendar has it. */
export function utcText(utcNs: bigint): string {
  const whole = utcNs / NS_PER_SECOND - (utcNs % NS_PER_SECOND < 0n ? 1n : 0n);
  const fraction = String(utcNs - whole * NS_PER_SECOND).padStart(9, '0');
  return `${new Date(Number(whole) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

const HIGH = 2 ** 32;

/**
 * `startNs + seconds[row]`, rounded to the nanosecond (exact below 104 days). Rows whose time is no number, or
 * outside of what int64 nanoseconds can say, are marked 1 in `unreadable`.
 */
export function addSeconds(startNs: bigint, seconds: Float64Array) {
  const timestampsNs = new BigInt64Array(seconds.length);
  // Added as two 32-bit words: a BigInt for each row would cost more than the rest of the decoding.
  const words = new Uint32Array(timestampsNs.buffer);
  const startLow = Number(startNs & 0xffff_ffffn);
  const startHigh = Number(startNs >> 32n);
  let unreadable: Uint8Array | undefined;
  for (let row = 0; row < seconds.length; row++) {
    const ns = Math.round(seconds[row]! * 1e9);
    const high = Math.floor(ns / HIGH);
    const low = ns - high * HIGH + startLow;
    const carry = low >= HIGH ? 1 : 0;
    const sumHigh = high + startHigh + carry;
    if (!(sumHigh >= -(2 ** 31) && sumHigh < 2 ** 31)) {
      unreadable ??= new Uint8Array(seconds.length);
      unreadable[row] = 1;
      continue;
    }
    words[row * 2] = low - carry * HIGH;
    words[row * 2 + 1] = sumHigh;
  }
  return { timestampsNs, unreadable };
}
