import type { ByteSource } from '../byte-source.ts';
import { decoderOf, type MessageEncoding } from '../messages/decoder-of.ts';
import { MessageTable } from '../messages/message-table.ts';
import { MessageDefinitionError } from '../messages/message-type.ts';
import { PendingMessages } from '../messages/pending-messages.ts';
import { standardRos2Definition } from '../messages/ros2-standard.ts';
import {
  type Loss,
  LossCounter,
  type OpenOptions,
  RecordingFormatError,
  type RecordingReader,
  type RecordingSummary,
  type Selection,
  type TableBatch,
} from '../recording-reader.ts';
import { type Rosbag2Catalog, readCatalog, type Topic } from './catalog.ts';
import { MessageIntake } from './message-intake.ts';
import { RowGaps } from './row-gaps.ts';
import { SqlitePages } from './sqlite-pages.ts';

/**
 * Opens one file of a ROS 2 bag in SQLite (`.db3`, also with messages compressed one by one;
 * github.com/ros2/rosbag2, rosbag2_storage_sqlite3). The database is read by range, page by page. One table per
 * topic, a row's time is when the recorder received the message. What the write-ahead log beside it (`-wal`) holds
 * is read with it. Files of a split recording are opened one by one, and may be joined (`joined-recording.ts`).
 * @throws {RecordingFormatError} when it is no SQLite database, or one without rosbag2's tables.
 */
export async function openRosbag2(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const loss = new LossCounter();
  const pages = await SqlitePages.open(source, await options.companion?.('-wal'));
  if (pages === undefined && source.sizeBytes === 0) {
    const what = 'it is empty, and no -wal file with committed messages lies beside it';
    throw new RecordingFormatError(options.name, 'rosbag2', what);
  }
  if (pages === undefined) {
    throw new RecordingFormatError(options.name, 'unknown', 'it is no SQLite database in UTF-8');
  }
  const catalog = await readCatalog(pages, (what) => loss.add(0, 0, `${options.name}: ${what}`));
  if (catalog === undefined) {
    throw new RecordingFormatError(
      options.name,
      'rosbag2',
      'the database has no tables "topics" and "messages", so it is no ROS 2 bag',
    );
  }
  if (pages.uncommittedBytes > 0) {
    const bytes = pages.uncommittedBytes;
    loss.add(0, bytes, `${options.name}-wal: ${bytes} bytes at its end were never committed`);
  }
  return new Rosbag2Reader(source.sizeBytes, options, pages, catalog, loss);
}

class Rosbag2Reader implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #options: OpenOptions;
  readonly #pages: SqlitePages;
  readonly #catalog: Rosbag2Catalog;
  readonly #loss: LossCounter;
  readonly #tables: ReadonlyMap<number, MessageTable>;
  #isCounted = false;

  constructor(
    sizeBytes: number,
    options: OpenOptions,
    pages: SqlitePages,
    catalog: Rosbag2Catalog,
    loss: LossCounter,
  ) {
    this.#options = options;
    this.#pages = pages;
    this.#catalog = catalog;
    this.#loss = loss;
    const tables = new Map<number, MessageTable>();
    for (const topic of catalog.topics) tables.set(topic.id, tableOf(topic, catalog, loss));
    this.#tables = tables;
    const { startTimeNs, endTimeNs } = catalog;
    this.summary = {
      format: 'rosbag2',
      version: catalog.schemaVersion,
      sizeBytes,
      ...(startTimeNs === undefined ? {} : { startTimeNs }),
      ...(endTimeNs === undefined ? {} : { endTimeNs }),
      tables: [...tables.values()].map((table) => table.summary),
      properties: { ...catalog.properties, ...logProperty(pages) },
      attachments: [],
    };
  }

  loss(): Loss {
    return this.#loss.report();
  }

  async *read(selection: Selection = {}): AsyncGenerator<TableBatch> {
    const loss = this.#isCounted ? new LossCounter() : this.#loss;
    this.#isCounted = true;
    const gaps = new RowGaps(this.#options.name, this.#pages.rowsMax, loss);
    const pending = new PendingMessages();
    const { messagesPage, messageColumns: columns } = this.#catalog;
    const tables = this.#tablesOf(selection);
    const [options, pages] = [this.#options, this.#pages];
    const intake = new MessageIntake({ options, pages, columns, tables, pending, gaps, loss });
    for await (const leaf of pages.leaves(messagesPage, (what) => gaps.damage(what))) {
      for (let index = 0; index < leaf.cellCount; index += 1) {
        const taken = intake.take(leaf, index);
        if (taken !== undefined) await taken;
        if (!pending.isFull) continue;
        yield* pending.batches(selection, loss);
        options.onProgress?.(Math.min(leaf.page * pages.pageSizeBytes, this.summary.sizeBytes));
      }
    }
    gaps.end(this.#pages.rowIdMax);
    yield* pending.batches(selection, loss);
    options.onProgress?.(this.summary.sizeBytes);
  }

  #tablesOf({ tables }: Selection): ReadonlyMap<number, MessageTable | 'unwanted'> {
    const isWanted = (table: MessageTable) => tables?.includes(table.summary.name) ?? true;
    return new Map([...this.#tables].map(([id, table]) => [id, isWanted(table) ? table : 'unwanted']));
  }
}

/** A database says whether its writer keeps a log, not whether there is something in it. */
function logProperty({ writeAheadLog }: SqlitePages): Record<string, string> {
  if (writeAheadLog === 'none') return {};
  const missing =
    'no -wal file lies beside it: if the recorder did not close the bag, its last messages were there and are not seen';
  return { writeAheadLog: writeAheadLog === 'read' ? 'read with it' : missing };
}

function tableOf(topic: Topic, catalog: Rosbag2Catalog, loss: LossCounter): MessageTable {
  const { name, type, serializationFormat } = topic;
  const decoder = decoderOf(encodingOf(topic, catalog), name, loss);
  const summary = {
    name,
    group: name,
    schemaName: type,
    encoding: serializationFormat,
    columns: decoder.columns,
  };
  return new MessageTable(summary, decoder);
}

/** Bags before ROS 2 Iron hold no definitions; the common ones are known. */
function encodingOf({ type, serializationFormat }: Topic, catalog: Rosbag2Catalog): MessageEncoding {
  const stored = catalog.definitions.get(type);
  const text = stored?.text ?? standardDefinition(type);
  return {
    messageEncoding: serializationFormat,
    schemaEncoding: stored?.encoding ?? 'ros2msg',
    schemaName: type,
    schemaData: new TextEncoder().encode(text),
  };
}

function standardDefinition(type: string): string {
  try {
    return standardRos2Definition(type);
  } catch (error) {
    if (error instanceof MessageDefinitionError) return `${type} its_definition_is_not_in_the_bag\n`;
    throw error;
  }
}
