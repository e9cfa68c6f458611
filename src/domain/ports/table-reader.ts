import type { TableDefinition, TableRows } from './table-writer.ts';

/** What a stored table says of itself. Units, descriptions, choices and sources as they were written. */
export interface StoredTable {
  readonly definition: TableDefinition;
  readonly rowCount: number;
}

export interface StoredRows extends TableRows {
  /** Of the columns read, in the order of `columns`. */
  readonly definition: TableDefinition;
}

/**
 * Reads local Parquet files as columns. A table of TableWriter comes back as it was given: `timestamp` columns in
 * nanoseconds, their `<name>_ns` companions not listed. Files of others are read by their own types, where a
 * TableColumnType exists for them; other columns are left out.
 */
export interface TableReader {
  /** @throws {TerminalFailure} `file-unreadable` when it is not a readable Parquet file. */
  describe(localPath: string): Promise<StoredTable>;
  /**
   * Rows in file order, in batches of at most 65,536. `columns` are names of the definition, in the order wanted;
   * absent = all. Memory is bounded by a batch, whose rows are the fewer the more columns there are; with `orderedBy`,
   * rows come by that column ascending, nulls last, equal ones in file order, sorted beside the file where memory does not
   * suffice. @throws {TerminalFailure} `not-found` for a name the table does not have, `file-unreadable`.
   */
  read(
    localPath: string,
    columns?: readonly string[],
    options?: { readonly orderedBy?: string },
  ): AsyncIterable<StoredRows>;
}
