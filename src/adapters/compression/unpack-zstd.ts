import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import type { ByteSource } from '#formats/byte-source.ts';
import { DecompressionError } from './decompression-error.ts';

const ZSTD_MAGIC = 0xfd2fb528;
/** RFC 8878, section 3.1.2: sixteen magic numbers of frames that hold nothing for a decompressor. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_HEADER_BYTES = 8;
const READ_BYTES = 1 << 20;
/** Of a damaged frame, at most this much that was intact is lost with the damage. */
const OUTPUT_BYTES = 1 << 18;
/** Parallel compressors write a frame for each few MiB; millions of empty frames are an attack on time. */
const FRAMES_MAX = 1 << 16;

export interface UnpackOptions {
  /** The most that may be written. */
  readonly sizeBytesMax: number;
  /** Called now and then with the compressed bytes taken so far. */
  readonly onProgress?: (bytesRead: number) => void;
}

export interface Unpacked {
  readonly sizeBytes: number;
  /** Compressed bytes that could not be decompressed, and why; absent when all could. */
  readonly shortfall?: { readonly compressedBytes: number; readonly reason: string };
}

/** Whether a file begins as one that was compressed with zstd as a whole. */
export async function isZstd(source: ByteSource): Promise<boolean> {
  return (await magicAt(source, 0)) === ZSTD_MAGIC;
}

/**
 * Decompresses frame after frame into a file, with memory for some pieces of it. Input that is cut short or damaged is
 * decompressed as far as it is intact.
 * @throws {DecompressionError} when it would become more than `sizeBytesMax`.
 */
export async function unpackZstd(
  source: ByteSource,
  file: FileHandle,
  { sizeBytesMax, onProgress }: UnpackOptions,
): Promise<Unpacked> {
  let sizeBytes = 0;
  const write = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      if (sizeBytes + chunk.length > sizeBytesMax) {
        throw new DecompressionError(
          `zstd: ${source.sizeBytes} bytes become more than the ${sizeBytesMax} allowed`,
        );
      }
      await file.write(chunk, 0, chunk.length, sizeBytes);
      sizeBytes += chunk.length;
    }
  };
  let at = 0;
  for (let frames = 0; at < source.sizeBytes && frames < FRAMES_MAX; frames += 1) {
    const magic = await magicAt(source, at);
    if (magic !== undefined && (magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
      at += await skippableBytes(source, at);
      continue;
    }
    if (magic !== ZSTD_MAGIC) break;
    const frame = createZstdDecompress({ chunkSize: OUTPUT_BYTES });
    const problem = await problemOf(pipeline(ranges(source, at, onProgress), frame, write));
    const takenBytes = frame.bytesWritten;
    if (problem !== undefined && !(isBehindFrame(problem) && takenBytes > 0)) {
      return { sizeBytes, shortfall: { compressedBytes: source.sizeBytes - at, reason: problem.message } };
    }
    at += takenBytes;
  }
  const compressedBytes = source.sizeBytes - at;
  if (compressedBytes <= 0) return { sizeBytes };
  return { sizeBytes, shortfall: { compressedBytes, reason: 'what follows is no zstd frame' } };
}

async function magicAt(source: ByteSource, offset: number): Promise<number | undefined> {
  if (offset + 4 > source.sizeBytes) return undefined;
  return viewOf(await source.read(offset, 4)).getUint32(0, true);
}

async function skippableBytes(source: ByteSource, offset: number): Promise<number> {
  if (offset + SKIPPABLE_HEADER_BYTES > source.sizeBytes) return source.sizeBytes - offset;
  const header = viewOf(await source.read(offset, SKIPPABLE_HEADER_BYTES));
  return SKIPPABLE_HEADER_BYTES + header.getUint32(4, true);
}

async function* ranges(source: ByteSource, from: number, onProgress?: (bytesRead: number) => void) {
  for (let offset = from; offset < source.sizeBytes; offset += READ_BYTES) {
    yield await source.read(offset, Math.min(READ_BYTES, source.sizeBytes - offset));
    onProgress?.(offset);
  }
}

type ZlibProblem = Error & { readonly code: string };

/** What zlib says of the bytes; whatever else goes wrong is thrown on. */
async function problemOf(done: Promise<void>): Promise<ZlibProblem | undefined> {
  try {
    await done;
    return undefined;
  } catch (error) {
    if (isZlibProblem(error)) return error;
    throw error;
  }
}

function isZlibProblem(error: unknown): error is ZlibProblem {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return error.code === 'Z_BUF_ERROR' || String(error.code).startsWith('ZSTD_');
}

/** zlib ends with the first frame, and takes the beginning of a second one for a mistake. */
function isBehindFrame({ code }: ZlibProblem): boolean {
  return code === 'ZSTD_error_prefix_unknown';
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
