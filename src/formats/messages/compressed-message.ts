import type { LossCounter, OpenOptions } from '../recording-reader.ts';

/** How zstd data begins; no CDR message does, its first byte is 0. */
const ZSTD_FRONT = [0x28, 0xb5, 0x2f, 0xfd] as const;
const MESSAGE_BYTES_MAX = 2 ** 30;

/** Whether the message at `start` was compressed by rosbag2 (`--compression-mode message`), whatever the storage. */
export function isCompressedMessage(bytes: Uint8Array, start = 0): boolean {
  // Asked of every message: the first byte is the answer for nearly all.
  return bytes[start] === ZSTD_FRONT[0] && ZSTD_FRONT.every((byte, index) => bytes[start + index] === byte);
}

/** The message as it was; undefined, and counted, where it cannot be decompressed. */
export async function uncompressedMessage(
  data: Uint8Array,
  { name, decompressors }: OpenOptions,
  loss: LossCounter,
): Promise<Uint8Array | undefined> {
  if (!isCompressedMessage(data)) return data;
  try {
    return await decompressors.zstd(data, MESSAGE_BYTES_MAX);
  } catch (cause) {
    // Decompressors are handed in and throw for one reason only: these bytes.
    const what = cause instanceof Error ? cause.message : String(cause);
    loss.add(1, data.length, `${name}: a message cannot be decompressed: ${what}`);
    return undefined;
  }
}
