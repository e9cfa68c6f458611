import { LossCounter, type TableSummary } from '../recording-reader.ts';
import { Mdf4Damage } from './blocks.ts';
import type { StreamSource } from './data-stream.ts';
import { Mdf4Reader, type OpenedFile } from './reader.ts';
import { RecordLookup, recordBytesOf } from './record-lookup.ts';
import type { Mdf4Table } from './tables.ts';
import { masterSeconds, toTimestamps } from './timestamps.ts';

/**
 * Up to this size, a file whose records lie mixed is walked once when it is opened, so that its summary tells rows and
 * times as a sorted file's does. In larger ones they are known when it has been read.
 */
const WALKED_BYTES_MAX = 1 << 26;

/** The file with row counts and times in its summary, as far as they cost little to find. */
export async function withTimes(file: OpenedFile): Promise<OpenedFile> {
  const times = new Map<string, Partial<TableSummary>>();
  for (const table of file.tables) {
    if (table.isSorted)
      times.set(table.summary.name, await sortedTimes(file.source, table, file.startTimeNs));
  }
  if (file.summary.sizeBytes <= WALKED_BYTES_MAX) {
    const mixed = file.tables.filter((table) => !table.isSorted);
    for (const [name, walked] of await walk(file, mixed)) times.set(name, walked);
  }
  const complete = (summary: TableSummary): TableSummary => ({ ...summary, ...times.get(summary.name) });
  const tables = file.tables.map((table) => ({ ...table, summary: complete(table.summary) }));
  const summaries = file.summary.tables.map(complete);
  const starts = summaries.flatMap((table) => table.startTimeNs ?? []);
  const ends = summaries.flatMap((table) => table.endTimeNs ?? []);
  return {
    ...file,
    tables,
    summary: {
      ...file.summary,
      tables: summaries,
      ...(starts.length === 0 ? {} : { startTimeNs: starts.toSorted(ascending)[0]! }),
      ...(ends.length === 0 ? {} : { endTimeNs: ends.toSorted(ascending).at(-1)! }),
    },
  };
}

function ascending(first: bigint, second: bigint): number {
  return first < second ? -1 : Number(first > second);
}

/** Rows, earliest and latest time of mixed tables, without decoding any column. Damage is counted when it is read. */
async function walk(
  file: OpenedFile,
  tables: readonly Mdf4Table[],
): Promise<Map<string, Partial<TableSummary>>> {
  const found = new Map<string, { rowCount: number; startTimeNs?: bigint; endTimeNs?: bigint }>();
  for (const table of tables) found.set(table.summary.name, { rowCount: 0 });
  if (tables.length === 0) return found;
  const reader = new Mdf4Reader(file, new LossCounter());
  for await (const batch of reader.read({ tables: [...found.keys()], columns: [] })) {
    const entry = found.get(batch.table.name);
    if (entry === undefined) continue;
    entry.rowCount += batch.rowCount;
    for (const time of batch.timestampsNs) {
      if (entry.startTimeNs === undefined || time < entry.startTimeNs) entry.startTimeNs = time;
      if (entry.endTimeNs === undefined || time > entry.endTimeNs) entry.endTimeNs = time;
    }
  }
  return found;
}

/** Times of the first and last row, from one record each. */
async function sortedTimes(
  source: StreamSource,
  table: Mdf4Table,
  startTimeNs: bigint,
): Promise<Partial<TableSummary>> {
  const part = table.parts[0]!;
  const rowCount = table.summary.rowCount ?? 0;
  const strideBytes = recordBytesOf(part);
  if (table.master?.field === undefined || rowCount === 0 || strideBytes === 0) return {};
  try {
    const lookup = new RecordLookup(source, part, false);
    const first = await lookup.record(0);
    const last = await lookup.record(rowCount - 1);
    if (first === undefined || last === undefined) return {};
    const { master } = table;
    const timeOf = (bytes: Uint8Array) => {
      const { timestampsNs, unreadable } = toTimestamps(
        startTimeNs,
        masterSeconds(master, { bytes, strideBytes, count: 1 }, 0),
      );
      return unreadable === undefined ? timestampsNs[0] : undefined;
    };
    const [start, end] = [timeOf(first), timeOf(last)];
    return start === undefined || end === undefined ? {} : { startTimeNs: start, endTimeNs: end };
  } catch (error) {
    // Reading the table will meet the same damage, and count it.
    if (error instanceof Mdf4Damage) return {};
    throw error;
  }
}
