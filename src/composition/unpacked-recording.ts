import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DecompressionError } from '#adapters/compression/decompression-error.ts';
import { type Unpacked, unpackZstd } from '#adapters/compression/unpack-zstd.ts';
import { byteSourceOfFile, type FileByteSource } from '#adapters/file/file-byte-source.ts';
import type { ByteSource } from '#formats/byte-source.ts';
import { type RecordingFormat, RecordingFormatError } from '#formats/recording-reader.ts';

/** Recorded data becomes 2 to 20 times larger; what becomes more than this was made to fill a disk. */
const RATIO_MAX = 250;
/** Small recordings of nothing but zeros may be anything. */
const ALWAYS_ALLOWED_BYTES = 1 << 28;
/** Share of the free disk that one recording may take. */
const DISK_SHARE_MAX = 0.9;

export interface UnpackPlace {
  /** The recording's name, for errors. */
  readonly name: string;
  readonly format: RecordingFormat;
  /** A folder on a disk, not in memory. */
  readonly folder: string;
  readonly onProgress?: (bytesRead: number) => void;
}

export interface UnpackedRecording {
  /** Closing it frees the disk. */
  readonly source: FileByteSource;
  /** What could not be decompressed; absent when all could. */
  readonly lost?: { readonly bytes: number; readonly reason: string };
}

/**
 * A recording that was compressed with zstd as a whole, decompressed onto the disk: readers jump to and fro in it. The
 * file has no name any more when this returns, so that it goes with its handle, however the process ends.
 * @throws {RecordingFormatError} when nothing of it can be decompressed, it is a bomb, or the disk is too small.
 */
export async function unpackRecording(source: ByteSource, place: UnpackPlace): Promise<UnpackedRecording> {
  const { name, folder } = place;
  await mkdir(folder, { recursive: true });
  const path = join(folder, `landfall-unpacked-${randomUUID()}`);
  const file = await open(path, 'wx+');
  try {
    await rm(path);
    const { sizeBytes, shortfall } = await unpackInto(file, source, place);
    if (sizeBytes === 0) {
      throw refusal(place, `it cannot be decompressed: ${shortfall?.reason ?? 'it holds nothing'}`);
    }
    const unpacked = await byteSourceOfFile(file, path);
    if (shortfall === undefined) return { source: unpacked };
    const { compressedBytes: bytes, reason } = shortfall;
    const where = `behind ${sizeBytes} bytes that could be decompressed, up to ${bytes} compressed bytes are lost`;
    return { source: unpacked, lost: { bytes, reason: `${name}: ${where}: ${reason}` } };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function unpackInto(file: FileHandle, source: ByteSource, place: UnpackPlace): Promise<Unpacked> {
  const { folder, onProgress } = place;
  const { bavail, bsize } = await statfs(folder);
  const diskBytes = Math.floor(bavail * bsize * DISK_SHARE_MAX);
  const contentBytes = Math.max(ALWAYS_ALLOWED_BYTES, source.sizeBytes * RATIO_MAX);
  const sizeBytesMax = Math.min(diskBytes, contentBytes);
  const diskIsTooSmall = `the disk of ${folder} has too little room to decompress it; free some, set TMPDIR to a larger one, or use "zstd -d" first`;
  try {
    return await unpackZstd(source, file, { sizeBytesMax, ...(onProgress && { onProgress }) });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC') {
      throw refusal(place, diskIsTooSmall, cause);
    }
    if (!(cause instanceof DecompressionError)) throw cause;
    const bomb = `it becomes more than ${RATIO_MAX} times as large, which no recording does; if it is one, use "zstd -d" first`;
    throw refusal(place, sizeBytesMax === diskBytes ? diskIsTooSmall : bomb, cause);
  }
}

function refusal({ name, format }: UnpackPlace, what: string, cause?: Error): RecordingFormatError {
  return new RecordingFormatError(name, format, what, cause === undefined ? undefined : { cause });
}
