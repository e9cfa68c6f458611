import type { RecordingSummary } from '../recording-reader.ts';
import { ChannelCursor } from './channel-cursor.ts';
import type { PropertyValue } from './metadata.ts';
import type { PlannedBytes } from './planned-bytes.ts';
import { timeColumnOf, timesOf } from './row-times.ts';
import { rangeOf } from './run-values.ts';
import type { ChunkSpan, Structure } from './structure.ts';
import type { TdmsTable } from './tables.ts';
import { toUtcNs, utcText } from './timestamp.ts';

/** The tables with the times of their first and last row, where those are absolute. */
export async function withTimes(
  tables: readonly TdmsTable[],
  spans: readonly ChunkSpan[],
  bytes: PlannedBytes,
): Promise<TdmsTable[]> {
  const edges = tables.flatMap((table) =>
    table.timeBase.isAbsolute && table.rowCount > 0
      ? [0, table.rowCount - 1].map((row) => ({ table, row, runs: runsAt(table, row, spans) }))
      : [],
  );
  const loaded = await bytes.load(edges.flatMap(({ runs }) => runs.map(rangeOf)));
  const timesByTable = new Map<TdmsTable, bigint[]>();
  for (const { table, row, runs } of edges) {
    if (timeColumnOf(table) !== undefined && runs.length === 0) continue;
    const { timestampsNs, unreadable } = timesOf(table, row, 1, { runs, loaded, texts: [] });
    if (unreadable === undefined)
      timesByTable.set(table, [...(timesByTable.get(table) ?? []), timestampsNs[0]!]);
  }
  return tables.map((table) => {
    const times = timesByTable.get(table) ?? [];
    const [startTimeNs, endTimeNs] = times;
    if (startTimeNs === undefined || endTimeNs === undefined) return table;
    return { ...table, summary: { ...table.summary, startTimeNs, endTimeNs } };
  });
}

function runsAt(table: TdmsTable, row: number, spans: readonly ChunkSpan[]) {
  const column = timeColumnOf(table);
  if (column === undefined) return [];
  const cursor = new ChannelCursor(spans, column.channel.id, column.channel.valueCount);
  cursor.advance(row);
  return cursor.plan(1, 1).runs;
}

/** From the earliest row to the latest of all tables that have an absolute time. */
export function spanOf(tables: readonly TdmsTable[]): Pick<RecordingSummary, 'startTimeNs' | 'endTimeNs'> {
  let [first, last]: [bigint | undefined, bigint | undefined] = [undefined, undefined];
  for (const { summary } of tables) {
    const { startTimeNs, endTimeNs } = summary;
    if (startTimeNs === undefined || endTimeNs === undefined) continue;
    if (first === undefined || startTimeNs < first) first = startTimeNs;
    if (last === undefined || endTimeNs > last) last = endTimeNs;
  }
  return first === undefined || last === undefined ? {} : { startTimeNs: first, endTimeNs: last };
}

/** What columns say already. */
const IN_COLUMNS = /^(NI_Scale\[|NI_Number_Of_Scales$|NI_Scaling_Status$|unit_string$|description$)/;

/**
 * Properties as text: the file's by their own names, a group's as `<group>.<name>`, a channel's as
 * `<group>/<channel>.<name>`; and for tables without an absolute time, `time.<table>` with what stands in for it.
 */
export function propertyTexts(structure: Structure, tables: readonly TdmsTable[]): Record<string, string> {
  const texts: [string, string][] = [];
  for (const [name, value] of structure.rootProperties) texts.push([name, textOf(value)]);
  for (const [group, properties] of structure.groups) {
    for (const [name, value] of properties) texts.push([`${group}.${name}`, textOf(value)]);
  }
  for (const { group, name: channel, properties } of structure.channels) {
    for (const [name, value] of properties) {
      if (!IN_COLUMNS.test(name)) texts.push([`${group}/${channel}.${name}`, textOf(value)]);
    }
  }
  for (const { summary, timeBase } of tables) {
    if (!timeBase.isAbsolute) texts.push([`time.${summary.name}`, TIME_NOTES[timeBase.form]]);
  }
  return Object.fromEntries(texts);
}

const TIME_NOTES = {
  waveform: 'no start time: rows count from 1970-01-01T00:00:00Z by wf_increment',
  elapsed: 'no start time: the time channel counts from 1970-01-01T00:00:00Z',
  rows: 'no time: row i has i nanoseconds',
} as const;

function textOf(property: PropertyValue): string {
  if (property.kind !== 'timestamp') return String(property.value);
  const utcNs = toUtcNs(property.value);
  return utcNs === undefined ? `${property.value.seconds} s since 1904` : utcText(utcNs);
}
