import type { ByteSource } from '../byte-source.ts';
import { decoderOf, type MessageEncoding } from '../messages/decoder-of.ts';
import { inFileOrder, type MessageRows, MessageTable } from '../messages/message-table.ts';
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
import { type BagIndex, type ChunkEntry, readBagIndex } from './bag-index.ts';
import { scanBag } from './bag-scan.ts';
import { type ChunkContent, walkChunk } from './chunk.ts';
import { ChunkError, readChunk } from './chunk-reader.ts';
import type { Connection } from './connection.ts';
import { BAG_MAGIC, Op, offsetField, textField, uint32Field } from './record.ts';
import { RecordScanner } from './record-scanner.ts';

/**
 * Opens a ROS bag 2.0 (wiki.ros.org/Bags/Format/2.0), compressed or not, with an index or without. One table per
 * topic; a row's time is when the recorder received the message; `header.stamp` is a column like any other.
 * Connections of one topic with different definitions are tables of their own, named `topic [type md5sum]`.
 * @throws {RecordingFormatError} when it is no ROS bag 2.0, or an encrypted one.
 */
export async function openRosbag(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const loss = new LossCounter();
  const header = await readBagHeader(source, options.name);
  const indexed = header === undefined ? undefined : await readBagIndex(source, header);
  if (indexed === undefined) {
    loss.add(0, 0, `${options.name} has no whole index (recording ended early, or damage); it was scanned`);
  }
  const index = indexed ?? (await scanBag(source, BAG_MAGIC.length, options.decompressors, loss));
  return new RosbagReader(source, options, index, loss);
}

interface BagHeader {
  readonly indexOffset: number;
  readonly connectionCount: number;
  readonly chunkCount: number;
}

async function readBagHeader(source: ByteSource, name: string): Promise<BagHeader | undefined> {
  const lengthBytes = Math.min(BAG_MAGIC.length, source.sizeBytes);
  const magic = new TextDecoder('latin1').decode(await source.read(0, lengthBytes));
  if (magic !== BAG_MAGIC) throw notABag(magic, name);
  const record = await new RecordScanner(source).at(BAG_MAGIC.length);
  if (record?.op !== Op.bagHeader) return undefined;
  const encryptor = textField(record.fields, 'encryptor');
  if (encryptor !== '') {
    throw new RecordingFormatError(name, 'rosbag', `it is encrypted with ${encryptor}; decrypt it first`);
  }
  const indexOffset = offsetField(record.fields, 'index_pos');
  const connectionCount = uint32Field(record.fields, 'conn_count');
  const chunkCount = uint32Field(record.fields, 'chunk_count');
  if (indexOffset === undefined || connectionCount === undefined || chunkCount === undefined)
    return undefined;
  return { indexOffset, connectionCount, chunkCount };
}

function notABag(magic: string, name: string): RecordingFormatError {
  const version = /^#ROS(?:BAG|RECORD) V(\S+)/.exec(magic)?.[1];
  return version === undefined
    ? new RecordingFormatError(name, 'unknown', 'it does not begin with "#ROSBAG V2.0", so it is no ROS bag')
    : new RecordingFormatError(
        name,
        'rosbag',
        `it is a ROS bag of version ${version}; only 2.0 is read. Convert it with "rosbag fix" or "rosbag reindex"`,
      );
}

class RosbagReader implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #source: ByteSource;
  readonly #options: OpenOptions;
  readonly #index: BagIndex;
  readonly #loss: LossCounter;
  readonly #tables = new Map<number, MessageTable>();
  /** Chunks whose damage is counted already; a second reading does not count it again. */
  readonly #counted = new Set<ChunkEntry>();

  constructor(source: ByteSource, options: OpenOptions, index: BagIndex, loss: LossCounter) {
    this.#source = source;
    this.#options = options;
    this.#index = index;
    this.#loss = loss;
    const tables = tablesOf(index, loss);
    for (const { table, connections } of tables)
      for (const { id } of connections) this.#tables.set(id, table);
    this.summary = {
      format: 'rosbag',
      version: '2.0',
      sizeBytes: source.sizeBytes,
      ...spanOf(index.chunks),
      tables: tables.map(({ table }) => table.summary),
      properties: { chunks: String(index.chunks.length), connections: String(index.connections.size) },
      attachments: [],
    };
  }

  loss(): Loss {
    return this.#loss.report();
  }

  async *read(selection: Selection = {}): AsyncGenerator<TableBatch> {
    for (const chunk of this.#index.chunks) {
      if (!this.#mayHold(chunk, selection)) continue;
      yield* this.#readChunk(chunk, selection);
      this.#options.onProgress?.(chunk.limit);
    }
  }

  #mayHold(chunk: ChunkEntry, selection: Selection): boolean {
    const { startTimeNs, endTimeNs, tables } = selection;
    if (startTimeNs !== undefined && chunk.endTimeNs !== undefined && chunk.endTimeNs < startTimeNs)
      return false;
    if (endTimeNs !== undefined && chunk.startTimeNs !== undefined && chunk.startTimeNs >= endTimeNs)
      return false;
    if (tables === undefined || chunk.counts.size === 0) return true;
    return [...chunk.counts.keys()].some((id) => this.#isSelected(id, tables));
  }

  #isSelected(connectionId: number, tables: readonly string[] | undefined): boolean {
    const table = this.#tables.get(connectionId);
    return table !== undefined && (tables?.includes(table.summary.name) ?? true);
  }

  async *#readChunk(chunk: ChunkEntry, selection: Selection): AsyncGenerator<TableBatch> {
    const first = !this.#counted.has(chunk);
    this.#counted.add(chunk);
    const loss = first ? this.#loss : new LossCounter();
    const { bytes, content } = await this.#load(chunk, loss);
    for (const { table, rows } of this.#rowsByTable(content, loss, chunk)) {
      if (selection.tables?.includes(table.summary.name) ?? true) {
        yield* table.batches(bytes, rows, selection, loss);
      }
    }
  }

  async #load(chunk: ChunkEntry, loss: LossCounter): Promise<{ bytes: Uint8Array; content: ChunkContent }> {
    const expected = [...chunk.counts.values()].reduce((sum, count) => sum + count, 0);
    try {
      const { bytes, missingBytes } = await readChunk(this.#source, chunk, this.#options.decompressors);
      const content = walkChunk(bytes);
      countDamage(chunk, content, missingBytes, expected, loss);
      return { bytes, content };
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error;
      const sizeBytes = chunk.limit - chunk.offset;
      loss.add(expected, sizeBytes, `the chunk at byte ${chunk.offset} cannot be read: ${error.message}`);
      return { bytes: EMPTY, content: { messages: new Map(), connections: [], damage: [] } };
    }
  }

  /** Several connections may feed one topic; their messages are put back into the order of the file. */
  #rowsByTable(content: ChunkContent, loss: LossCounter, chunk: ChunkEntry): TableRows[] {
    const parts = new Map<MessageTable, MessageRows[]>();
    for (const [id, rows] of content.messages) {
      const table = this.#tables.get(id);
      if (table === undefined) {
        const what = `${rows.count} messages of connection ${id}, which the bag does not describe`;
        loss.add(rows.count, 0, `the chunk at byte ${chunk.offset} holds ${what}`);
      } else {
        parts.set(table, [...(parts.get(table) ?? []), rows]);
      }
    }
    return [...parts].map(([table, rows]) => ({ table, rows: inFileOrder(rows) }));
  }
}

