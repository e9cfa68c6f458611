import type { ByteSource } from '../byte-source.ts';
import { isCompressedMessage, uncompressedMessage } from '../messages/compressed-message.ts';
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
import { isInteger, type Rosbag2Catalog, readCatalog, type Topic } from './catalog.ts';
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
    const pending = new Map<MessageTable, PendingMessages>();
    const { messagesPage, messageColumns } = this.#catalog;
    const pages = this.#pages.rows(messagesPage, (what) => gaps.damage(what));
    for await (const rows of pages) {
      for (const { rowId, values } of rows) {
        gaps.row(rowId);
        const topicId = values[messageColumns.topicId];
        const timestamp = values[messageColumns.timestamp];
        const data = values[messageColumns.data];
        const table = typeof topicId === 'number' ? this.#tables.get(topicId) : undefined;
        if (table === undefined || !(data instanceof Uint8Array) || !isInteger(timestamp)) {
          const what = 'is a message without a known topic, a time or data';
          loss.add(1, 0, `${this.#options.name}: row ${rowId} ${what}`);
          continue;
        }
        if (!(selection.tables?.includes(table.summary.name) ?? true)) continue;
        // Waiting for what is there already would cost more than the rest of the row.
        const message = isCompressedMessage(data)
          ? await uncompressedMessage(data, this.#options, loss)
          : data;
        if (message === undefined) continue;
        const messages = pending.get(table) ?? new PendingMessages();
        pending.set(table, messages);
        messages.add(BigInt(timestamp), message);
        if (messages.isFull) {
          pending.delete(table);
          yield* messages.batches(table, selection, loss);
        }
      }
    }
    gaps.end(this.#pages.rowIdMax);
    for (const [table, messages] of pending) yield* messages.batches(table, selection, loss);
    this.#options.onProgress?.(this.summary.sizeBytes);
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
