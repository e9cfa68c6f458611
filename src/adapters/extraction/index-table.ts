import type { TableRows } from '#domain/ports/table-writer.ts';
import type { ExtractedFile, GrowingTable } from './topic-extraction.ts';

/** Rows that are kept before they are written: enough for a good batch, little beside one frame. */
const ROWS_HELD_MAX = 4096;

/** A table that is filled row by row, as frames and scans come. */
export class IndexTable<Row> {
  readonly #table: GrowingTable;
  readonly #columns: (rows: readonly Row[]) => TableRows['columns'];
  #held: Row[] = [];
  #count = 0;

  /** @param columns the rows as columns, in the order of the table's. */
  constructor(table: GrowingTable, columns: (rows: readonly Row[]) => TableRows['columns']) {
    this.#table = table;
    this.#columns = columns;
  }

  get rowCount(): number {
    return this.#count;
  }

  async add(row: Row): Promise<void> {
    this.#held.push(row);
    this.#count += 1;
    if (this.#held.length === ROWS_HELD_MAX) await this.#write();
  }

  async close(): Promise<ExtractedFile | undefined> {
    await this.#write();
    return this.#table.close();
  }

  async #write(): Promise<void> {
    const rows = this.#held;
    if (rows.length === 0) return;
    this.#held = [];
    await this.#table.append({ rowCount: rows.length, columns: this.#columns(rows) });
  }
}