interface TableRows {
  readonly table: MessageTable;
  readonly rows: MessageRows;
}

function spanOf(chunks: readonly ChunkEntry[]): { startTimeNs?: bigint; endTimeNs?: bigint } {
  const span: { startTimeNs?: bigint; endTimeNs?: bigint } = {};
  for (const { startTimeNs, endTimeNs } of chunks) {
    if (startTimeNs === undefined || endTimeNs === undefined) continue;
    if (span.startTimeNs === undefined || startTimeNs < span.startTimeNs) span.startTimeNs = startTimeNs;
    if (span.endTimeNs === undefined || endTimeNs > span.endTimeNs) span.endTimeNs = endTimeNs;
  }
  return span;
}

const EMPTY = new Uint8Array(0);

function countDamage(
  chunk: ChunkEntry,
  content: ChunkContent,
  missingBytes: number,
  expected: number,
  loss: LossCounter,
): void {
  const skipped = content.damage.reduce((sum, { sizeBytes }) => sum + sizeBytes, missingBytes);
  const seen = [...content.messages.values()].reduce((sum, rows) => sum + rows.count, 0);
  const missing = Math.max(expected - seen, content.damage.length, missingBytes > 0 ? 1 : 0);
  if (missing === 0 && skipped === 0) return;
  const places = content.damage.map(({ offset }) => offset).slice(0, 3);
  const where = places.length === 0 ? '' : ` (at byte ${places.join(', ')} of its records)`;
  loss.add(
    missing,
    skipped,
    `the chunk at byte ${chunk.offset} is damaged or cut off${where}: ${seen} messages read, ${missing} lost`,
  );
}

interface TopicTable {
  readonly table: MessageTable;
  readonly connections: readonly Connection[];
}

function tablesOf(index: BagIndex, loss: LossCounter): TopicTable[] {
  const counts = new Map<number, number>();
  for (const chunk of index.chunks) {
    for (const [id, count] of chunk.counts) counts.set(id, (counts.get(id) ?? 0) + count);
  }
  const names = new Set<string>();
  return [...groupConnections(index).values()].map((connections) => {
    const [{ topic, type, md5sum, definition }] = connections;
    const name = names.has(topic) ? `${topic} [${type} ${md5sum}]` : topic;
    names.add(name);
    const decoder = decoderOf(ros1Encoding(type, definition), name, loss);
    const rowCount = connections.reduce((sum, { id }) => sum + (counts.get(id) ?? 0), 0);
    const columns = decoder.columns;
    const summary = { name, group: name, schemaName: type, encoding: 'ros1', rowCount, columns };
    return { table: new MessageTable(summary, decoder), connections };
  });
}

/** Connections by what makes them one table: topic, type and definition. */
function groupConnections(index: BagIndex): Map<string, [Connection, ...Connection[]]> {
  const groups = new Map<string, [Connection, ...Connection[]]>();
  for (const connection of index.connections.values()) {
    const key = JSON.stringify([connection.topic, connection.type, connection.md5sum]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [connection]);
    else group.push(connection);
  }
  return groups;
}

function ros1Encoding(type: string, definition: string): MessageEncoding {
  const schemaData = new TextEncoder().encode(definition);
  return { messageEncoding: 'ros1', schemaEncoding: 'ros1msg', schemaName: type, schemaData };
}
