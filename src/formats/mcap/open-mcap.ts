import type { ByteSource } from '../byte-source.ts';
import { isCompressedMessage, uncompressedMessage } from '../messages/compressed-message.ts';
import { decoderOf } from '../messages/decoder-of.ts';
import { inFileOrder, type MessageRows, MessageTable } from '../messages/message-table.ts';
import { PendingMessages } from '../messages/pending-messages.ts';
import {
  type Attachment,
  type Loss,
  LossCounter,
  type OpenOptions,
  RecordingFormatError,
  type RecordingReader,
  type RecordingSummary,
  type Selection,
  type TableBatch,
} from '../recording-reader.ts';
import { type ChunkContent, walkRecords } from './chunk.ts';
import { type ChunkBytes, ChunkError, countByMessageIndex, readChunk } from './chunk-reader.ts';
import type { ChunkEntry, McapIndex } from './mcap-index.ts';
import { indexMcap } from './mcap-scan.ts';
import { isMagic } from './record-scanner.ts';
import { type AttachmentPlace, type Channel, MCAP_MAGIC } from './records.ts';

/**
 * Opens an MCAP file (mcap.dev/spec), with a summary or without, chunked or not. One table per topic; a row's
 * time is the message's log time. Channels of one topic with different schemas are tables of their own, named
 * `topic [schema]`. Metadata records become properties `record.key`. Messages that rosbag2 compressed one by one are
 * decompressed.
 * @throws {RecordingFormatError} when it does not begin as an MCAP file.
 */
export async function openMcap(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const magic = await source.read(0, Math.min(MCAP_MAGIC.length, source.sizeBytes));
  if (!isMagic(magic)) {
    const isOtherVersion = magic.length === 8 && isMagic(magic.with(5, MCAP_MAGIC[5]!));
    const what = isOtherVersion
      ? `it is MCAP of version ${String.fromCharCode(magic[5]!)}; only 0 is read`
      : 'it does not begin with the MCAP magic, so it is no MCAP file';
    throw new RecordingFormatError(options.name, isOtherVersion ? 'mcap' : 'unknown', what);
  }
  const loss = new LossCounter();
  const index = await indexMcap(source, options.name, options.decompressors, loss);
  return new McapReader(source, options, index, loss);
}

