import type { ByteSource } from '../byte-source.ts';
import type { Compression, Decompressors } from '../recording-reader.ts';
import type { ChunkEntry } from './bag-index.ts';
import { Op, type RecordPlace, recordAt, textField, uint32Field } from './record.ts';

/** Chunks are held in memory one at a time; recorders make them below 1 MiB, or as large as one message. */
const CHUNK_BYTES_MAX = 2 ** 30;
/** Up to here a chunk is read together with its header, in one go. */
const ONE_READ_BYTES_MAX = 1 << 24;
const HEADER_READ_BYTES = 1 << 12;

/** The bytes of a chunk are not what its header says. */
export class ChunkError extends Error {
  override readonly name = 'ChunkError';
}

export interface ChunkBytes {
  /** Uncompressed records. */
  readonly bytes: Uint8Array;
  /** Bytes that the chunk should have and the file does not. */
  readonly missingBytes: number;
}

/** Reads and decompresses one chunk. @throws {ChunkError} naming what is wrong with it. */
export async function readChunk(
  source: ByteSource,
  chunk: ChunkEntry,
  decompressors: Decompressors,
): Promise<ChunkBytes> {
  const extent = chunk.limit - chunk.offset;
  if (!chunk.isRecord) return { bytes: await source.read(chunk.offset, extent), missingBytes: 0 };
  const front = await source.read(
    chunk.offset,
    Math.min(extent, extent > ONE_READ_BYTES_MAX ? HEADER_READ_BYTES : extent),
  );
  const record = recordAt(front, 0, front.length);
  if (record?.op !== Op.chunk) throw new ChunkError('no chunk record lies there');
  const end = Math.min(record.dataEnd, extent);
  if (end - record.dataStart > CHUNK_BYTES_MAX)
    throw new ChunkError(`it is ${end - record.dataStart} bytes long`);
  const data =
    end <= front.length
      ? front.subarray(record.dataStart, end)
      : await source.read(chunk.offset + record.dataStart, end - record.dataStart);
  return decompressChunk(record, data, record.dataEnd - end, decompressors);
}

/** The records in the data of a chunk record. @throws {ChunkError} when they cannot be had. */
async function decompressChunk(
  record: RecordPlace,
  data: Uint8Array,
  missingBytes: number,
  decompressors: Decompressors,
): Promise<ChunkBytes> {
  const compression = textField(record.fields, 'compression');
  if (compression === 'none') return { bytes: data, missingBytes };
  const sizeBytes = uint32Field(record.fields, 'size');
  const algorithm = ALGORITHMS[compression];
  if (algorithm === undefined) throw new ChunkError(`its compression "${compression}" is not known`);
  if (sizeBytes === undefined || sizeBytes > CHUNK_BYTES_MAX) {
    throw new ChunkError(`it claims to decompress to ${sizeBytes ?? 'an unknown number of'} bytes`);
  }
  try {
    const end = missingBytes > 0 ? 'as-far-as-it-goes' : 'whole';
    return { bytes: await decompressors[algorithm](data, sizeBytes, end), missingBytes };
  } catch (cause) {
    // Decompressors are handed in and throw for one reason only: these bytes.
    const what = missingBytes > 0 ? `it is cut off, ${missingBytes} compressed bytes are missing; ` : '';
    throw new ChunkError(`${what}${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

const ALGORITHMS: Readonly<Record<string, Compression>> = { bz2: 'bz2', lz4: 'lz4-frame' };
