import { LossCounter, type TableSummary } from '../recording-reader.ts';
import { linkOf, Mdf4Damage, requireData, uint64 } from './blocks.ts';
import { DL_EQUAL_LENGTH, measured } from './data-blocks.ts';
import { bytesOfBlock, type StreamSource } from './data-stream.ts';
import { Mdf4Reader, type OpenedFile } from './reader.ts';
import type { Mdf4Table, TablePart } from './tables.ts';
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
  const strideBytes = part.isColumnOriented
    ? part.group.dataBytes
    : part.group.dataBytes + part.group.invalidationBytes;
  if (table.master?.field === undefined || rowCount === 0 || strideBytes === 0) return {};
  try {
    const first = await recordAt(source, part, 0, strideBytes);
    const last = await recordAt(source, part, rowCount - 1, strideBytes);
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

/** One record, where the lists of blocks tell which block holds it; only that block is read. */
async function recordAt(
  source: StreamSource,
  part: TablePart,
  row: number,
  strideBytes: number,
): Promise<Uint8Array | undefined> {
  const place = await blockAt(source, part.dataGroup.dataLink, row * strideBytes);
  if (place === undefined) return undefined;
  return bytesOfBlock(source, place.block, row * strideBytes - place.startByte, strideBytes);
}

/** The block of a stream that holds a byte, found from lists alone; undefined where they do not say. */
async function blockAt({ reader, unfinished }: StreamSource, dataLink: number, byte: number) {
  let best: { readonly link: number; readonly startByte: number } | undefined;
  let startByte = 0;
  const visited = new Set<number>();
  for (let link = dataLink; link !== 0 && !visited.has(link); ) {
    visited.add(link);
    const header = await reader.header(link);
    if (header.id === 'HL') {
      link = linkOf(await reader.block(link), 0);
      continue;
    }
    if (header.id !== 'DL') {
      best ??= { link, startByte: 0 };
      break;
    }
    const list = await reader.block(link, 'DL');
    const data = requireData(list, 16);
    const count = Math.min(data.getUint32(4, true), list.links.length - 1);
    const equalBytes = (data.getUint8(0) & DL_EQUAL_LENGTH) === 0 ? undefined : uint64(data, 8);
    for (let item = 0; item < count; item++) {
      if (equalBytes === undefined && data.byteLength < 16 + item * 8) return undefined;
      const start = equalBytes === undefined ? uint64(data, 8 + item * 8) : startByte + item * equalBytes;
      if (start <= byte) best = { link: linkOf(list, 1 + item), startByte: start };
    }
    startByte += count * (equalBytes ?? 0);
    link = linkOf(list, 0);
  }
  if (best === undefined) return undefined;
  const header = await reader.header(best.link);
  return { block: measured(reader, header, unfinished), startByte: best.startByte };
}
