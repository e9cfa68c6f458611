import type { ByteSource } from '../byte-source.ts';
import { HEADER_BYTES_MAX, type HeaderFields, recordAt, viewOf } from './record.ts';

const WINDOW_BYTES = 1 << 18;
/** Connection records and chunk infos are small; a larger one is read by its header only. */
const DATA_BYTES_MAX = 1 << 24;

export interface ScannedRecord {
  readonly op: number;
  readonly fields: HeaderFields;
  readonly dataOffset: number;
  /** Where the next record begins, as this one says; may lie behind the file. */
  readonly endOffset: number;
  /** The data, where they are small and all in the file. */
  readonly data: Uint8Array | undefined;
}

/** Looks at the records of a file one after the other, with few reads and without reading the data of chunks. */
export class RecordScanner {
  readonly #source: ByteSource;
  #offset = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The record at `offset`; undefined when none begins there. `withData` false leaves the data unread. */
  async at(offset: number, withData = true): Promise<ScannedRecord | undefined> {
    let bytes = await this.window(offset, 4);
    if (bytes.length < 4) return undefined;
    const headerBytes = viewOf(bytes).getUint32(0, true);
    if (headerBytes > HEADER_BYTES_MAX) return undefined;
    bytes = await this.window(offset, headerBytes + 8);
    const record = recordAt(bytes, 0, bytes.length);
    if (record === undefined) return undefined;
    const { op, fields, dataStart, dataEnd } = record;
    const small =
      withData && dataEnd - dataStart <= DATA_BYTES_MAX && offset + dataEnd <= this.#source.sizeBytes;
    if (small) bytes = await this.window(offset, dataEnd);
    return {
      op,
      fields,
      dataOffset: offset + dataStart,
      endOffset: offset + dataEnd,
      data: small ? bytes.subarray(dataStart, dataEnd) : undefined,
    };
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
