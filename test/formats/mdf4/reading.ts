import { byteSourceOf } from '#formats/byte-source.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import type { ColumnValues, RecordingReader, Selection, TableBatch } from '#formats/recording-reader.ts';
import { NODE_DECOMPRESSORS } from './node-decompressors.ts';

export function openBytes(bytes: Uint8Array): Promise<RecordingReader> {
  return openMdf4(byteSourceOf(bytes), { name: 'test.mf4', decompressors: NODE_DECOMPRESSORS });
}

export type Cell = number | bigint | string | null | readonly (number | bigint)[];

/** All rows of a table as plain values: bytes as hex, times in nanoseconds under `time`. */
export interface PlainTable {
  readonly time: bigint[];
  readonly columns: Record<string, Cell[]>;
}

export async function readTables(
  reader: RecordingReader,
  selection?: Selection,
): Promise<Record<string, PlainTable>> {
  const tables: Record<string, PlainTable> = {};
  for await (const batch of reader.read(selection)) {
    tables[batch.table.name] ??= { time: [], columns: {} };
    const table = tables[batch.table.name]!;
    table.time.push(...batch.timestampsNs);
    batch.columnSchemas.forEach((schema, index) => {
      table.columns[schema.name] ??= [];
      table.columns[schema.name]!.push(...cellsOf(batch, index, schema.type === 'string'));
    });
  }
  return tables;
}

function cellsOf(batch: TableBatch, index: number, isText: boolean): Cell[] {
  const { values, validity } = batch.columns[index]!;
  return Array.from({ length: batch.rowCount }, (_, row) =>
    validity?.[row] === 0 ? null : cellOf(values, row, isText),
  );
}

function cellOf(values: ColumnValues, row: number, isText: boolean): Cell {
  if (!('kind' in values)) return values[row]!;
  const [start, end] = [values.offsets[row]!, values.offsets[row + 1]!];
  if (values.kind === 'variable')
    return Buffer.from(values.bytes.subarray(start, end)).toString(isText ? 'utf8' : 'hex');
  const items = values.items;
  if ('kind' in items) throw new Error('lists of lists are not expected');
  return Array.from<number | bigint>(items.subarray(start, end) as unknown as ArrayLike<number | bigint>);
}
