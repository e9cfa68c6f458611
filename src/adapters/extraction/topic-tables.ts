import { join } from 'node:path';
import type { OpenTable, TableColumn, TableWriter, WrittenTable } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { ColumnBatch, ColumnSchema, TableBatch } from '#formats/recording-reader.ts';

/** A closed table and what it holds. */
export interface WrittenTopicTable {
  readonly name: string;
  readonly schemaName: string;
  readonly columns: readonly TableColumn[];
  readonly written: WrittenTable;
  /** UTC nanoseconds of the first and last row. */
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
}

interface OpenTopicTable {
  readonly name: string;
  readonly schemaName: string;
  readonly columns: readonly TableColumn[];
  readonly table: OpenTable;
  startTimeNs: bigint;
  endTimeNs: bigint;
}

/** Batches of a recording into one Parquet table per topic, channel group or message. */
export class TopicTables {
  readonly #writer: TableWriter;
  readonly #folder: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #open = new Map<string, OpenTopicTable>();

  /** @param metadata facts of the source that go into every table. */
  constructor(writer: TableWriter, folder: string, metadata: Readonly<Record<string, string>>) {
    this.#writer = writer;
    this.#folder = folder;
    this.#metadata = metadata;
  }

  async append(batch: TableBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    const topic = this.#open.get(batch.table.name) ?? (await this.#openTable(batch));
    for (const time of batch.timestampsNs) {
      if (time < topic.startTimeNs) topic.startTimeNs = time;
      if (time > topic.endTimeNs) topic.endTimeNs = time;
    }
    await topic.table.append({
      rowCount: batch.rowCount,
      columns: [{ values: batch.timestampsNs }, ...batch.columns],
    });
  }

  /** Closes all tables, in the order of their first rows. */
  async close(): Promise<readonly WrittenTopicTable[]> {
    const written: WrittenTopicTable[] = [];
    for (const { table, ...topic } of this.#open.values())
      written.push({ ...topic, written: await table.close() });
    this.#open.clear();
    return written;
  }

  async #openTable(batch: TableBatch): Promise<OpenTopicTable> {
    const { name, schemaName } = batch.table;
    const columns: TableColumn[] = [TIME_COLUMN, ...batch.columnSchemas.map(columnOf)];
    const table = await this.#writer.open(
      join(this.#folder, `${this.#open.size}-${fileNameOf(name)}.parquet`),
      {
        columns,
        metadata: { ...this.#metadata, topic: name, schemaName },
      },
    );
    const topic = {
      name,
      schemaName,
      columns,
      table,
      startTimeNs: batch.timestampsNs[0]!,
      endTimeNs: batch.timestampsNs[0]!,
    };
    this.#open.set(name, topic);
    return topic;
  }
}

/** A field of the message that is itself called `timestamp` gives way to the time of the row. */
function columnOf(schema: ColumnSchema): TableColumn {
  return schema.name === TIME_COLUMN.name ? { ...schema, name: `message.${schema.name}` } : schema;
}

/** A topic or group as a file name: `/imu/data` → `imu_data`. */
export function fileNameOf(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, '_').replaceAll(/^_+|_+$/g, '');
  return plain === '' ? 'table' : plain.slice(0, 120);
}

/** The rows of a batch whose numbers are given, in that order. */
export function rowsOf(batch: TableBatch, rows: readonly number[]): TableBatch {
  if (rows.length === batch.rowCount) return batch;
  return {
    ...batch,
    rowCount: rows.length,
    timestampsNs: BigInt64Array.from(rows, (row) => batch.timestampsNs[row]!),
    columns: batch.columns.map((column) => columnRows(column, rows)),
  };
}

function columnRows({ values, validity }: ColumnBatch, rows: readonly number[]): ColumnBatch {
  return {
    values: valueRows(values, rows),
    ...(validity === undefined ? {} : { validity: Uint8Array.from(rows, (row) => validity[row]!) }),
  };
}

function valueRows(values: ColumnBatch['values'], rows: readonly number[]): ColumnBatch['values'] {
  if (!('kind' in values)) {
    // All numeric arrays are alike here; their union has no common call signature.
    const numbers = values as Float64Array;
    const make = values.constructor as new (length: number) => Float64Array;
    const picked = new make(rows.length);
    rows.forEach((row, index) => {
      picked[index] = numbers[row]!;
    });
    return picked;
  }
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, index) => {
    offsets[index + 1] = offsets[index]! + values.offsets[row + 1]! - values.offsets[row]!;
  });
  if (values.kind === 'variable') {
    const bytes = new Uint8Array(offsets[rows.length]!);
    rows.forEach((row, index) => {
      bytes.set(values.bytes.subarray(values.offsets[row], values.offsets[row + 1]), offsets[index]);
    });
    return { kind: 'variable', offsets, bytes };
  }
  const items = rows.flatMap((row) => {
    const [from, to] = [values.offsets[row]!, values.offsets[row + 1]!];
    return Array.from({ length: to - from }, (_, index) => from + index);
  });
  return { kind: 'list', offsets, items: valueRows(values.items, items) };
}
