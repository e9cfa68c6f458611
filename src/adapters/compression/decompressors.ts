import { promisify } from 'node:util';
import { constants, inflate, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { decompressFrame, decompressFrameSync, uncompressSync } from 'lz4-napi';
import type { Compression, Decompressors } from '#formats/recording-reader.ts';
import { Bz2Thread } from './bz2-thread.ts';
import { DecompressionError } from './decompression-error.ts';
import { lz4BlockContentBytes, lz4FrameContentBytes, lz4WholeBlocks } from './lz4-size.ts';

const inflateLater = promisify(inflate);
const zstdDecompressLater = promisify(zstdDecompress);
/** Above this a call would hold up the event loop for tens of milliseconds. */
const AT_ONCE_BYTES_MAX = 1 << 23;

/** The bz2 library reserves the whole result before it looks at the bytes; recorders make chunks below 1 MiB. */
const BZ2_BYTES_MAX = 1 << 28;

/** Of all decompressors of this process; idle until the first bag needs it. */
const bz2Thread = new Bz2Thread();

/**
 * All decompressors that recordings need. Each allocates no more than `sizeBytesMax` for its result and throws
 * `DecompressionError` beyond that; a result may be shorter, which the caller judges.
 */
export function createDecompressors(): Decompressors {
  return {
    'lz4-frame': (compressed, sizeBytesMax, end = 'whole') => {
      if (end === 'whole' && sizeBytesMax > AT_ONCE_BYTES_MAX) {
        return boundedLater('lz4-frame', compressed, sizeBytesMax, lz4FrameLater(compressed, sizeBytesMax));
      }
      return bounded('lz4-frame', compressed, sizeBytesMax, () => {
        if (end === 'as-far-as-it-goes') return wholeBlocksOf(compressed, sizeBytesMax);
        assertLz4FrameFits(compressed, sizeBytesMax);
        return decompressFrameSync(asBuffer(compressed));
      });
    },
    'lz4-block': (compressed, sizeBytesMax) =>
      bounded('lz4-block', compressed, sizeBytesMax, () => {
        const sizeBytes = lz4BlockContentBytes(compressed, 0, compressed.length);
        if (sizeBytes > sizeBytesMax) throw new RangeError(`the block holds ${sizeBytes} bytes`);
        return uncompressSync(withSize(compressed, sizeBytes));
      }),
    bz2: (compressed, sizeBytesMax) => {
      if (sizeBytesMax > BZ2_BYTES_MAX) {
        throw failureOf(
          wordsOf('bz2', compressed, sizeBytesMax),
          new RangeError(`more than ${BZ2_BYTES_MAX} bytes are refused`),
        );
      }
      return boundedLater('bz2', compressed, sizeBytesMax, bz2Thread.decompress(compressed, sizeBytesMax));
    },
    zstd: (compressed, sizeBytesMax, end = 'whole') => {
      const options = {
        ...outputOf(compressed, sizeBytesMax),
        finishFlush: end === 'whole' ? constants.ZSTD_e_end : constants.ZSTD_e_flush,
      };
      return options.chunkSize > AT_ONCE_BYTES_MAX
        ? boundedLater('zstd', compressed, sizeBytesMax, zstdDecompressLater(compressed, options))
        : bounded('zstd', compressed, sizeBytesMax, () => zstdDecompressSync(compressed, options));
    },
    // On a thread of the pool: its blocks are taken several at a time.
    deflate: (compressed, sizeBytesMax) =>
      boundedLater(
        'deflate',
        compressed,
        sizeBytesMax,
        inflateLater(compressed, outputOf(compressed, sizeBytesMax)),
      ),
  };
}

const OUTPUT_CHUNK_BYTES_MAX = 1 << 24;
const OUTPUT_CHUNK_BYTES_MIN = 1 << 14;
/** What compresses better than this comes in several pieces. */
const USUAL_RATIO_MAX = 8;

/** One piece of output of about the expected size, instead of many that are put together. */
function outputOf(compressed: Uint8Array, sizeBytesMax: number) {
  const expected = Math.max(OUTPUT_CHUNK_BYTES_MIN, compressed.length * USUAL_RATIO_MAX);
  // One byte more: when the piece is full to the last byte, zlib asks for another.
  const chunkSize = Math.max(1 << 10, Math.min(OUTPUT_CHUNK_BYTES_MAX, expected, sizeBytesMax + 1));
  return { maxOutputLength: Math.max(1, sizeBytesMax), chunkSize };
}

/** Whatever a library throws about its input means the same to a reader: these bytes cannot be decompressed. */
function bounded(
  compression: Compression,
  compressed: Uint8Array,
  sizeBytesMax: number,
  decompress: () => Uint8Array,
): Uint8Array {
  const what = wordsOf(compression, compressed, sizeBytesMax);
  let content: Uint8Array;
  try {
    content = decompress();
  } catch (cause) {
    throw failureOf(what, cause);
  }
  if (content.length > sizeBytesMax) throw new DecompressionError(`${what}: became ${content.length} bytes`);
  return content;
}

async function boundedLater(
  compression: Compression,
  compressed: Uint8Array,
  sizeBytesMax: number,
  content: Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await content;
  } catch (cause) {
    throw failureOf(wordsOf(compression, compressed, sizeBytesMax), cause);
  }
}

function wordsOf(compression: Compression, compressed: Uint8Array, sizeBytesMax: number): string {
  return `${compression}: ${compressed.length} bytes to at most ${sizeBytesMax}`;
}

function failureOf(what: string, cause: unknown): DecompressionError {
  return new DecompressionError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });
}

async function lz4FrameLater(frame: Uint8Array, sizeBytesMax: number): Promise<Uint8Array> {
  assertLz4FrameFits(frame, sizeBytesMax);
  return decompressFrame(frame);
}

function assertLz4FrameFits(frame: Uint8Array, sizeBytesMax: number): void {
  const sizeBytes = lz4FrameContentBytes(frame);
  if (sizeBytes > sizeBytesMax) throw new RangeError(`the frame holds ${sizeBytes} bytes`);
}

const LZ4_WINDOW_BYTES = 1 << 16;

/** The blocks of an LZ4 frame that are whole, each with the 64 KiB in front of it, which it may refer to. */
function wholeBlocksOf(frame: Uint8Array, sizeBytesMax: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let window = Buffer.alloc(0);
  for (const { start, end, isStored } of lz4WholeBlocks(frame)) {
    const block = frame.subarray(start, end);
    const contentBytes = isStored ? block.length : lz4BlockContentBytes(frame, start, end);
    sizeBytes += contentBytes;
    if (sizeBytes > sizeBytesMax) throw new RangeError(`the frame holds more than ${sizeBytesMax} bytes`);
    const content = isStored ? block : uncompressSync(withSize(block, contentBytes), window);
    parts.push(content);
    window = Buffer.concat([window, content]).subarray(-LZ4_WINDOW_BYTES);
  }
  return Buffer.concat(parts);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The library expects the size in front of the block, and allocates exactly that. */
function withSize(block: Uint8Array, sizeBytes: number): Buffer {
  const sized = Buffer.allocUnsafe(block.length + 4);
  sized.writeUInt32LE(sizeBytes, 0);
  sized.set(block, 4);
  return sized;
}
