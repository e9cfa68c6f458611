import assert from 'node:assert/strict';
import type { ColumnValues, RecordingReader, Selection, TableBatch } from '#formats/recording-reader.ts';

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
    const { values, validity } = batch.columns[i]!;
    const collected = table.columns.get(name) ?? [];
    table.columns.set(name, collected);
    for (let row = 0; row < batch.rowCount; row += 1) {
      collected.push(validity?.[row] === 0 ? null : valueAt(values, row, batch.columnSchemas[i]!.type));
    }
  }
}

function valueAt(values: ColumnValues, row: number, type: unknown): Value {
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

function innermost(type: unknown): unknown {
  return typeof type === 'object' && type !== null && 'list' in type ? innermost(type.list) : type;
}
