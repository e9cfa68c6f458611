/** MCAP records: `opcode u8, length u64, content`, little endian. Source: mcap.dev/spec, section by section. */
export const MCAP_MAGIC = Uint8Array.of(0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a);

export const Opcode = {
  header: 0x01,
  footer: 0x02,
  schema: 0x03,
  channel: 0x04,
  message: 0x05,
  chunk: 0x06,
  messageIndex: 0x07,
  chunkIndex: 0x08,
  attachment: 0x09,
  attachmentIndex: 0x0a,
  statistics: 0x0b,
  metadata: 0x0c,
  metadataIndex: 0x0d,
  summaryOffset: 0x0e,
  dataEnd: 0x0f,
} as const;

/** Opcode and length in front of every record. */
export const RECORD_PREFIX_BYTES = 9;
/** Channel id, sequence, log time and publish time in front of a message's data. */
export const MESSAGE_PREFIX_BYTES = 22;
/** Footer with its prefix, and the magic behind it. */
export const FOOTER_BYTES = RECORD_PREFIX_BYTES + 20;

/** The content of a record does not fit its length. */
export class McapRecordError extends Error {
  override readonly name = 'McapRecordError';
}

const utf8 = new TextDecoder();

/** Reads the fields of one record in order; every length is checked against the bytes that remain. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remainingBytes(): number {
    return this.#bytes.length - this.#at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A u64 that is a place or a size in a file. */
  offset(): number {
    const value = this.uint64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new McapRecordError(`${value} is no place in a file`);
    return Number(value);
  }

  bytes(lengthBytes: number): Uint8Array {
    const at = this.#take(lengthBytes);
    return this.#bytes.subarray(at, at + lengthBytes);
  }

  text(): string {
    return utf8.decode(this.bytes(this.uint32()));
  }

  /** A map: its length in bytes, then pairs. */
  *entries<K, V>(key: (fields: FieldReader) => K, value: (fields: FieldReader) => V): Generator<[K, V]> {
    const fields = new FieldReader(this.bytes(this.uint32()));
    while (fields.remainingBytes > 0) yield [key(fields), value(fields)];
  }

  #take(lengthBytes: number): number {
    if (lengthBytes > this.remainingBytes) {
      throw new McapRecordError(`${lengthBytes} bytes are declared where ${this.remainingBytes} are left`);
    }
    const at = this.#at;
    this.#at += lengthBytes;
    return at;
  }
}

const text = (fields: FieldReader) => fields.text();

export interface Schema {
  readonly id: number;
  readonly name: string;
  readonly encoding: string;
  readonly data: Uint8Array;
}

export function parseSchema(content: Uint8Array): Schema {
  const fields = new FieldReader(content);
  const id = fields.uint16();
  const name = fields.text();
  const encoding = fields.text();
  return { id, name, encoding, data: fields.bytes(fields.uint32()).slice() };
}

export interface Channel {
  readonly id: number;
  /** 0 where the channel has no schema. */
  readonly schemaId: number;
  readonly topic: string;
  readonly messageEncoding: string;
  readonly metadata: ReadonlyMap<string, string>;
}

export function parseChannel(content: Uint8Array): Channel {
  const fields = new FieldReader(content);
  const id = fields.uint16();
  const schemaId = fields.uint16();
  const topic = fields.text();
  const messageEncoding = fields.text();
  return { id, schemaId, topic, messageEncoding, metadata: new Map(fields.entries(text, text)) };
}

export interface ChunkHeader {
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  readonly uncompressedSizeBytes: number;
  /** 0 where the writer gave none. */
  readonly uncompressedCrc: number;
  readonly compression: string;
  /** Of the records, as they lie in the file. */
  readonly recordsSizeBytes: number;
  /** Where the records begin in the content. */
  readonly recordsStart: number;
}

