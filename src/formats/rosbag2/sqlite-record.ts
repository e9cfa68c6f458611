/**
 * Records of SQLite, read where they lie: a header of serial types, then the values (sqlite.org/fileformat2.html,
 * section 2.1). A recording has millions of them, so that reading one makes no object.
 */
export type SqliteValue = number | bigint | string | Uint8Array | null;

/** A page, or a row in it, that is not what it should be. */
export class SqlitePageError extends Error {
  override readonly name = 'SqlitePageError';
}

const VARINT_BYTES_MAX = 9;

/** Reads numbers of changing length one behind the other. `at` may be set anew at any time. */
export class VarintReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** Where the bytes end that a number may lie in. */
  end = 0;

  /**
   * Big-endian groups of 7 bits, at most 9 bytes, of which the last gives 8 bits (section 1.6). Exact up to 2^53;
   * beyond that only row ids lie, which are counted, and lengths, which are refused.
   */
  next(): number {
    const { bytes, end } = this;
    let value = 0;
    for (let length = 1; this.at < end; length += 1) {
      const byte = bytes[this.at]!;
      this.at += 1;
      if (length === VARINT_BYTES_MAX) return value * 256 + byte;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    throw new SqlitePageError('a number does not fit its page');
  }

  /** The same number as a signed one of 64 bits. */
  nextSigned(): number {
    const value = this.next();
    return value < 2 ** 63 ? value : this.#negative(this.at - VARINT_BYTES_MAX);
  }

  /** The 9 bytes at `start` by their distance from -1, as a small negative number is too close to 2^64 to be exact. */
  #negative(start: number): number {
    let distance = 0;
    for (let at = start; at < start + VARINT_BYTES_MAX - 1; at += 1) {
      distance = distance * 128 + (~this.bytes[at]! & 0x7f);
    }
    return -1 - (distance * 256 + (~this.bytes[start + VARINT_BYTES_MAX - 1]! & 0xff));
  }
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8];
const ABSENT = 0;

/** Where the values of a record lie, and of which serial type they are; read again for every record. */
export class RecordPlaces {
  /** How many values the record has. */
  count = 0;
  readonly #types: number[] = [];
  readonly #starts: number[] = [];
  readonly #header = new VarintReader();
  #bytes = this.#header.bytes;
  #end = 0;

  /** @throws {SqlitePageError} when the record does not fit between `start` and `end`. */
  read(bytes: Uint8Array, start: number, end: number): void {
    const header = this.#header;
    header.bytes = bytes;
    header.at = start;
    header.end = end;
    const headerEnd = start + header.next();
    if (headerEnd > end) throw new SqlitePageError('its header is longer than the row');
    let at = headerEnd;
    let count = 0;
    while (header.at < headerEnd) {
      const type = header.next();
      this.#types[count] = type;
      this.#starts[count] = at;
      at += lengthOf(type);
      if (at > end) throw new SqlitePageError('it does not fit its page');
      count += 1;
    }
    this.count = count;
    this.#bytes = bytes;
    this.#end = at;
  }

  isInteger(index: number): boolean {
    const type = this.#typeOf(index);
    return (type >= 1 && type <= 6) || type === 8 || type === 9;
  }

  isBlob(index: number): boolean {
    const type = this.#typeOf(index);
    return type >= 12 && type % 2 === 0;
  }

  start(index: number): number {
    return this.#starts[index]!;
  }

  end(index: number): number {
    return index + 1 < this.count ? this.#starts[index + 1]! : this.#end;
  }

  /** An integer, exact up to 2^53. */
  integer(index: number): number {
    return (this.integerHigh(index) | 0) * 2 ** 32 + this.integerLow(index);
  }

  /** The lower 32 bits of an integer, unsigned. */
  integerLow(index: number): number {
    const bytes = this.#bytes;
    const end = this.end(index);
    const start = Math.max(this.#starts[index]!, end - 4);
    if (start === end) return this.#types[index]! - 8;
    let value = (bytes[start]! << 24) >> 24;
    for (let at = start + 1; at < end; at += 1) value = (value << 8) | bytes[at]!;
    return value >>> 0;
  }

  /** The upper 32 bits of an integer, as its sign extends them, unsigned. */
  integerHigh(index: number): number {
    const bytes = this.#bytes;
    const start = this.#starts[index]!;
    const end = this.end(index);
    if (start === end) return 0;
    let value = (bytes[start]! << 24) >> 24;
    if (end - start <= 4) return (value >> 31) >>> 0;
    for (let at = start + 1; at < end - 4; at += 1) value = (value << 8) | bytes[at]!;
    return value >>> 0;
  }

  value(index: number): SqliteValue {
    const type = this.#typeOf(index);
    if (type === ABSENT || type === 10 || type === 11) return null;
    const bytes = this.#bytes.subarray(this.start(index), this.end(index));
    if (type >= 12) return type % 2 === 0 ? bytes : utf8.decode(bytes);
    if (type === 7) return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
    if (type !== 6) return this.integer(index);
    return (BigInt(this.integerHigh(index) | 0) << 32n) | BigInt(this.integerLow(index));
  }

  values(): SqliteValue[] {
    return Array.from({ length: this.count }, (_, index) => this.value(index));
  }

  #typeOf(index: number): number {
    return index >= 0 && index < this.count ? this.#types[index]! : ABSENT;
  }
}

const utf8 = new TextDecoder();

function lengthOf(serialType: number): number {
  if (serialType >= 12) return Math.floor((serialType - 12) / 2);
  return serialType === 7 ? 8 : (INTEGER_BYTES[serialType] ?? 0);
}
