import assert from 'node:assert/strict';
import type { TableColumn, TableColumnType, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import type { ColumnBatch, ColumnSchema, ColumnType, ColumnValues } from '#formats/recording-reader.ts';

/**
 * Goal: what a reader gives, a table takes, and the other way round. Domain and formats declare the types each for
 * themselves (docs/decisions/0072); the compiler compares them here, before any test runs.
 */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

const SAME: {
  readonly types: Same<ColumnType, TableColumnType>;
  readonly values: Same<ColumnValues, TableValues>;
  readonly columns: Same<Required<ColumnSchema>, Required<TableColumn>>;
  readonly columnFields: Same<keyof ColumnSchema, keyof TableColumn>;
  readonly batches: Same<Required<ColumnBatch>, Required<TableRows['columns'][number]>>;
} = { types: true, values: true, columns: true, columnFields: true, batches: true };

describe('columns of readers and of tables', () => {
  it('are declared twice and are the same', () => {
    assert.ok(Object.values(SAME).every((same) => same));
  });
});
