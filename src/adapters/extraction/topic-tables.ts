import type { TableColumn } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import { typeNameOf } from '#domain/topic-kinds.ts';
import { unitOf } from '#domain/topic-units.ts';
import type { ColumnSchema, TableBatch } from '#formats/recording-reader.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  GrowingTable,
  type TopicExtraction,
} from './topic-extraction.ts';

/** One Parquet table per topic, channel group or message: every field as it was recorded. */
export class TopicTables implements TopicExtraction {
  readonly #place: ExtractionPlace;
  readonly #role: string;
  readonly #open = new Map<string, GrowingTable>();

  constructor(place: ExtractionPlace, role = 'topic') {
    this.#place = place;
    this.#role = role;
  }

  async take(batch: TableBatch): Promise<void> {
    await this.append(this.#place.downsampler.thin(batch));
  }

  /** Takes rows that are thinned already, or must not be. */
  async append(batch: TableBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    const { name, schemaName } = batch.table;
    let table = this.#open.get(name);
    if (table === undefined) {
      const columns = [TIME_COLUMN, ...batch.columnSchemas.map((schema) => columnOf(schema, schemaName))];
      const about = { name, role: this.#role, schemaName, columns };
      table = new GrowingTable(this.#place, `${this.#place.names.of(name)}.parquet`, name, about);
      this.#open.set(name, table);
    }
    await table.append({
      rowCount: batch.rowCount,
      columns: [{ values: batch.timestampsNs }, ...batch.columns],
    });
  }

  /** In the order of the tables' first rows. */
  async finish(): Promise<readonly ExtractedFile[]> {
    const files: ExtractedFile[] = [];
    for (const table of this.#open.values()) {
      const file = await table.close();
      if (file !== undefined) files.push(file);
    }
    this.#open.clear();
    return files;
  }
}

/**
 * A field of the message that is itself called `timestamp` gives way to the time of the row. Messages do not say
 * their units; those of well-known types are known.
 */
function columnOf(schema: ColumnSchema, schemaName: string): TableColumn {
  const unit = schema.unit ?? unitOf(typeNameOf(schemaName), schema.name);
  const name = schema.name === TIME_COLUMN.name ? `message.${schema.name}` : schema.name;
  return { ...schema, name, ...(unit === undefined ? {} : { unit }) };
}
