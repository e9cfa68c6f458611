import { type Field, fieldOf, type Records, rawValues } from './field-values.ts';
import { type Channel, type ChannelGroup, ChannelType, isVirtual, SYNC_TIME } from './model.ts';
import { applyNumeric } from './physical-values.ts';

/** The time master of a channel group: seconds since the header's start time, physical. */
export interface Master {
  readonly channel: Channel;
  /** Absent for a virtual master, whose raw value is the row's index. */
  readonly field?: Field;
}

export function isTimeMaster(channel: Channel): boolean {
  const isMaster = channel.type === ChannelType.master || channel.type === ChannelType.virtualMaster;
  return isMaster && channel.syncType === SYNC_TIME;
}

/** Undefined in a group without time, whose rows all get the start time. @throws {Mdf4Damage} */
export function masterOf(group: ChannelGroup): Master | undefined {
  const channel = group.channels.find(isTimeMaster);
  if (channel === undefined) return undefined;
  return isVirtual(channel) ? { channel } : { channel, field: fieldOf(channel, channel, group.dataBytes) };
}

export function masterSeconds(master: Master, records: Records, firstRow: number): Float64Array {
  const raw =
    master.field === undefined
      ? Float64Array.from({ length: records.count }, (_, row) => firstRow + row)
      : rawValues(master.field, records);
  const { conversion } = master.channel;
  return applyNumeric(raw, conversion);
}

const NS_PER_SECOND = 1e9;
/** Seconds whose nanoseconds are still whole numbers in a float64: 104 days. Above, rounding is coarser than 1 ns. */
const HALF = 2 ** 32;

/**
 * Start time plus seconds, rounded to the nanosecond. Rows whose time is no number, or outside of what int64
 * nanoseconds can say, are marked in `unreadable`.
 */
export function toTimestamps(startTimeNs: bigint, seconds: Float64Array) {
  const timestampsNs = new BigInt64Array(seconds.length);
  // Added as two 32-bit words: a BigInt for each row would cost more than the rest of the decoding.
  const words = new Uint32Array(timestampsNs.buffer);
  const startLow = Number(startTimeNs & 0xffff_ffffn);
  const startHigh = Number(startTimeNs >> 32n);
  let unreadable: Uint8Array | undefined;
  for (let row = 0; row < seconds.length; row++) {
    const ns = Math.round(seconds[row]! * NS_PER_SECOND);
    const high = Math.floor(ns / HALF);
    const low = ns - high * HALF + startLow;
    const carry = low >= HALF ? 1 : 0;
    const sumHigh = high + startHigh + carry;
    if (!(sumHigh >= -(2 ** 31) && sumHigh < 2 ** 31)) {
      unreadable ??= new Uint8Array(seconds.length);
      unreadable[row] = 1;
      continue;
    }
    words[row * 2] = low - carry * HALF;
    words[row * 2 + 1] = sumHigh;
  }
  return { timestampsNs, unreadable };
}
