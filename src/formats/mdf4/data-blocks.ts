import {
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  type BlockReader,
  linkOf,
  Mdf4Damage,
  requireData,
  uint64,
} from './blocks.ts';
import type { UnfinishedParts } from './identification.ts';

/** A block that holds data, as a list names it. */
export interface DataBlock {
  readonly header: BlockHeader;
  /** The bytes of data really there; less than the header says in a file cut short. */
  readonly dataBytes: number;
  readonly missingBytes: number;
}

export type DataBlockKind = 'values' | 'invalidation';

/** Damage in the middle of a list; what follows can still be read. */
export interface LostBlock {
  readonly lost: string;
  /** Bytes of data the list promised for it, where it says. */
  readonly sizeBytes?: number;
}

/** A block in front of what is wanted. */
export interface PassedBlock {
  readonly passedBytes: number;
}

/**
 * The data blocks that a data link leads to, in the order of their bytes: one block, or lists of them (DL, HL, LD;
 * ASAM MDF 4.1.0, 4.22 to 4.27, LD from 4.2). An LD list may name invalidation bytes apart from the values. Blocks that
 * end in front of `fromByte` of their stream are not looked at, where their list says so.
 */
export async function* dataBlocksOf(
  reader: BlockReader,
  dataLink: number,
  unfinished: UnfinishedParts,
  kind: DataBlockKind = 'values',
  fromByte = 0,
): AsyncGenerator<DataBlock | LostBlock | PassedBlock> {
  let position: number | undefined = 0;
  const visited = new Set<number>();
  for (let link = dataLink; link !== 0; ) {
    if (visited.has(link)) {
      yield { lost: `the list of data blocks comes back to ${link}` };
      return;
    }
    visited.add(link);
    let next = 0;
    try {
      const header = await reader.header(link);
      if (header.id === 'HL') next = linkOf(await reader.block(link), 0);
      else if (header.id === 'DL' || header.id === 'LD') {
        const list = await readList(reader, link, kind);
        next = list.next;
        for (const [index, item] of list.items.entries()) {
          position =
            item.sizeBytes === undefined || position === undefined ? undefined : position + item.sizeBytes;
          const isPassed = fromByte > 0 && position !== undefined && position <= fromByte;
          if (isPassed && item.sizeBytes !== undefined) {
            yield { passedBytes: item.sizeBytes };
            continue;
          }
          const isLast = next === 0 && index === list.items.length - 1;
          yield await listed(reader, item, isLast ? unfinished : undefined);
        }
      } else if (kind === 'values') yield measured(reader, header, unfinished);
    } catch (error) {
      if (!(error instanceof Mdf4Damage)) throw error;
      yield { lost: error.message };
    }
    link = next;
  }
}

async function listed(
  reader: BlockReader,
  item: ListItem,
  unfinished: UnfinishedParts | undefined,
): Promise<DataBlock | LostBlock> {
  try {
    const header = await reader.header(item.link);
    if (['DL', 'LD', 'HL'].includes(header.id))
      throw new Mdf4Damage(`a list names the list at ${item.link} as data`);
    return measured(reader, header, unfinished);
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    return { lost: error.message, ...(item.sizeBytes === undefined ? {} : { sizeBytes: item.sizeBytes }) };
  }
}

interface ListItem {
  readonly link: number;
  readonly sizeBytes: number | undefined;
}

export const DL_EQUAL_LENGTH = 0x01;

async function readList(reader: BlockReader, link: number, kind: DataBlockKind) {
  const block = await reader.block(link, 'DL', 'LD');
  const data = requireData(block, 8);
  const count = Math.min(data.getUint32(4, true), block.links.length - 1);
  const next = linkOf(block, 0);
  // Data list: values and, in column-oriented lists (LD), as many links to invalidation bytes behind them.
  const start = kind === 'values' ? 1 : block.id === 'LD' ? 1 + count : block.links.length;
  const items = block.links.slice(start, start + count).map((item, index) => ({
    link: item,
    sizeBytes: block.id === 'DL' && index < count - 1 ? listedSize(data, index) : undefined,
  }));
  // A writer that was interrupted leaves nil links at the end of its last list.
  return { next, items: items.filter((item) => item.link !== 0) };
}

/** Bytes of a block that is not the list's last, by equal length or by its offset and the next one's. */
function listedSize(data: DataView, index: number): number | undefined {
  if ((data.getUint8(0) & DL_EQUAL_LENGTH) !== 0) return data.byteLength < 16 ? undefined : uint64(data, 8);
  if (data.byteLength < 8 + (index + 2) * 8) return undefined;
  const sizeBytes = uint64(data, 8 + (index + 1) * 8) - uint64(data, 8 + index * 8);
  return sizeBytes > 0 ? sizeBytes : undefined;
}

/**
 * How many bytes of data the block really has. In an unfinalized file the last one was never given its length: its data
 * runs to the next known block or to the end of the file.
 */
