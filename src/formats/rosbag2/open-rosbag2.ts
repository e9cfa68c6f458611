import { type ByteSource, byteSourceOf } from '../byte-source.ts';
import { decoderOf, type MessageEncoding } from '../messages/decoder-of.ts';
import { MessageTable } from '../messages/message-table.ts';
import { MessageDefinitionError } from '../messages/message-type.ts';
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
import { PendingMessages } from './pending-messages.ts';
import { RowGaps } from './row-gaps.ts';
import { SqlitePages } from './sqlite-pages.ts';

/**
 * Opens one file of a ROS 2 bag in SQLite (`.db3`, also `.db3.zstd`, also with messages compressed one by one;
 * github.com/ros2/rosbag2, rosbag2_storage_sqlite3). The database is read by range, page by page. One table per
 * topic, a row's time is when the recorder received the message. Files of a split recording are opened one by
 * one. A file compressed as a whole is decompressed in memory, up to 2 GiB; prefer the other form for long ones.
 * @throws {RecordingFormatError} when it is no SQLite database, or one without rosbag2's tables.
 */
export async function openRosbag2(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const loss = new LossCounter();
  const database = await uncompressed(source, options);
  const pages = await SqlitePages.open(database);
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
  return new Rosbag2Reader(source.sizeBytes, options, pages, catalog, loss);
}

const ZSTD_MAGIC = 0xfd2fb528;
const UNCOMPRESSED_BYTES_MAX = 2 ** 31;
const COMPRESSED_BYTES_MAX = 2 ** 30;
const MESSAGE_BYTES_MAX = 2 ** 30;

async function uncompressed(source: ByteSource, { name, decompressors }: OpenOptions): Promise<ByteSource> {
  if (source.sizeBytes < 4 || !isZstd(await source.read(0, 4))) return source;
  if (source.sizeBytes > COMPRESSED_BYTES_MAX) {
    throw new RecordingFormatError(name, 'rosbag2', 'it is too large to decompress; use "zstd -d" first');
  }
  const compressed = await source.read(0, source.sizeBytes);
  try {
    return byteSourceOf(await decompressors.zstd(compressed, UNCOMPRESSED_BYTES_MAX));
  } catch (cause) {
    // Decompressors are handed in and throw for one reason only: these bytes.
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new RecordingFormatError(name, 'rosbag2', `it cannot be decompressed: ${what}`, { cause });
  }
}

function isZstd(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === ZSTD_MAGIC;
}

/** Rows of a topic are handed out when its messages are this large, or so many. */
const BATCH_BYTES = 1 << 22;
const BATCH_ROWS = 4096;

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
      properties: catalog.properties,
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
    const rows = this.#pages.rows(messagesPage, (what) => gaps.damage(what));
    for await (const { rowId, values } of rows) {
      gaps.row(rowId);
      const topicId = values[messageColumns.topicId];
      const timestamp = values[messageColumns.timestamp];
      const data = values[messageColumns.data];
      const table = typeof topicId === 'number' ? this.#tables.get(topicId) : undefined;
      if (table === undefined || !(data instanceof Uint8Array) || !isInteger(timestamp)) {
        loss.add(
          1,
          0,
          `${this.#options.name}: row ${rowId} is a message without a known topic, a time or data`,
        );
        continue;
      }
      if (!(selection.tables?.includes(table.summary.name) ?? true)) continue;
      const message = await this.#message(data, loss);
      if (message === undefined) continue;
      const messages = pending.get(table) ?? new PendingMessages();
      pending.set(table, messages);
      messages.add(BigInt(timestamp), message);
      if (messages.sizeBytes >= BATCH_BYTES || messages.count >= BATCH_ROWS) {
        pending.delete(table);
        yield* messages.batches(table, selection, loss);
      }
    }
    gaps.end(this.#pages.rowIdMax);
    for (const [table, messages] of pending) yield* messages.batches(table, selection, loss);
    this.#options.onProgress?.(this.summary.sizeBytes);
  }

  /** A message is compressed where the bag was recorded with `--compression-mode message`. */
  async #message(data: Uint8Array, loss: LossCounter): Promise<Uint8Array | undefined> {
    if (!isZstd(data)) return data;
    try {
      return await this.#options.decompressors.zstd(data, MESSAGE_BYTES_MAX);
    } catch (cause) {
      // Decompressors are handed in and throw for one reason only: these bytes.
      const what = cause instanceof Error ? cause.message : String(cause);
      loss.add(1, data.length, `${this.#options.name}: a message cannot be decompressed: ${what}`);
      return undefined;
    }
  }
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
