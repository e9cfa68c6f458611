import { type ByteSink, GrowingBytes } from '../byte-source.ts';
import { BAG_MAGIC, Op } from './record.ts';

export interface RosbagWriterOptions {
  /** Uncompressed bytes after which a chunk is closed; 768 KiB as the ROS tools do. */
  readonly chunkSizeBytes?: number;
  /** Absent: chunks are not compressed. `lz4` is the LZ4 frame format. */
  readonly compression?: { readonly name: 'lz4' | 'bz2'; compress(chunk: Uint8Array): Uint8Array };
}

export interface NewConnection {
  readonly topic: string;
  /** `package/Type`. */
  readonly type: string;
  /** See `ros1Md5sum`. */
  readonly md5sum: string;
  /** With all used types, as `standardRos1Definition` gives it. */
  readonly definition: string;
}

const BAG_HEADER_RECORD_BYTES = 4096;
const CHUNK_BYTES = 768 * 1024;

/**
 * Writes a ROS bag 2.0 (wiki.ros.org/Bags/Format/2.0) with chunks and index, as the ROS tools read it. Memory is
 * bounded by one chunk; the list of chunks is kept until `close`, which writes the index and completes the header.
 */
export class RosbagWriter {
  readonly #sink: ByteSink;
  readonly #chunkSizeBytes: number;
  readonly #compression: RosbagWriterOptions['compression'];
  readonly #connections: Uint8Array[] = [];
  readonly #written = new Set<number>();
  readonly #chunkInfos: Uint8Array[] = [];
  #chunk = new OpenChunk();
  #offset = 0;

  private constructor(sink: ByteSink, options: RosbagWriterOptions) {
    this.#sink = sink;
    this.#chunkSizeBytes = options.chunkSizeBytes ?? CHUNK_BYTES;
    this.#compression = options.compression;
  }

  /** Begins a bag; until `close` its header says that it has no index, which readers then rebuild. */
  static async create(sink: ByteSink, options: RosbagWriterOptions = {}): Promise<RosbagWriter> {
    const writer = new RosbagWriter(sink, options);
    await writer.#append(encoder.encode(BAG_MAGIC));
    await writer.#append(bagHeaderRecord(0, 0, 0));
    return writer;
  }

  /** Describes one publisher of a topic and returns the id for its messages. */
  addConnection(connection: NewConnection): number {
    const id = this.#connections.length;
    const { topic, type, md5sum, definition } = connection;
    const header = { conn: uint32(id), op: Op.connection, topic };
    const described = { topic, type, md5sum, message_definition: definition };
    this.#connections.push(record(header, headerBytes(described)));
    return id;
  }