export function measured(
  reader: BlockReader,
  header: BlockHeader,
  unfinished: UnfinishedParts | undefined,
): DataBlock {
  const start = header.offset + BLOCK_HEADER_BYTES;
  const claimed = header.lengthBytes - BLOCK_HEADER_BYTES;
  const room = reader.sizeBytes - start;
  const neverMeasured = claimed === 0 || claimed > room;
  if (unfinished?.lastDataLength && header.id !== 'DZ' && neverMeasured) {
    return { header, dataBytes: reader.nextKnownOffset(header.offset) - start, missingBytes: 0 };
  }
  return { header, dataBytes: Math.min(claimed, room), missingBytes: Math.max(0, claimed - room) };
}

/** DZ block (ASAM MDF 4.1.0, 4.26; zip types 2 to 5 from 4.3). */
export interface CompressedBlock {
  readonly originalId: string;
  readonly algorithm: 'deflate' | 'zstd' | 'lz4-frame';
  /** Record length by which the bytes were transposed before compression; 0 = they were not. */
  readonly transposedBy: number;
  readonly originalBytes: number;
  readonly compressedOffset: number;
  readonly compressedBytes: number;
}

const COMPRESSED_FIELDS_BYTES = 24;
const ALGORITHMS = ['deflate', 'zstd', 'lz4-frame'] as const;
/** Writers split at some MiB; a block that claims more than this is not worth believing. */
export const ORIGINAL_BYTES_MAX = 1 << 29;
/** Deflate cannot do better than 1032 to 1; what claims more has lied. */
const DEFLATE_RATIO_MAX = 1100;

export async function readCompressedHeader(reader: BlockReader, block: DataBlock): Promise<CompressedBlock> {
  const start = block.header.offset + BLOCK_HEADER_BYTES;
  if (block.dataBytes < COMPRESSED_FIELDS_BYTES)
    throw new Mdf4Damage(`the DZ block at ${start} is cut short`);
  const bytes = await reader.bytes(start, COMPRESSED_FIELDS_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const zipType = view.getUint8(2);
  const algorithm = ALGORITHMS[zipType >> 1];
  const originalBytes = uint64(view, 8);
  const compressedBytes = uint64(view, 16);
  const believable =
    originalBytes <= ORIGINAL_BYTES_MAX &&
    (algorithm !== 'deflate' || originalBytes <= (compressedBytes + 64) * DEFLATE_RATIO_MAX);
  if (algorithm === undefined || !believable) {
    throw new Mdf4Damage(
      `the DZ block at ${block.header.offset} has zip type ${zipType} and claims ${originalBytes} bytes in ${compressedBytes}`,
    );
  }
  return {
    originalId: String.fromCharCode(bytes[0]!, bytes[1]!),
    algorithm,
    transposedBy: (zipType & 1) === 0 ? 0 : view.getUint32(4, true),
    originalBytes,
    compressedOffset: start + COMPRESSED_FIELDS_BYTES,
    compressedBytes,
  };
}

/**
 * Undoes the transposition of a DZ block: byte k of all records lay together. What does not fill a last record was
 * appended as it is (4.26.3). With `wantedBytes`, one flag per byte of a record, the other bytes stay zero.
 */
export function untranspose(bytes: Uint8Array, recordBytes: number, wantedBytes?: Uint8Array): Uint8Array {
  const count = recordBytes === 0 ? 0 : Math.floor(bytes.length / recordBytes);
  if (count <= 1 || recordBytes === 1) return bytes;
  const wanted = wantedBytes?.length === recordBytes ? wantedBytes : undefined;
  const records = new Uint8Array(bytes.length);
  const words = new DataView(records.buffer);
  const isWanted = (byte: number) => wanted === undefined || wanted[byte] !== 0;
  // Some records at a time, so that what is written stays in the processor's cache.
  const step = Math.max(1, Math.floor((1 << 15) / recordBytes));
  for (let first = 0; first < count; first += step) {
    const last = Math.min(first + step, count);
    for (let byte = 0; byte < recordBytes; byte++) {
      if (!isWanted(byte)) continue;
      let at = first * recordBytes + byte;
      if (byte + 4 > recordBytes) {
        const end = byte * count + last;
        for (let from = byte * count + first; from < end; from++, at += recordBytes) {
          records[at] = bytes[from]!;
        }
        continue;
      }
      // Four bytes of a record at once: a store costs more than what is loaded for it.
      let from0 = byte * count + first;
      let from1 = from0 + count;
      let from2 = from1 + count;
      let from3 = from2 + count;
      for (let record = first; record < last; record++, at += recordBytes) {
        const low = bytes[from0++]! | (bytes[from1++]! << 8);
        words.setUint32(at, low | (bytes[from2++]! << 16) | (bytes[from3++]! << 24), true);
      }
      byte += 3;
    }
  }
  records.set(bytes.subarray(count * recordBytes), count * recordBytes);
  return records;
}

/** Some of the bytes that `untranspose` gives, without putting all others in their place. */
export function untransposedPart(
  bytes: Uint8Array,
  recordBytes: number,
  start: number,
  lengthBytes: number,
): Uint8Array {
  const count = recordBytes === 0 ? 0 : Math.floor(bytes.length / recordBytes);
  const part = new Uint8Array(lengthBytes);
  part.set(bytes.subarray(start, start + lengthBytes));
  for (let at = start; at < Math.min(start + lengthBytes, count * recordBytes); at++) {
    part[at - start] = bytes[(at % recordBytes) * count + Math.floor(at / recordBytes)]!;
  }
  return part;
}
