import type { Selection } from '../recording-reader.ts';
import type { ChannelRows, ColumnPlan } from './columns.ts';
import { asFloat64, numbersOf } from './run-values.ts';
import type { TdmsTable } from './tables.ts';
import type { TimeBase } from './time-base.ts';
import { addSeconds } from './timestamp.ts';

export interface RowTimes {
  readonly timestampsNs: BigInt64Array;
  /** 1 for rows whose time is none; absent where all have one. */
  readonly unreadable: Uint8Array | undefined;
}

/** The times of `rowCount` rows from `firstRow` on; `rows` are those of the time channel, where there is one. */
export function timesOf(
  table: TdmsTable,
  firstRow: number,
  rowCount: number,
  rows: ChannelRows | undefined,
): RowTimes {
  const { timeBase } = table;
  switch (timeBase.form) {
    case 'rows': {
      const timestampsNs = new BigInt64Array(rowCount);
      const words = new Uint32Array(timestampsNs.buffer);
      for (let row = 0; row < rowCount; row++) {
        words[2 * row] = firstRow + row;
        words[2 * row + 1] = Math.floor((firstRow + row) / 2 ** 32);
      }
      return { timestampsNs, unreadable: undefined };
    }
    case 'waveform':
      return waveformTimes(timeBase, firstRow, rowCount);
    case 'timestamps':
    case 'elapsed':
      return channelTimes(timeBase, timeColumnOf(table), rows!);
  }
}

type Waveform = Extract<TimeBase, { readonly form: 'waveform' }>;

const WORD = 2 ** 32;

/** As `addSeconds`, for seconds that grow evenly: what it asks of every row is asked of the first and the last only. */
function waveformTimes(waveform: Waveform, firstRow: number, rowCount: number): RowTimes {
  const { startNs, offsetSeconds, incrementSeconds } = waveform;
  const nsOf = (row: number) => Math.round((offsetSeconds + row * incrementSeconds) * 1e9);
  const leastNs = Math.min(nsOf(firstRow), nsOf(firstRow + rowCount - 1));
  const mostNs = Math.max(nsOf(firstRow), nsOf(firstRow + rowCount - 1));
  if (!isExact(startNs, leastNs) || !isExact(startNs, mostNs)) {
    const seconds = new Float64Array(rowCount);
    for (let row = 0; row < rowCount; row++)
      seconds[row] = offsetSeconds + (firstRow + row) * incrementSeconds;
    return addSeconds(startNs, seconds);
  }
  const timestampsNs = new BigInt64Array(rowCount);
  const words = new Uint32Array(timestampsNs.buffer);
  const least = startNs + BigInt(leastNs);
  let high = Number(least >> 32n);
  // Of the nanoseconds that the low word counts from 0 under this high word.
  let zeroNs = leastNs - Number(BigInt.asUintN(32, least));
  for (let row = 0; row < rowCount; row++) {
    const ns = Math.round((offsetSeconds + (firstRow + row) * incrementSeconds) * 1e9);
    let low = ns - zeroNs;
    if (low < 0 || low >= WORD) {
      const turns = Math.floor(low / WORD);
      high += turns;
      zeroNs += turns * WORD;
      low -= turns * WORD;
    }
    words[2 * row] = low;
    words[2 * row + 1] = high;
  }
  return { timestampsNs, unreadable: undefined };
}

/** Whether the double counts nanoseconds one by one, and int64 can say the sum. */
function isExact(startNs: bigint, ns: number): boolean {
  if (!(Math.abs(ns) < 2 ** 51)) return false;
  const sum = startNs + BigInt(ns);
  return sum === BigInt.asIntN(64, sum);
}

/** The column that a table's times come from. */
export function timeColumnOf(table: TdmsTable): ColumnPlan | undefined {
  const { timeBase } = table;
  if (timeBase.form !== 'timestamps' && timeBase.form !== 'elapsed') return undefined;
  return table.columns.find((plan) => plan.channel === timeBase.channel);
}

function channelTimes(base: TimeBase, column: ColumnPlan | undefined, rows: ChannelRows): RowTimes {
  const decoded = column?.decode(rows) ?? numbersOf(rows.runs, rows.loaded, 'float64', undefined);
  const unreadable = decoded.validity?.map((flag) => 1 - flag);
  const { values } = decoded;
  if ('kind' in values) return { timestampsNs: new BigInt64Array(0), unreadable };
  if (base.form !== 'elapsed') return { timestampsNs: values as BigInt64Array, unreadable };
  const times = addSeconds(
    base.startNs,
    asFloat64(values).map((value) => value * base.secondsPerUnit),
  );
  return { ...times, unreadable: merged(times.unreadable, unreadable) };
}

function merged(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.map((flag, row) => flag | b[row]!);
}

/** The rows of a waveform that can lie in the selected time; all rows where only their times tell. */
export function rowsInTime(table: TdmsTable, selection: Selection): { first: number; end: number } {
  const { timeBase, rowCount } = table;
  const { startTimeNs, endTimeNs } = selection;
  if (timeBase.form !== 'waveform' || timeBase.incrementSeconds < 0) return { first: 0, end: rowCount };
  const rowAt = (timeNs: bigint) =>
    (Number(timeNs - timeBase.startNs) / 1e9 - timeBase.offsetSeconds) / timeBase.incrementSeconds;
  // One row more on either side: times are rounded, and each row is compared again.
  const first = startTimeNs === undefined ? 0 : Math.floor(rowAt(startTimeNs)) - 1;
  const end = endTimeNs === undefined ? rowCount : Math.ceil(rowAt(endTimeNs)) + 1;
  return { first: Math.max(0, first), end: Math.min(rowCount, end) };
}

/** The rows to keep: those with a time, in the selected time. Undefined where all stay. */
export function keptRows(
  { timestampsNs, unreadable }: RowTimes,
  { startTimeNs, endTimeNs }: Selection,
): Uint32Array | undefined {
  if (unreadable === undefined && startTimeNs === undefined && endTimeNs === undefined) return undefined;
  const kept = new Uint32Array(timestampsNs.length);
  let count = 0;
  for (let row = 0; row < timestampsNs.length; row++) {
    if (unreadable?.[row] === 1) continue;
    if (startTimeNs !== undefined && timestampsNs[row]! < startTimeNs) continue;
    if (endTimeNs !== undefined && timestampsNs[row]! >= endTimeNs) continue;
    kept[count++] = row;
  }
  return count === timestampsNs.length ? undefined : kept.subarray(0, count);
}
