import type { ColumnSchema, LossCounter, TableBatch, TableSummary } from '../recording-reader.ts';
import { type BlockReader, linkOf, Mdf4Damage, requireData } from './blocks.ts';
import { SYNC_TIME } from './model.ts';
import { readText } from './text.ts';
import { stringValues } from './text-values.ts';
import { toTimestamps } from './timestamps.ts';

/** One EV block (ASAM MDF 4.1.0, 4.20). */
export interface RecordedEvent {
  readonly seconds: number;
  readonly name: string;
  readonly type: string;
  readonly range: string;
  readonly cause: string;
  readonly comment: string;
}

const TYPES = [
  'recording',
  'recording interrupt',
  'acquisition interrupt',
  'start trigger',
  'stop trigger',
  'trigger',
  'marker',
];
const RANGES = ['point', 'begin', 'end'];
const CAUSES = ['other', 'error', 'tool', 'script', 'user'];
const FIXED_BYTES = 32;

/** Events on the time axis, in the order of the file; those on angle, distance or index have no time and are counted. */
export async function readEvents(
  reader: BlockReader,
  firstLink: number,
  loss: LossCounter,
): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  const visited = new Set<number>();
  try {
    for (let link = firstLink; link !== 0; ) {
      if (visited.has(link)) throw new Mdf4Damage(`the list of events comes back to ${link}`);
      visited.add(link);
      const block = await reader.block(link, 'EV');
      const data = requireData(block, FIXED_BYTES);
      const name = await readText(reader, linkOf(block, 3));
      if (data.getUint8(1) !== SYNC_TIME) loss.add(1, 0, `event ${name || link} has no time`);
      else {
        events.push({
          seconds: Number(data.getBigInt64(16, true)) * data.getFloat64(24, true),
          name,
          type: TYPES[data.getUint8(0)] ?? `type ${data.getUint8(0)}`,
          range: RANGES[data.getUint8(2)] ?? `range ${data.getUint8(2)}`,
          cause: CAUSES[data.getUint8(3)] ?? `cause ${data.getUint8(3)}`,
          comment: await readText(reader, linkOf(block, 4)),
        });
      }
      link = linkOf(block, 0);
    }
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    loss.add(0, 0, `events cannot be read to their end: ${error.message}`);
  }
  return events;
}

const COLUMNS = ['name', 'type', 'range', 'cause', 'comment'] as const;

export function eventTable(name: string, eventCount: number): TableSummary {
  const columns = COLUMNS.map((column): ColumnSchema => ({ name: column, type: 'string' }));
  return { name, group: name, schemaName: 'EV', encoding: '', rowCount: eventCount, columns };
}

export function eventBatch(
  table: TableSummary,
  events: readonly RecordedEvent[],
  startTimeNs: bigint,
  columns: readonly string[] | undefined,
): TableBatch {
  const { timestampsNs } = toTimestamps(
    startTimeNs,
    Float64Array.from(events, (event) => event.seconds),
  );
  const chosen = COLUMNS.filter((column) => columns === undefined || columns.includes(column));
  return {
    table,
    rowCount: events.length,
    timestampsNs,
    columns: chosen.map((column) => ({ values: stringValues(events.map((event) => event[column])) })),
    columnSchemas: chosen.map((column) => ({ name: column, type: 'string' })),
  };
}
