import assert from 'node:assert/strict';
import type {
  ColumnBatch,
  ColumnType,
  ColumnValues,
  RecordingReader,
  Selection,
  TableBatch,
} from '#formats/recording-reader.ts';

export type Value = number | bigint | string | Uint8Array | null | readonly Value[];

/** Everything a reader yields for one table, as plain values: for tests, which are small. */
export interface CollectedTable {
  readonly timestampsNs: bigint[];
  readonly columns: Map<string, Value[]>;
}

export async function collectTables(
  reader: RecordingReader,
  selection?: Selection,
): Promise<Map<string, CollectedTable>> {
  const tables = new Map<string, CollectedTable>();
  for await (const batch of reader.read(selection)) {
    let table = tables.get(batch.table.name);
    if (table === undefined) {
      table = { timestampsNs: [], columns: new Map() };
      tables.set(batch.table.name, table);
    }
    addBatch(table, batch);
  }
  return tables;
}

export async function collectTable(
  reader: RecordingReader,
  name: string,
  selection?: Selection,
): Promise<CollectedTable> {
  const table = (await collectTables(reader, { ...selection, tables: [name] })).get(name);
  assert.ok(table, `no rows of ${name}`);
  return table;
}

function addBatch(table: CollectedTable, batch: TableBatch): void {
  assert.equal(batch.timestampsNs.length, batch.rowCount);
  assert.equal(batch.columns.length, batch.columnSchemas.length);
  table.timestampsNs.push(...batch.timestampsNs);
  for (const [i, { name }] of batch.columnSchemas.entries()) {
    const collected = table.columns.get(name) ?? [];
    table.columns.set(name, collected);
    collected.push(...columnValuesOf(batch.columns[i]!, batch.columnSchemas[i]!.type, batch.rowCount));
  }
}

/** A column's values, one by one; text is checked to be UTF-8. */
export function columnValuesOf({ values, validity }: ColumnBatch, type: ColumnType, rows: number): Value[] {
  return Array.from({ length: rows }, (_, row) =>
    validity?.[row] === 0 ? null : valueAt(values, row, type),
  );
}

function valueAt(values: ColumnValues, row: number, type: ColumnType): Value {
  if (!('kind' in values)) {
    const value = values[row];
    assert.notEqual(value, undefined, `row ${row} lies behind its column`);
    return value!;
  }
  const from = values.offsets[row]!;
  const to = values.offsets[row + 1]!;
  if (values.kind === 'variable') {
    const bytes = values.bytes.slice(from, to);
    return innermost(type) === 'string' ? new TextDecoder('utf-8', { fatal: true }).decode(bytes) : bytes;
  }
  return Array.from({ length: to - from }, (_, k) => valueAt(values.items, from + k, type));
}

function innermost(type: ColumnType): ColumnType {
  return typeof type === 'object' ? innermost(type.list) : type;
}