/** The fields in front of a chunk's records; `content` need not hold the records themselves. */
export function parseChunkHeader(content: Uint8Array): ChunkHeader {
  const fields = new FieldReader(content);
  const startTimeNs = fields.uint64();
  const endTimeNs = fields.uint64();
  const uncompressedSizeBytes = fields.offset();
  const uncompressedCrc = fields.uint32();
  const compression = fields.text();
  const recordsSizeBytes = fields.offset();
  const recordsStart = content.length - fields.remainingBytes;
  return {
    startTimeNs,
    endTimeNs,
    uncompressedSizeBytes,
    uncompressedCrc,
    compression,
    recordsSizeBytes,
    recordsStart,
  };
}

export interface MessageIndexSummary {
  readonly channelId: number;
  readonly count: number;
}

export function parseMessageIndex(content: Uint8Array): MessageIndexSummary {
  const fields = new FieldReader(content);
  const channelId = fields.uint16();
  const sizeBytes = fields.uint32();
  fields.bytes(sizeBytes);
  return { channelId, count: Math.floor(sizeBytes / 16) };
}

export interface ChunkIndex {
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  readonly offset: number;
  /** Of the chunk record with its prefix. */
  readonly sizeBytes: number;
  /** Channels in the chunk; empty where the writer left the message index out. */
  readonly channelIds: readonly number[];
  readonly messageIndexSizeBytes: number;
}

export function parseChunkIndex(content: Uint8Array): ChunkIndex {
  const fields = new FieldReader(content);
  const startTimeNs = fields.uint64();
  const endTimeNs = fields.uint64();
  const offset = fields.offset();
  const sizeBytes = fields.offset();
  const offsets = fields.entries(
    (entry) => entry.uint16(),
    (entry) => entry.offset(),
  );
  const channelIds = [...offsets].map(([channelId]) => channelId);
  return { startTimeNs, endTimeNs, offset, sizeBytes, channelIds, messageIndexSizeBytes: fields.offset() };
}

export interface AttachmentPlace {
  readonly name: string;
  readonly mediaType: string;
  /** Of the data. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The fields in front of an attachment's data; `content` need not hold the data. */
export function parseAttachmentHeader(content: Uint8Array): {
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** Where the data begin in the content. */
  readonly dataStart: number;
} {
  const fields = new FieldReader(content);
  fields.bytes(16);
  const name = fields.text();
  const mediaType = fields.text();
  const sizeBytes = fields.offset();
  return { name, mediaType, sizeBytes, dataStart: content.length - fields.remainingBytes };
}

export interface Statistics {
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  readonly messageCount: bigint;
  readonly countsByChannel: ReadonlyMap<number, number>;
}

export function parseStatistics(content: Uint8Array): Statistics {
  const fields = new FieldReader(content);
  const messageCount = fields.uint64();
  fields.bytes(2 + 4 + 4 + 4 + 4);
  const startTimeNs = fields.uint64();
  const endTimeNs = fields.uint64();
  const counts = fields.entries(
    (entry) => entry.uint16(),
    (entry) => entry.offset(),
  );
  return { startTimeNs, endTimeNs, messageCount, countsByChannel: new Map(counts) };
}

export interface Metadata {
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

export function parseMetadata(content: Uint8Array): Metadata {
  const fields = new FieldReader(content);
  const name = fields.text();
  return { name, values: new Map(fields.entries(text, text)) };
}

export function parseHeader(content: Uint8Array): { readonly profile: string; readonly library: string } {
  const fields = new FieldReader(content);
  return { profile: fields.text(), library: fields.text() };
}

export interface Footer {
  /** 0 where the file has no summary. */
  readonly summaryOffset: number;
  /** 0 where the file has no summary offsets. */
  readonly summaryOffsetsOffset: number;
  /** 0 where the writer gave none. */
  readonly summaryCrc: number;
}

export function parseFooter(content: Uint8Array): Footer {
  const fields = new FieldReader(content);
  return {
    summaryOffset: fields.offset(),
    summaryOffsetsOffset: fields.offset(),
    summaryCrc: fields.uint32(),
  };
}
