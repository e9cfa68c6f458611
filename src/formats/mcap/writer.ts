import { type ByteSink, GrowingBytes } from '../byte-source.ts';
import { crc32 } from './crc32.ts';
import { MCAP_MAGIC, MESSAGE_PREFIX_BYTES, Opcode, RECORD_PREFIX_BYTES } from './records.ts';

export interface McapWriterOptions {
  /** Such as `ros1` or `ros2`; '' where none fits (mcap.dev/spec/registry). */
  readonly profile?: string;
  /** Uncompressed bytes after which a chunk is closed; 1 MiB. */
  readonly chunkSizeBytes?: number;
  /** Absent: chunks are not compressed. `lz4` is the LZ4 frame format. */
  readonly compression?: { readonly name: 'lz4' | 'zstd'; compress(chunk: Uint8Array): Uint8Array };
}

export interface NewSchema {
  readonly name: string;
  /** `ros1msg`, `ros2msg`, `protobuf`, `jsonschema`, … */
  readonly encoding: string;
  readonly data: Uint8Array;
}

export interface NewChannel {
  /** As `addSchema` gave it; 0 for none. */
  readonly schemaId: number;
  readonly topic: string;
  /** `ros1`, `cdr`, `protobuf`, `json`, … */
  readonly messageEncoding: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

const CHUNK_BYTES = 1 << 20;
const LIBRARY = 'landfall';

/**
 * Writes an MCAP file (mcap.dev/spec) with chunks, message indexes, a summary and checksums. Memory is bounded by
 * one chunk; the list of chunks is kept until `close`.
 */
export class McapWriter {
  readonly #sink: ByteSink;
  readonly #chunkSizeBytes: number;
  readonly #compression: McapWriterOptions['compression'];
  /** Schema and channel records, for the chunk in which they are first used and for the summary. */
  readonly #schemas: Uint8Array[] = [];
  readonly #channels: { readonly record: Uint8Array; readonly schemaId: number }[] = [];
  readonly #written = new Set<string>();
  readonly #chunkIndexes: Uint8Array[] = [];
  readonly #attachmentIndexes: Uint8Array[] = [];
  readonly #metadataIndexes: Uint8Array[] = [];
  readonly #counts = new Map<number, number>();
  #startTimeNs: bigint | undefined;
  #endTimeNs = 0n;
  #chunk = new OpenChunk();
  #offset = 0;
  #dataCrc = 0;

  private constructor(sink: ByteSink, options: McapWriterOptions) {
    this.#sink = sink;
    this.#chunkSizeBytes = options.chunkSizeBytes ?? CHUNK_BYTES;
    this.#compression = options.compression;
  }

  static async create(sink: ByteSink, options: McapWriterOptions = {}): Promise<McapWriter> {
    const writer = new McapWriter(sink, options);
    await writer.#append(MCAP_MAGIC);
    await writer.#append(record(Opcode.header, text(options.profile ?? ''), text(LIBRARY)));
    return writer;
  }

  /** Returns the id for channels. */
  addSchema({ name, encoding, data }: NewSchema): number {
    const id = this.#schemas.length + 1;
    this.#schemas.push(record(Opcode.schema, u16(id), text(name), text(encoding), u32(data.length), data));
    return id;
  }

  /** Returns the id for messages. @throws {RangeError} for a schema that was never added. */
  addChannel({ schemaId, topic, messageEncoding, metadata }: NewChannel): number {
    if (schemaId !== 0 && this.#schemas[schemaId - 1] === undefined) {
      throw new RangeError(`schema ${schemaId} was never added to this file`);
    }
    const id = this.#channels.length + 1;
    const fields = [u16(id), u16(schemaId), text(topic), text(messageEncoding), textMap(metadata ?? {})];
    this.#channels.push({ record: record(Opcode.channel, ...fields), schemaId });
    return id;
  }

