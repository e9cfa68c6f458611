import { type ByteSource, byteSourceOf } from './byte-source.ts';
import { type OpenOptions, type RecordingFormat, RecordingFormatError } from './recording-reader.ts';

const ZSTD_MAGIC = 0xfd2fb528;
const UNCOMPRESSED_BYTES_MAX = 2 ** 31;
const COMPRESSED_BYTES_MAX = 2 ** 30;

/**
 * A file that was compressed as a whole (`.db3.zstd`, `.mcap.zstd`: ROS 2 bags recorded with `--compression-mode
 * file`) is decompressed in memory, up to 2 GiB; any other is given back as it is. No recording begins like zstd.
 * @throws {RecordingFormatError} when it is too large, or cannot be decompressed.
 */
export async function uncompressed(
  source: ByteSource,
  format: RecordingFormat,
  { name, decompressors }: OpenOptions,
): Promise<ByteSource> {
  if (source.sizeBytes < 4) return source;
  const front = await source.read(0, 4);
  if (new DataView(front.buffer, front.byteOffset, 4).getUint32(0, true) !== ZSTD_MAGIC) return source;
  if (source.sizeBytes > COMPRESSED_BYTES_MAX) {
    throw new RecordingFormatError(name, format, 'it is too large to decompress; use "zstd -d" first');
  }
  const compressed = await source.read(0, source.sizeBytes);
  try {
    return byteSourceOf(await decompressors.zstd(compressed, UNCOMPRESSED_BYTES_MAX));
  } catch (cause) {
    // Decompressors are handed in and throw for one reason only: these bytes.
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new RecordingFormatError(name, format, `it cannot be decompressed: ${what}`, { cause });
  }
}