  /**
   * Adds one serialized message received at `timeNs` (UTC nanoseconds since 1970, before 2106).
   * @throws {RangeError} for an id that `addConnection` did not give.
   */
  async addMessage(connection: number, timeNs: bigint, message: Uint8Array): Promise<void> {
    const described = this.#connections[connection];
    if (described === undefined) throw new RangeError(`connection ${connection} was never added to this bag`);
    if (!this.#written.has(connection)) {
      this.#written.add(connection);
      this.#chunk.append(described);
    }
    this.#chunk.addMessage(connection, timeNs, message);
    if (this.#chunk.sizeBytes >= this.#chunkSizeBytes) await this.#closeChunk();
  }

  /** Writes what is still open, the index and the final header. The sink stays open. */
  async close(): Promise<void> {
    await this.#closeChunk();
    const indexOffset = this.#offset;
    for (const connection of this.#connections) await this.#append(connection);
    for (const chunkInfo of this.#chunkInfos) await this.#append(chunkInfo);
    const header = bagHeaderRecord(indexOffset, this.#connections.length, this.#chunkInfos.length);
    await this.#sink.overwrite(BAG_MAGIC.length, header);
  }

  async #closeChunk(): Promise<void> {
    const chunk = this.#chunk;
    if (chunk.sizeBytes === 0) return;
    this.#chunk = new OpenChunk();
    const offset = this.#offset;
    const bytes = chunk.bytes();
    const compression = this.#compression?.name ?? 'none';
    const data = this.#compression?.compress(bytes) ?? bytes;
    await this.#append(record({ compression, op: Op.chunk, size: uint32(bytes.length) }, data));
    for (const [connection, entries] of chunk.entries) await this.#append(indexRecord(connection, entries));
    this.#chunkInfos.push(chunkInfoRecord(offset, chunk.entries));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#sink.append(bytes);
    this.#offset += bytes.length;
  }
}

interface IndexEntry {
  readonly timeNs: bigint;
  /** Of the message record, in the uncompressed chunk. */
  readonly offset: number;
}

const CONNECTION_AT = 4 + 4 + 5;
const TIME_AT = 4 + 13 + 8 + 4 + 5;
const MESSAGE_HEADER_BYTES = 13 + 8 + 17;

/** The records of a chunk, and where its messages begin. */
class OpenChunk extends GrowingBytes {
  readonly entries = new Map<number, IndexEntry[]>();

  constructor() {
    super(CHUNK_BYTES);
  }

  addMessage(connection: number, timeNs: bigint, message: Uint8Array): void {
    const entries = this.entries.get(connection);
    const entry = { timeNs, offset: this.sizeBytes };
    if (entries === undefined) this.entries.set(connection, [entry]);
    else entries.push(entry);
    const at = this.reserve(MESSAGE_FRONT.length + message.length);
    this.buffer.set(MESSAGE_FRONT, at);
    this.buffer.set(message, at + MESSAGE_FRONT.length);
    this.view.setUint32(at + CONNECTION_AT, connection, true);
    this.view.setUint32(at + TIME_AT, Number(timeNs / 1_000_000_000n), true);
    this.view.setUint32(at + TIME_AT + 4, Number(timeNs % 1_000_000_000n), true);
    this.view.setUint32(at + 4 + MESSAGE_HEADER_BYTES, message.length, true);
  }
}

const encoder = new TextEncoder();

/** Header of a message record, to be completed in place. */
const MESSAGE_FRONT = record({ conn: uint32(0), op: Op.message, time: new Uint8Array(8) }, new Uint8Array(0));

function bagHeaderRecord(indexOffset: number, connectionCount: number, chunkCount: number): Uint8Array {
  const header = headerBytes({
    chunk_count: uint32(chunkCount),
    conn_count: uint32(connectionCount),
    index_pos: uint64(indexOffset),
    op: Op.bagHeader,
  });
  const padding = new Uint8Array(BAG_HEADER_RECORD_BYTES - 8 - header.length).fill(0x20);
  return concat([uint32(header.length), header, uint32(padding.length), padding]);
}

function indexRecord(connection: number, entries: readonly IndexEntry[]): Uint8Array {
  const inOrder = entries.toSorted((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
  const data = new Uint8Array(12 * entries.length);
  const view = new DataView(data.buffer);
  for (const [i, { timeNs, offset }] of inOrder.entries()) {
    data.set(rosTime(timeNs), 12 * i);
    view.setUint32(12 * i + 8, offset, true);
  }
  const header = {
    conn: uint32(connection),
    count: uint32(entries.length),
    op: Op.indexData,
    ver: uint32(1),
  };
  return record(header, data);
}

function chunkInfoRecord(offset: number, entries: ReadonlyMap<number, readonly IndexEntry[]>): Uint8Array {
  const times = [...entries.values()].flat().map(({ timeNs }) => timeNs);
  let first = times[0] ?? 0n;
  let last = first;
  for (const time of times) {
    if (time < first) first = time;
    else if (time > last) last = time;
  }
  const header = {
    chunk_pos: uint64(offset),
    count: uint32(entries.size),
    end_time: rosTime(last),
    op: Op.chunkInfo,
    start_time: rosTime(first),
    ver: uint32(1),
  };
  const counts = [...entries].flatMap(([connection, { length }]) => [uint32(connection), uint32(length)]);
  return record(header, concat(counts));
}

type HeaderValues = Readonly<Record<string, string | number | Uint8Array>>;

function record(header: HeaderValues, data: Uint8Array): Uint8Array {
  const bytes = headerBytes(header);
  return concat([uint32(bytes.length), bytes, uint32(data.length), data]);
}

/** Text as UTF-8, numbers as one byte (that is `op`), bytes as they are. */
function headerBytes(values: HeaderValues): Uint8Array {
  const parts = Object.entries(values).flatMap(([name, value]) => {
    const bytes = typeof value === 'string' ? encoder.encode(value) : value;
    const field = typeof bytes === 'number' ? Uint8Array.of(bytes) : bytes;
    const label = encoder.encode(`${name}=`);
    return [uint32(label.length + field.length), label, field];
  });
  return concat(parts);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function rosTime(timeNs: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Number(timeNs / 1_000_000_000n), true);
  view.setUint32(4, Number(timeNs % 1_000_000_000n), true);
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
