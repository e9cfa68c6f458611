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
