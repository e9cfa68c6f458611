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
  let held = new Uint8Array(1 << 16);
  let sizeBytes = 0;
  return {
    append(bytes) {
      if (sizeBytes + bytes.length > held.length) {
        const larger = new Uint8Array(Math.max(held.length * 2, sizeBytes + bytes.length));
        larger.set(held.subarray(0, sizeBytes));
        held = larger;
      }
      held.set(bytes, sizeBytes);
      sizeBytes += bytes.length;
      return Promise.resolve();
    },
    overwrite(offset, bytes) {
      assertInside(offset, bytes.length, sizeBytes);
      held.set(bytes, offset);
      return Promise.resolve();
    },
    bytes: () => held.slice(0, sizeBytes),
  };
}