class McapReader implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #source: ByteSource;
  readonly #options: OpenOptions;
  readonly #index: McapIndex;
  readonly #loss: LossCounter;
  readonly #tables: ReadonlyMap<number, MessageTable>;
  readonly #channelIds: ReadonlySet<number>;
  /** Chunks whose damage is counted already; a second reading does not count it again. */
  readonly #counted = new Set<ChunkEntry>();

  constructor(source: ByteSource, options: OpenOptions, index: McapIndex, loss: LossCounter) {
    this.#source = source;
    this.#options = options;
    this.#index = index;
    this.#loss = loss;
    this.#tables = tablesOf(index, loss);
    this.#channelIds = new Set(index.channels.keys());
    this.summary = {
      format: 'mcap',
      version: '0',
      ...(index.library === '' ? {} : { writer: index.library }),
      sizeBytes: source.sizeBytes,
      ...spanOf(index),
      tables: [...new Set(this.#tables.values())].map((table) => table.summary),
      properties: propertiesOf(index),
      attachments: index.attachments.map((place) => attachmentOf(source, place)),
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

  #mayHold(chunk: ChunkEntry, { startTimeNs, endTimeNs, tables }: Selection): boolean {
    if (startTimeNs !== undefined && chunk.endTimeNs !== undefined && chunk.endTimeNs < startTimeNs)
      return false;
    if (endTimeNs !== undefined && chunk.startTimeNs !== undefined && chunk.startTimeNs >= endTimeNs)
      return false;
    if (tables === undefined || chunk.channelIds === undefined) return true;
    return [...chunk.channelIds].some((id) => isSelected(this.#tables.get(id), tables));
  }

  async *#readChunk(chunk: ChunkEntry, selection: Selection): AsyncGenerator<TableBatch> {
    const first = !this.#counted.has(chunk);
    this.#counted.add(chunk);
    const loss = first ? this.#loss : new LossCounter();
    const loaded = await this.#load(chunk, loss);
    if (loaded === undefined) return;
    for (const { table, rows } of this.#rowsByTable(loaded.content, loss, chunk)) {
      if (!isSelected(table, selection.tables)) continue;
      const isPacked = table.summary.encoding === 'cdr' && isCompressedMessage(loaded.bytes, rows.starts[0]);
      if (isPacked) yield* this.#packedMessages(table, loaded.bytes, rows, selection, loss);
      else yield* table.batches(loaded.bytes, rows, selection, loss);
    }
  }

  /** Messages that the recorder compressed one by one, before they came into the chunk. */
  async *#packedMessages(
    table: MessageTable,
    bytes: Uint8Array,
    rows: MessageRows,
    selection: Selection,
    loss: LossCounter,
  ): AsyncGenerator<TableBatch> {
    const pending = new PendingMessages();
    for (let row = 0; row < rows.count; row += 1) {
      const packed = bytes.subarray(rows.starts[row], rows.ends[row]);
      const message = await uncompressedMessage(packed, this.#options, loss);
      if (message === undefined) continue;
      pending.append(message);
      pending.take(table, rows.timeHalves[2 * row]!, rows.timeHalves[2 * row + 1]!);
      if (pending.isFull) yield* pending.batches(selection, loss);
    }
    yield* pending.batches(selection, loss);
  }

  async #load(
    chunk: ChunkEntry,
    loss: LossCounter,
  ): Promise<{ bytes: Uint8Array; content: ChunkContent } | undefined> {
    try {
      const read = await readChunk(this.#source, chunk, this.#options.decompressors);
      const content = walkRecords(read.bytes, this.#channelIds);
      countDamage(chunk, content, read, loss);
      return { bytes: read.bytes, content };
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error;
      const counted = chunk.counts === undefined ? 0 : sumOf(chunk.counts.values());
      const records = counted || (await countByMessageIndex(this.#source, chunk));
      const sizeBytes = chunk.limit - chunk.offset;
      // A chunk without messages is not written, so at least one is lost.
      loss.add(
        Math.max(1, records),
        sizeBytes,
        `the chunk at byte ${chunk.offset} cannot be read: ${error.message}`,
      );
      return undefined;
    }
  }

  #rowsByTable(
    content: ChunkContent,
    loss: LossCounter,
    chunk: ChunkEntry,
  ): { table: MessageTable; rows: MessageRows }[] {
    const parts = new Map<MessageTable, MessageRows[]>();
    for (const [channelId, rows] of content.messages) {
      const table = this.#tables.get(channelId);
      if (table === undefined) {
        const what = `${rows.count} messages of channel ${channelId}, which the file does not describe`;
        loss.add(rows.count, 0, `the chunk at byte ${chunk.offset} holds ${what}`);
      } else {
        parts.set(table, [...(parts.get(table) ?? []), rows]);
      }
    }
    return [...parts].map(([table, rows]) => ({ table, rows: inFileOrder(rows) }));
  }
}

function isSelected(table: MessageTable | undefined, tables: readonly string[] | undefined): boolean {
  return table !== undefined && (tables?.includes(table.summary.name) ?? true);
}

function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

function countDamage(chunk: ChunkEntry, content: ChunkContent, read: ChunkBytes, loss: LossCounter): void {
  const expected = chunk.counts === undefined ? 0 : sumOf(chunk.counts.values());
  const seen = sumOf([...content.messages.values()].map(({ count }) => count));
  const skippedBytes = sumOf(content.damage.map(({ sizeBytes }) => sizeBytes)) + read.missingBytes;
  const missing = Math.max(expected - seen, content.damage.length, read.missingBytes > 0 ? 1 : 0);
  const where = `the chunk at byte ${chunk.offset}`;
  if (missing > 0 || skippedBytes > 0) {
    loss.add(missing, skippedBytes, `${where} is damaged or cut off: ${seen} messages read, ${missing} lost`);
  } else if (!read.asWritten) {
    loss.add(
      0,
      0,
      `${where} does not have the checksum it was written with: some of its values may be wrong`,
    );
  }
}

/** Tables by channel id; channels of one topic, schema and encoding share one. */
function tablesOf(index: McapIndex, loss: LossCounter): ReadonlyMap<number, MessageTable> {
  const tables = new Map<number, MessageTable>();
  const names = new Set<string>();
  for (const channels of groupChannels(index).values()) {
    const [{ topic, messageEncoding, schemaId }] = channels;
    const schema = index.schemas.get(schemaId);
    const schemaName = schema?.name ?? '';
    let name = names.has(topic) ? `${topic} [${schemaName}]` : topic;
    if (names.has(name)) name = `${topic} [${schemaName} ${channels[0].id}]`;
    names.add(name);
    const decoder = decoderOf(
      {
        messageEncoding,
        schemaEncoding: schema?.encoding ?? '',
        schemaName,
        schemaData: schema?.data ?? new Uint8Array(0),
      },
      name,
      loss,
    );
    const rowCount = rowCountOf(index, channels);
    const summary = {
      name,
      group: name,
      schemaName,
      encoding: messageEncoding,
      ...(rowCount === undefined ? {} : { rowCount }),
      columns: decoder.columns,
    };
    const table = new MessageTable(summary, decoder);
    for (const { id } of channels) tables.set(id, table);
  }
  return tables;
}

function groupChannels(index: McapIndex): Map<string, [Channel, ...Channel[]]> {
  const groups = new Map<string, [Channel, ...Channel[]]>();
  const latin1 = new TextDecoder('latin1');
  for (const channel of index.channels.values()) {
    const schema = index.schemas.get(channel.schemaId);
    const described = [schema?.name, schema?.encoding, latin1.decode(schema?.data)];
    const key = JSON.stringify([channel.topic, channel.messageEncoding, ...described]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [channel]);
    else group.push(channel);
  }
  return groups;
}

function rowCountOf(index: McapIndex, channels: readonly Channel[]): number | undefined {
  const { statistics, chunks } = index;
  if (statistics !== undefined && statistics.countsByChannel.size > 0) {
    return sumOf(channels.map(({ id }) => statistics.countsByChannel.get(id) ?? 0));
  }
  if (chunks.some(({ counts }) => counts === undefined)) return undefined;
  return sumOf(chunks.flatMap(({ counts }) => channels.map(({ id }) => counts?.get(id) ?? 0)));
}

function spanOf({ statistics, chunks }: McapIndex): { startTimeNs?: bigint; endTimeNs?: bigint } {
  if (statistics !== undefined && statistics.messageCount > 0n) {
    return { startTimeNs: statistics.startTimeNs, endTimeNs: statistics.endTimeNs };
  }
  const span: { startTimeNs?: bigint; endTimeNs?: bigint } = {};
  for (const { startTimeNs, endTimeNs } of chunks) {
    if (startTimeNs === undefined || endTimeNs === undefined) continue;
    if (span.startTimeNs === undefined || startTimeNs < span.startTimeNs) span.startTimeNs = startTimeNs;
    if (span.endTimeNs === undefined || endTimeNs > span.endTimeNs) span.endTimeNs = endTimeNs;
  }
  return span;
}

function propertiesOf(index: McapIndex): Record<string, string> {
  const properties: Record<string, string> = { chunks: String(index.chunks.length) };
  if (index.profile !== '') properties['profile'] = index.profile;
  for (const { name, values } of index.metadata) {
    for (const [key, value] of values) properties[`${name}.${key}`] = value;
  }
  return properties;
}

function attachmentOf(
  source: ByteSource,
  { name, mediaType, sizeBytes, offset }: AttachmentPlace,
): Attachment {
  return { name, mediaType, sizeBytes, read: () => source.read(offset, sizeBytes) };
}
