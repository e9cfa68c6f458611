import type { Decompressors } from '../recording-reader.ts';
import { BLOCK_HEADER_BYTES, type BlockReader, Mdf4Damage } from './blocks.ts';
import {
  type CompressedBlock,
  type DataBlock,
  type DataBlockKind,
  dataBlocksOf,
  ORIGINAL_BYTES_MAX,
  readCompressedHeader,
  untranspose,
  untransposedPart,
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
  /** The first byte of the stream that is wanted; the first piece begins with it. */
  readonly fromByte?: number;
  /** Where in the stream what is wanted ends; nothing behind it is read ahead. */
  readonly toByte?: number;
  /** Memory that pieces read before they are asked for may take together; one is always under way. */
  readonly aheadBytesMax?: number;
  /** One flag per byte of a record: bytes that nobody looks at need not be put back in their place. */
  readonly wantedBytes?: Uint8Array;
}

const STEP_BYTES = 1 << 22;
/**
 * While a step is looked at, the next one is read and inflated on another thread. With more of them the event loop would
 * be held up: what is finished in one of its turns is handled in the next, all at once.
 */
const AHEAD_STEPS_MAX = 2;
const AHEAD_BYTES_MAX = 1 << 25;

/** The stream behind a data link, in order. Nothing is read before the first piece is asked for. */
export async function* piecesOf(
  source: StreamSource,
  dataLink: number,
  use: StreamUse = {},
): AsyncGenerator<Piece> {
  const steps = stepsOf(source, dataLink, use);
  const bytesMax = use.aheadBytesMax ?? AHEAD_BYTES_MAX;
  const underway: { readonly piece: Promise<Piece>; readonly heldBytes: number }[] = [];
  let heldBytes = 0;
  let next: Step | undefined;
  try {
    for (;;) {
      while (underway.length < AHEAD_STEPS_MAX) {
        next ??= (await steps.next()).value ?? undefined;
        if (next === undefined || (underway.length > 0 && heldBytes + next.heldBytes > bytesMax)) break;
        heldBytes += next.heldBytes;
        const piece = next.start();
        // Whoever awaits it hears of its failure; until then it is not an unhandled one.
        piece.catch(() => undefined);
        underway.push({ piece, heldBytes: next.heldBytes });
        next = undefined;
      }
      const oldest = underway.shift();
      if (oldest === undefined) return;
      yield await oldest.piece;
      heldBytes -= oldest.heldBytes;
    }
  } finally {
    // The file may be closed behind a reader that stopped early: nothing may still be reading it then.
    await Promise.allSettled(underway.map(({ piece }) => piece));
  }
}

/** A piece that can be asked for, and about how much memory it takes. */
interface Step {
  readonly heldBytes: number;
  start(): Promise<Piece>;
}

async function* stepsOf(
  source: StreamSource,
  dataLink: number,
  use: StreamUse,
): AsyncGenerator<Step, undefined> {
  let position = 0;
  const { fromByte = 0, toByte = Number.POSITIVE_INFINITY, kind } = use;
  for await (const block of dataBlocksOf(source.reader, dataLink, source.unfinished, kind, fromByte)) {
    if ('passedBytes' in block) {
      position += block.passedBytes;
      continue;
    }
    if (position >= toByte) return;
    // Bytes of this block in front of the first one that is wanted.
    const skippedBytes = position < fromByte ? fromByte - position : 0;
    if ('lost' in block) {
      position += block.sizeBytes ?? Number.NaN;
      yield* lostSteps(block.sizeBytes, skippedBytes, block.lost);
    } else if (block.header.id === 'DZ') {
      const compressed = await compressedBlock(source, block);
      if (compressed instanceof Mdf4Damage) {
        position = Number.NaN;
        yield* lostSteps(undefined, 0, compressed.message);
        continue;
      }
      // Only where records begin with the block is the n-th byte of its records the n-th of theirs.
      const isAligned = use.wantedBytes !== undefined && position % use.wantedBytes.length === 0;
      const wantedBytes = isAligned ? use.wantedBytes : undefined;
      position += compressed.originalBytes;
      if (skippedBytes > 0 && skippedBytes >= compressed.originalBytes) continue;
      yield {
        heldBytes: compressed.compressedBytes + compressed.originalBytes * 2,
        start: async () =>
          withoutFront(await decompressed(source, block, compressed, wantedBytes), skippedBytes),
      };
    } else {
      yield* plainSteps(source, block, use.stepBytes ?? STEP_BYTES, {
        start: skippedBytes,
        end: toByte - position,
      });
      position += block.dataBytes + block.missingBytes;
    }
  }
}

