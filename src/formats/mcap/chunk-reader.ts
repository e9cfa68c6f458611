import type { ByteSource } from '../byte-source.ts';
import type { Compression, Decompressors } from '../recording-reader.ts';
import { crc32 } from './crc32.ts';
import type { ChunkEntry } from './mcap-index.ts';
import {
  type ChunkHeader,
  FieldReader,
  McapRecordError,
  Opcode,
  parseChunkHeader,
  parseMessageIndex,
  RECORD_PREFIX_BYTES,
} from './records.ts';

/** Chunks are held in memory one at a time; recorders make them some MiB, or as large as one message. */
const CHUNK_BYTES_MAX = 2 ** 30;
/** Up to here a chunk is read in one go. */
const ONE_READ_BYTES_MAX = 1 << 24;
const FRONT_BYTES = 1 << 12;

const ALGORITHMS: Readonly<Record<string, Compression>> = { lz4: 'lz4-frame', zstd: 'zstd' };

/** The bytes of a chunk are not what its header says. */
export class ChunkError extends Error {
  override readonly name = 'ChunkError';
}

export interface ChunkBytes {
  /** Uncompressed records. */
  readonly bytes: Uint8Array;
  /** Bytes that the chunk should have and the file does not. */
  readonly missingBytes: number;
  /** False when the chunk has a checksum and the bytes have another. */
  readonly asWritten: boolean;
}

/** Reads and decompresses one chunk. @throws {ChunkError} naming what is wrong with it. */
export async function readChunk(
  source: ByteSource,
  chunk: ChunkEntry,
  decompressors: Decompressors,
): Promise<ChunkBytes> {
  const extent = chunk.limit - chunk.offset;
  if (!chunk.isRecord) {
    return { bytes: await source.read(chunk.offset, extent), missingBytes: 0, asWritten: true };
  }
  const front = await source.read(chunk.offset, extent > ONE_READ_BYTES_MAX ? FRONT_BYTES : extent);
  if (front[0] !== Opcode.chunk) throw new ChunkError('no chunk record lies there');
  const header = headerOf(front.subarray(RECORD_PREFIX_BYTES));
  const start = RECORD_PREFIX_BYTES + header.recordsStart;
  const sizeBytes = Math.min(header.recordsSizeBytes, extent - start);
  if (sizeBytes > CHUNK_BYTES_MAX) throw new ChunkError(`it is ${sizeBytes} bytes long`);
  const records =
    start + sizeBytes <= front.length
      ? front.subarray(start, start + sizeBytes)
      : await source.read(chunk.offset + start, sizeBytes);
  return await decompress(header, records, header.recordsSizeBytes - sizeBytes, decompressors);
}

function headerOf(content: Uint8Array): ChunkHeader {
  try {
    return parseChunkHeader(content);
  } catch (error) {
    if (error instanceof McapRecordError) throw new ChunkError(error.message, { cause: error });
    throw error;
  }
}

async function decompress(
  header: ChunkHeader,
  records: Uint8Array,
  missingBytes: number,
  decompressors: Decompressors,
): Promise<ChunkBytes> {
  const { compression, uncompressedSizeBytes, uncompressedCrc } = header;
  const asWritten = (bytes: Uint8Array) => uncompressedCrc === 0 || crc32(bytes) === uncompressedCrc;
  if (compression === '') {
    return { bytes: records, missingBytes, asWritten: missingBytes > 0 || asWritten(records) };
  }
  const algorithm = ALGORITHMS[compression];
  if (algorithm === undefined) throw new ChunkError(`its compression "${compression}" is not known`);
  if (uncompressedSizeBytes > CHUNK_BYTES_MAX) {
    throw new ChunkError(`it claims to decompress to ${uncompressedSizeBytes} bytes`);
  }
  try {
    const end = missingBytes > 0 ? 'as-far-as-it-goes' : 'whole';
    const bytes = await decompressors[algorithm](records, uncompressedSizeBytes, end);
    return { bytes, missingBytes, asWritten: missingBytes > 0 || asWritten(bytes) };
  } catch (cause) {
    // Decompressors are handed in and throw for one reason only: these bytes.
    const what = missingBytes > 0 ? `it is cut off, ${missingBytes} compressed bytes are missing; ` : '';
    throw new ChunkError(`${what}${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Messages in a chunk, by the message index behind it; 0 where there is none that can be read. */
export async function countByMessageIndex(source: ByteSource, chunk: ChunkEntry): Promise<number> {
  const { limit, messageIndexSizeBytes } = chunk;
  if (messageIndexSizeBytes === 0 || limit + messageIndexSizeBytes > source.sizeBytes) return 0;
  const records = new FieldReader(await source.read(limit, messageIndexSizeBytes));
  let count = 0;
  try {
    while (records.remainingBytes > 0) {
      const opcode = records.uint8();
      const content = records.bytes(records.offset());
      if (opcode === Opcode.messageIndex) count += parseMessageIndex(content).count;
    }
  } catch (error) {
    if (!(error instanceof McapRecordError)) throw error;
  }
  return count;
}