  /**
   * Adds one serialized message; times are UTC nanoseconds since 1970.
   * @throws {RangeError} for a channel that was never added.
   */
  async addMessage(
    channelId: number,
    logTimeNs: bigint,
    data: Uint8Array,
    publishTimeNs: bigint = logTimeNs,
  ): Promise<void> {
    this.#describe(channelId);
    const sequence = this.#counts.get(channelId) ?? 0;
    this.#counts.set(channelId, sequence + 1);
    this.#chunk.addMessage({ channelId, sequence, logTimeNs, publishTimeNs, data });
    if (this.#startTimeNs === undefined || logTimeNs < this.#startTimeNs) this.#startTimeNs = logTimeNs;
    if (logTimeNs > this.#endTimeNs) this.#endTimeNs = logTimeNs;
    if (this.#chunk.sizeBytes >= this.#chunkSizeBytes) await this.#closeChunk();
  }

  async addAttachment(name: string, mediaType: string, timeNs: bigint, data: Uint8Array): Promise<void> {
    await this.#closeChunk();
    const times = [u64(timeNs), u64(timeNs)];
    const content = concat([...times, text(name), text(mediaType), u64(data.length), data]);
    const attachment = record(Opcode.attachment, content, u32(crc32(content)));
    const place = [u64(this.#offset), u64(attachment.length)];
    const described = [...times, u64(data.length), text(name), text(mediaType)];
    this.#attachmentIndexes.push(record(Opcode.attachmentIndex, ...place, ...described));
    await this.#append(attachment);
  }

  async addMetadata(name: string, values: Readonly<Record<string, string>>): Promise<void> {
    await this.#closeChunk();
    const metadata = record(Opcode.metadata, text(name), textMap(values));
    const place = [u64(this.#offset), u64(metadata.length)];
    this.#metadataIndexes.push(record(Opcode.metadataIndex, ...place, text(name)));
    await this.#append(metadata);
  }

  /** Writes what is still open, and the summary. The sink stays open. */
  async close(): Promise<void> {
    await this.#closeChunk();
    await this.#append(record(Opcode.dataEnd, u32(this.#dataCrc)));
    const summaryOffset = this.#offset;
    const groups: readonly (readonly [number, readonly Uint8Array[]])[] = [
      [Opcode.schema, this.#schemas],
      [Opcode.channel, this.#channels.map((channel) => channel.record)],
      [Opcode.statistics, [this.#statistics()]],
      [Opcode.chunkIndex, this.#chunkIndexes],
      [Opcode.attachmentIndex, this.#attachmentIndexes],
      [Opcode.metadataIndex, this.#metadataIndexes],
    ];
    const summary: Uint8Array[] = [];
    const offsets: Uint8Array[] = [];
    let at = summaryOffset;
    for (const [opcode, records] of groups) {
      const group = concat(records);
      if (group.length === 0) continue;
      summary.push(group);
      offsets.push(record(Opcode.summaryOffset, Uint8Array.of(opcode), u64(at), u64(group.length)));
      at += group.length;
    }
    const front = [Uint8Array.of(Opcode.footer), u64(20), u64(summaryOffset), u64(at)];
    const checked = concat([...summary, ...offsets, ...front]);
    await this.#append(concat([checked, u32(crc32(checked)), MCAP_MAGIC]));
  }

  /** Puts channel and schema into the chunk before their first message. */
  #describe(channelId: number): void {
    const channel = this.#channels[channelId - 1];
    if (channel === undefined) throw new RangeError(`channel ${channelId} was never added to this file`);
    const { schemaId } = channel;
    if (this.#written.has(`channel ${channelId}`)) return;
    this.#written.add(`channel ${channelId}`);
    const schema = this.#schemas[schemaId - 1];
    if (schema !== undefined && !this.#written.has(`schema ${schemaId}`)) {
      this.#written.add(`schema ${schemaId}`);
      this.#chunk.append(schema);
    }
    this.#chunk.append(channel.record);
  }

  #statistics(): Uint8Array {
    const counts = [...this.#counts].flatMap(([id, count]) => [u16(id), u64(count)]);
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    return record(
      Opcode.statistics,
      u64(total),
      u16(this.#schemas.length),
      u32(this.#channels.length),
      u32(this.#attachmentIndexes.length),
      u32(this.#metadataIndexes.length),
      u32(this.#chunkIndexes.length),
      u64(this.#startTimeNs ?? 0n),
      u64(this.#endTimeNs),
      sized(concat(counts)),
    );
  }

  async #closeChunk(): Promise<void> {
    const chunk = this.#chunk;
    if (chunk.sizeBytes === 0) return;
    this.#chunk = new OpenChunk();
    const records = chunk.bytes();
    const compressed = this.#compression?.compress(records) ?? records;
    const compression = text(this.#compression?.name ?? '');
    const times = [u64(chunk.startTimeNs), u64(chunk.endTimeNs)];
    const sizes = [u64(records.length), u32(crc32(records)), compression, u64(compressed.length)];
    const chunkOffset = this.#offset;
    await this.#append(record(Opcode.chunk, ...times, ...sizes, compressed));
    const chunkSizeBytes = this.#offset - chunkOffset;
    const indexOffset = this.#offset;
    const offsets: Uint8Array[] = [];
    for (const [channelId, entries] of chunk.entries) {
      offsets.push(u16(channelId), u64(this.#offset));
      await this.#append(record(Opcode.messageIndex, u16(channelId), sized(bytesOf(entries))));
    }
    this.#chunkIndexes.push(
      record(
        Opcode.chunkIndex,
        ...times,
        u64(chunkOffset),
        u64(chunkSizeBytes),
        sized(concat(offsets)),
        u64(this.#offset - indexOffset),
        compression,
        u64(compressed.length),
        u64(records.length),
      ),
    );
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#sink.append(bytes);
    this.#offset += bytes.length;
    this.#dataCrc = crc32(bytes, this.#dataCrc);
  }
}

interface NewMessage {
  readonly channelId: number;
  readonly sequence: number;
  readonly logTimeNs: bigint;
  readonly publishTimeNs: bigint;
  readonly data: Uint8Array;
}

/** The records of a chunk, and where its messages begin. */
class OpenChunk extends GrowingBytes {
  startTimeNs = 0n;
  endTimeNs = 0n;
  /** Message index entries by channel: log time and offset in the chunk, one after the other. */
  readonly entries = new Map<number, bigint[]>();

  constructor() {
    super(CHUNK_BYTES);
  }

  addMessage({ channelId, sequence, logTimeNs, publishTimeNs, data }: NewMessage): void {
    if (this.entries.size === 0 || logTimeNs < this.startTimeNs) this.startTimeNs = logTimeNs;
    if (logTimeNs > this.endTimeNs) this.endTimeNs = logTimeNs;
    const entries = this.entries.get(channelId) ?? [];
    if (entries.length === 0) this.entries.set(channelId, entries);
    entries.push(logTimeNs, BigInt(this.sizeBytes));
    const at = this.reserve(RECORD_PREFIX_BYTES + MESSAGE_PREFIX_BYTES + data.length);
    const content = at + RECORD_PREFIX_BYTES;
    this.buffer[at] = Opcode.message;
    this.view.setBigUint64(at + 1, BigInt(MESSAGE_PREFIX_BYTES + data.length), true);
    this.view.setUint16(content, channelId, true);
    this.view.setUint32(content + 2, sequence, true);
    this.view.setBigUint64(content + 6, logTimeNs, true);
    this.view.setBigUint64(content + 14, publishTimeNs, true);
    this.buffer.set(data, content + MESSAGE_PREFIX_BYTES);
  }
}

const encoder = new TextEncoder();

function record(opcode: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const lengthBytes = parts.reduce((sum, { length }) => sum + length, 0);
  return concat([Uint8Array.of(opcode), u64(lengthBytes), ...parts]);
}

function sized(bytes: Uint8Array): Uint8Array {
  return concat([u32(bytes.length), bytes]);
}

function text(value: string): Uint8Array {
  return sized(encoder.encode(value));
}

function textMap(values: Readonly<Record<string, string>>): Uint8Array {
  return sized(concat(Object.entries(values).flatMap(([key, value]) => [text(key), text(value)])));
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, true);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function bytesOf(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setBigUint64(8 * i, value, true);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
