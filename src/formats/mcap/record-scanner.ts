import type { ByteSource } from '../byte-source.ts';
import { MCAP_MAGIC, Opcode, RECORD_PREFIX_BYTES } from './records.ts';

const WINDOW_BYTES = 1 << 18;
/** Schemas and metadata are small; of larger records only the front is given. */
const CONTENT_BYTES_MAX = 1 << 26;

export interface ScannedRecord {
  readonly opcode: number;
  readonly contentOffset: number;
  /** Where the next record begins, as this one says; may lie behind the file. */
  readonly endOffset: number;
}

/** Looks at the records of a file one after the other, with few reads and without reading chunks. */
export class RecordScanner {
  readonly #source: ByteSource;
  #offset = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The record at `offset`; undefined when none begins there. */
  async at(offset: number): Promise<ScannedRecord | undefined> {
    const bytes = await this.window(offset, RECORD_PREFIX_BYTES);
    if (bytes.length < RECORD_PREFIX_BYTES) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const opcode = view.getUint8(0);
    const lengthBytes = view.getUint32(1, true) + view.getUint32(5, true) * 2 ** 32;
    if (opcode === 0 || lengthBytes > Number.MAX_SAFE_INTEGER / 2) return undefined;
    const contentOffset = offset + RECORD_PREFIX_BYTES;
    return { opcode, contentOffset, endOffset: contentOffset + lengthBytes };
  }

  /** The content of a record, or its front where it is large or cut off. */
  async content(record: ScannedRecord, lengthBytesMax = CONTENT_BYTES_MAX): Promise<Uint8Array> {
    const lengthBytes = Math.min(record.endOffset - record.contentOffset, lengthBytesMax);
    const bytes = await this.window(record.contentOffset, lengthBytes);
    return bytes.subarray(0, lengthBytes);
  }

  /** The bytes from `offset`, at least `lengthBytes` of them or all that the file has. */
  async window(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const end = Math.min(offset + lengthBytes, this.#source.sizeBytes);
    if (offset < this.#offset || end > this.#offset + this.#bytes.length) {
      const left = Math.max(0, this.#source.sizeBytes - offset);
      const wanted = Math.min(Math.max(lengthBytes, WINDOW_BYTES), left);
      this.#bytes = wanted === 0 ? new Uint8Array(0) : await this.#source.read(offset, wanted);
      this.#offset = offset;
    }
    return this.#bytes.subarray(offset - this.#offset);
  }
}

const SEARCH_BYTES = 1 << 20;
/** Everything of a chunk record in front of its records, with the longest name of a compression. */
const CHUNK_FRONT_BYTES = RECORD_PREFIX_BYTES + 28 + 4 + 4 + 8;

/** The first offset from `from` on where a chunk begins that fits before `limit`, or -1. */
export async function findChunk(source: ByteSource, from: number, limit: number): Promise<number> {
  for (let offset = from; offset < limit; offset += SEARCH_BYTES) {
    const bytes = await source.read(offset, Math.min(SEARCH_BYTES + CHUNK_FRONT_BYTES, limit - offset));
    for (let at = bytes.indexOf(Opcode.chunk); at >= 0; at = bytes.indexOf(Opcode.chunk, at + 1)) {
      if (isChunk(bytes, at, limit - offset)) return offset + at;
    }
  }
  return -1;
}

/** A chunk gives its length twice, around the name of a compression: chance does not. */
function isChunk(bytes: Uint8Array, at: number, limit: number): boolean {
  if (at + CHUNK_FRONT_BYTES - 4 > bytes.length) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthBytes = Number(view.getBigUint64(at + 1, true));
  const nameBytes = view.getUint32(at + RECORD_PREFIX_BYTES + 28, true);
  if (nameBytes > 4 || at + RECORD_PREFIX_BYTES + lengthBytes > limit) return false;
  const recordsLengthAt = at + RECORD_PREFIX_BYTES + 32 + nameBytes;
  if (recordsLengthAt + 8 > bytes.length) return false;
  return Number(view.getBigUint64(recordsLengthAt, true)) + 40 + nameBytes === lengthBytes;
}

export function isMagic(bytes: Uint8Array): boolean {
  return bytes.length === MCAP_MAGIC.length && MCAP_MAGIC.every((byte, i) => bytes[i] === byte);
}