function withoutFront(piece: Piece, skippedBytes: number): Piece {
  if (skippedBytes === 0) return piece;
  if (piece.kind === 'bytes')
    return { ...piece, bytes: piece.bytes.subarray(skippedBytes), startsBlock: false };
  return piece.sizeBytes === undefined ? piece : { ...piece, sizeBytes: piece.sizeBytes - skippedBytes };
}

/** None where all that is lost lies in front of what is wanted. */
function* lostSteps(sizeBytes: number | undefined, skippedBytes: number, reason: string): Generator<Step> {
  if (skippedBytes > 0 && sizeBytes !== undefined && sizeBytes <= skippedBytes) return;
  const piece: Piece = { kind: 'lost', sizeBytes, reason };
  yield { heldBytes: 0, start: () => Promise.resolve(withoutFront(piece, skippedBytes)) };
}

function* plainSteps(
  source: StreamSource,
  block: DataBlock,
  stepBytes: number,
  wanted: { readonly start: number; readonly end: number },
): Generator<Step> {
  const start = block.header.offset + BLOCK_HEADER_BYTES;
  const end = Math.min(block.dataBytes, wanted.end);
  for (let at = wanted.start; at < end; at += stepBytes) {
    const lengthBytes = Math.min(stepBytes, end - at);
    yield {
      heldBytes: lengthBytes,
      start: async () => {
        const bytes = await source.reader.bytes(start + at, lengthBytes);
        source.onBytes(lengthBytes);
        return { kind: 'bytes', bytes, startsBlock: at === 0 };
      },
    };
  }
  if (block.missingBytes > 0 && wanted.end > block.dataBytes) {
    yield* lostSteps(
      block.missingBytes <= ORIGINAL_BYTES_MAX ? block.missingBytes : undefined,
      Math.max(0, wanted.start - block.dataBytes),
      `the ${block.header.id} block at ${block.header.offset} lacks its last ${block.missingBytes} bytes`,
    );
  }
}

async function compressedBlock(
  source: StreamSource,
  block: DataBlock,
): Promise<CompressedBlock | Mdf4Damage> {
  try {
    return await readCompressedHeader(source.reader, block);
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    return error;
  }
}

async function decompressed(
  source: StreamSource,
  block: DataBlock,
  compressed: CompressedBlock,
  wantedBytes?: Uint8Array,
): Promise<Piece> {
  try {
    const original = await inflated(source, block, compressed);
    return {
      kind: 'bytes',
      bytes: untranspose(original, compressed.transposedBy, wantedBytes),
      startsBlock: true,
    };
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    return { kind: 'lost', sizeBytes: compressed.originalBytes, reason: error.message };
  }
}

/** The block's bytes, still transposed where they were. @throws {Mdf4Damage} */
async function inflated(
  source: StreamSource,
  block: DataBlock,
  compressed: CompressedBlock,
): Promise<Uint8Array> {
  const { originalBytes } = compressed;
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
  return original;
}

/** Some bytes of one block, from `start` of its data on; undefined where it has not that many. @throws {Mdf4Damage} */
export async function bytesOfBlock(
  source: StreamSource,
  block: DataBlock,
  start: number,
  lengthBytes: number,
): Promise<Uint8Array | undefined> {
  if (block.header.id === 'DZ') {
    const compressed = await compressedBlock(source, block);
    if (compressed instanceof Mdf4Damage) return undefined;
    if (start + lengthBytes > compressed.originalBytes) return undefined;
    try {
      const original = await inflated({ ...source, onBytes: () => {} }, block, compressed);
      return untransposedPart(original, compressed.transposedBy, start, lengthBytes);
    } catch (error) {
      if (!(error instanceof Mdf4Damage)) throw error;
      return undefined;
    }
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
