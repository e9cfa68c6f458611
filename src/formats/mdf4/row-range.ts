import type { Selection } from '../recording-reader.ts';
import { Mdf4Damage } from './blocks.ts';
import type { StreamSource } from './data-stream.ts';
import { RecordLookup, recordBytesOf } from './record-lookup.ts';
import type { Mdf4Table } from './tables.ts';
import { masterSeconds, toTimestamps } from './timestamps.ts';

/** Rows `start` up to, not including, `end`. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

const ALL_ROWS: RowRange = { start: 0, end: Number.POSITIVE_INFINITY };

/** Fewer rows are read faster than they are searched. */
const SEARCHED_ROWS_MIN = 1 << 12;
/** Rows looked at all over the group, besides those of the search. */
const SPREAD_PROBES = 16;

/**
 * The rows of a sorted table among which all rows of the selected time lie: found by the master, which ascends (ASAM
 * MDF 4.1.0, 4.16.1), in as many single records as halving takes. All rows, where the lists of blocks do not tell
 * where a record lies, or times that were looked at, there and all over the group, do not ascend.
 */
export async function rowRangeOf(
  source: StreamSource,
  table: Mdf4Table,
  fileStartNs: bigint,
  { startTimeNs, endTimeNs }: Selection,
): Promise<RowRange> {
  const part = table.parts[0]!;
  const { rowCount = 0 } = table.summary;
  const strideBytes = recordBytesOf(part);
  const { master } = table;
  if (startTimeNs === undefined && endTimeNs === undefined) return ALL_ROWS;
  if (master?.field === undefined || strideBytes === 0) return ALL_ROWS;
  if (!table.isSorted || rowCount < SEARCHED_ROWS_MIN || !Number.isSafeInteger(rowCount)) return ALL_ROWS;
  const lookup = new RecordLookup(source, part, true);
  const times = new Map<number, bigint>();
  const timeOf = async (row: number): Promise<bigint> => {
    const bytes = await lookup.record(row);
    if (bytes === undefined) throw new Mdf4Damage(`record ${row} is not found by its place`);
    const seconds = masterSeconds(master, { bytes, strideBytes, count: 1 }, row);
    const { timestampsNs, unreadable } = toTimestamps(fileStartNs, seconds);
    if (unreadable !== undefined) throw new Mdf4Damage(`record ${row} has no time`);
    times.set(row, timestampsNs[0]!);
    return timestampsNs[0]!;
  };
  try {
    const start = startTimeNs === undefined ? 0 : await firstRowFrom(startTimeNs, rowCount, timeOf);
    const end = endTimeNs === undefined ? rowCount : await firstRowFrom(endTimeNs, rowCount, timeOf);
    for (let probe = 0; probe <= SPREAD_PROBES; probe++) {
      await timeOf(Math.floor(((rowCount - 1) * probe) / SPREAD_PROBES));
    }
    return ascends(times) ? { start, end: Math.max(start, end) } : ALL_ROWS;
  } catch (error) {
    // Reading all rows will meet the same damage, and count it.
    if (error instanceof Mdf4Damage) return ALL_ROWS;
    throw error;
  }
}

async function firstRowFrom(
  timeNs: bigint,
  rowCount: number,
  timeOf: (row: number) => Promise<bigint>,
): Promise<number> {
  let low = 0;
  let high = rowCount;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await timeOf(middle)) < timeNs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ascends(times: ReadonlyMap<number, bigint>): boolean {
  const inOrder = [...times].toSorted(([first], [second]) => first - second);
  return inOrder.every(([, time], index) => index === 0 || inOrder[index - 1]![1] <= time);
}
