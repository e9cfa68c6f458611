import type { Decompressors } from '../recording-reader.ts';
import { BLOCK_HEADER_BYTES, type BlockReader, Mdf4Damage } from './blocks.ts';
import {
  type DataBlock,
  type DataBlockKind,
  dataBlocksOf,
  ORIGINAL_BYTES_MAX,
  readCompressedHeader,
  untranspose,
} from './data-blocks.ts';
import type { UnfinishedParts } from './identification.ts';

/**
 * A piece of the byte stream that the data blocks of one data group form together. A lost piece stands for bytes
 * that could not be read: `sizeBytes` of them, or an unknown number (then what follows has no known place).
 */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly startsBlock: boolean }
  | { readonly kind: 'lost'; readonly sizeBytes: number | undefined; readonly reason: string };

export interface StreamSource {
  readonly reader: BlockReader;
  readonly decompressors: Decompressors;
  readonly unfinished: UnfinishedParts;
  /** Called with the bytes of file that each step took. */
  readonly onBytes: (sizeBytes: number) => void;
}

/** How a stream is going to be used; nothing of it changes what the stream is. */
export interface StreamUse {
  readonly kind?: DataBlockKind;
  /** Plain blocks are read in steps of this size; compressed ones are taken whole, as they must be. */
  readonly stepBytes?: number;
  /** One flag per byte of a record: bytes that nobody looks at need not be put back in their place. */
  readonly wantedBytes?: Uint8Array;
}

const STEP_BYTES = 1 << 22;

/** The stream behind a data link, in order. Nothing is read before it is asked for. */
export async function* piecesOf(
  source: StreamSource,
  dataLink: number,
  use: StreamUse = {},
): AsyncGenerator<Piece> {
  let position = 0;
  for await (const block of dataBlocksOf(source.reader, dataLink, source.unfinished, use.kind)) {
    if ('lost' in block) yield { kind: 'lost', sizeBytes: block.sizeBytes, reason: block.lost };
    else if (block.header.id === 'DZ') {
      // Only where records begin with the block is the n-th byte of its records the n-th of theirs.
      const isAligned = use.wantedBytes !== undefined && position % use.wantedBytes.length === 0;
      const piece = await decompressed(source, block, isAligned ? use.wantedBytes : undefined);
      position += piece.kind === 'bytes' ? piece.bytes.length : (piece.sizeBytes ?? Number.NaN);
      yield piece;
    } else {
      yield* plain(source, block, use.stepBytes ?? STEP_BYTES);
      position += block.dataBytes;
    }
  }
}

async function* plain(source: StreamSource, block: DataBlock, stepBytes: number): AsyncGenerator<Piece> {
  const start = block.header.offset + BLOCK_HEADER_BYTES;
  for (let at = 0; at < block.dataBytes; at += stepBytes) {
    const lengthBytes = Math.min(stepBytes, block.dataBytes - at);
    const bytes = await source.reader.bytes(start + at, lengthBytes);
    source.onBytes(lengthBytes);
    yield { kind: 'bytes', bytes, startsBlock: at === 0 };
  }
  if (block.missingBytes > 0) {
    yield {
      kind: 'lost',
      sizeBytes: block.missingBytes <= ORIGINAL_BYTES_MAX ? block.missingBytes : undefined,
      reason: `the ${block.header.id} block at ${block.header.offset} lacks its last ${block.missingBytes} bytes`,
    };
  }
}

async function decompressed(
  source: StreamSource,
  block: DataBlock,
  wantedBytes?: Uint8Array,
): Promise<Piece> {
  let originalBytes: number | undefined;
  try {
    const compressed = await readCompressedHeader(source.reader, block);
    originalBytes = compressed.originalBytes;
    if (compressed.compressedOffset + compressed.compressedBytes > source.reader.sizeBytes) {
      throw new Mdf4Damage(`the DZ block at ${block.header.offset} ends behind the end of the file`);
    }
    const packed = await source.reader.bytes(compressed.compressedOffset, compressed.compressedBytes);
    source.onBytes(compressed.compressedBytes);
    const original = await inflate(source, compressed.algorithm, packed, originalBytes);
    if (original.length !== originalBytes) {
      throw new Mdf4Damage(
        `the DZ block at ${block.header.offset} became ${original.length} bytes, not ${originalBytes}`,
      );
    }
    const bytes = untranspose(original, compressed.transposedBy, wantedBytes);
    return { kind: 'bytes', bytes, startsBlock: true };
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    return { kind: 'lost', sizeBytes: originalBytes, reason: error.message };
  }
}

/** Some bytes of one block, from `start` of its data on; undefined where it has not that many. @throws {Mdf4Damage} */
export async function bytesOfBlock(
  source: StreamSource,
  block: DataBlock,
  start: number,
  lengthBytes: number,
): Promise<Uint8Array | undefined> {
  if (block.header.id === 'DZ') {
    const piece = await decompressed({ ...source, onBytes: () => {} }, block);
    const isThere = piece.kind === 'bytes' && start + lengthBytes <= piece.bytes.length;
    return isThere ? piece.bytes.subarray(start, start + lengthBytes) : undefined;
  }
  if (start + lengthBytes > block.dataBytes || !['DT', 'DV'].includes(block.header.id)) return undefined;
  return source.reader.bytes(block.header.offset + BLOCK_HEADER_BYTES + start, lengthBytes);
}

/** Decompressors are handed in and throw what they like; to a reader each such error means damaged bytes. */
export async function inflate(
  source: StreamSource,
  algorithm: 'deflate' | 'zstd' | 'lz4-frame',
  bytes: Uint8Array,
  sizeBytesMax: number,
): Promise<Uint8Array> {
  try {
    return await source.decompressors[algorithm](bytes, sizeBytesMax);
  } catch (error) {
    throw new Mdf4Damage(`${algorithm} data cannot be decompressed: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
