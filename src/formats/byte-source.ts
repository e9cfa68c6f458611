/**
 * The bytes of one recording file, wherever they lie: a local file, a blob read by range, a test's array.
 * Readers see nothing else of the outside.
 */
export interface ByteSource {
  /** Bytes in the file now; a file that still grows is read up to here. */
  readonly sizeBytes: number;
  /**
   * Exactly `lengthBytes` bytes from `offset`. The caller owns the result and may keep views on it.
   * Several reads may be under way at once.
   * @throws {ByteRangeError} when the range is not inside the file; readers check first, so this is a defect.
   */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>;
}

/** A range outside the file was asked for. */
export class ByteRangeError extends Error {
  override readonly name = 'ByteRangeError';
  constructor(offset: number, lengthBytes: number, sizeBytes: number) {
    super(`range ${offset}+${lengthBytes} is not inside a file of ${sizeBytes} bytes`);
  }
}

/** @throws {ByteRangeError} unless offset and length are whole, not negative and inside `sizeBytes`. */
export function assertInside(offset: number, lengthBytes: number, sizeBytes: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(lengthBytes);
  if (!whole || offset < 0 || lengthBytes < 0 || offset + lengthBytes > sizeBytes) {
    throw new ByteRangeError(offset, lengthBytes, sizeBytes);
  }
}

/** A source over bytes already in memory; reads are views, not copies. */
export function byteSourceOf(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read(offset, lengthBytes) {
      assertInside(offset, lengthBytes, bytes.length);
      return Promise.resolve(bytes.subarray(offset, offset + lengthBytes));
    },
  };
}

/** Where a writer puts its bytes: a local file, a test's array. Writers call one method at a time and wait for it. */
export interface ByteSink {
  append(bytes: Uint8Array): Promise<void>;
  /** Replaces bytes that were appended before: formats that put a summary first write it last. */
  overwrite(offset: number, bytes: Uint8Array): Promise<void>;
}

/** A sink in memory, and what it holds. */
export interface MemorySink extends ByteSink {
  bytes(): Uint8Array;
}

export function memorySink(): MemorySink {
  const held = new GrowingBytes(1 << 16);
  return {
    append(bytes) {
      held.append(bytes);
      return Promise.resolve();
    },
    overwrite(offset, bytes) {
      assertInside(offset, bytes.length, held.sizeBytes);
      held.bytes().set(bytes, offset);
      return Promise.resolve();
    },
    bytes: () => held.bytes().slice(),
  };
}

/** Bytes that become more, in one buffer: writers put records into it without a copy in between. */
export class GrowingBytes {
  sizeBytes = 0;
  /** As long as there is room for; replaced when it grows, so that nobody keeps it across `reserve`. */
  protected buffer: Uint8Array;
  protected view: DataView;

  constructor(roomBytes: number) {
    const buffer = new Uint8Array(roomBytes);
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer);
  }

  append(part: Uint8Array): void {
    const at = this.reserve(part.length);
    this.buffer.set(part, at);
  }

  /** What was written so far: a view, good until more is. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.sizeBytes);
  }

  /** Makes room for further bytes and gives the place where they begin. */
  protected reserve(lengthBytes: number): number {
    const at = this.sizeBytes;
    if (at + lengthBytes > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.buffer.length * 2, at + lengthBytes));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    this.sizeBytes = at + lengthBytes;
    return at;
  }
}
