import { linkOf, Mdf4Damage, requireData, uint64 } from './blocks.ts';
import { DL_EQUAL_LENGTH, dataBlocksOf, measured, readCompressedHeader } from './data-blocks.ts';
import { bytesOfBlock, type StreamSource } from './data-stream.ts';
import type { TablePart } from './tables.ts';

interface BlockPlace {
  /** Offset of the block in the file. */
  readonly link: number;
  /** Place of its first byte in the stream. */
  readonly startByte: number;
}

/** Bytes that lie apart from the values in column-oriented lists are no part of a record. */
export function recordBytesOf({ group, isColumnOriented }: TablePart): number {
  return isColumnOriented ? group.dataBytes : group.dataBytes + group.invalidationBytes;
}

/**
 * Single records of a sorted group, where the lists of blocks tell which block holds them; only that block is read.
 * The blocks' places are found once.
 */
export class RecordLookup {
  readonly #source: StreamSource;
  readonly #dataLink: number;
  readonly #strideBytes: number;
  /** Whether the blocks' own headers may be read where their list does not say how long they are (LD). */
  readonly #readsHeaders: boolean;
  #places: readonly BlockPlace[] | undefined;
  #latest: { readonly link: number; readonly bytes: Uint8Array } | undefined;

  constructor(source: StreamSource, part: TablePart, readsHeaders: boolean) {
    this.#source = source;
    this.#dataLink = part.dataGroup.dataLink;
    this.#strideBytes = recordBytesOf(part);
    this.#readsHeaders = readsHeaders;
  }

  /** Undefined where it cannot be told where the record lies. @throws {Mdf4Damage} */
  async record(row: number): Promise<Uint8Array | undefined> {
    const byte = row * this.#strideBytes;
    this.#places ??= await this.#blockPlaces();
    const place = lastUpTo(this.#places, byte);
    if (place === undefined) return undefined;
    const start = byte - place.startByte;
    const { reader, unfinished } = this.#source;
    const header = await reader.header(place.link);
    if (header.id !== 'DZ') {
      return bytesOfBlock(this.#source, measured(reader, header, unfinished), start, this.#strideBytes);
    }
    if (this.#latest?.link !== place.link) {
      const block = measured(reader, header, unfinished);
      const { originalBytes } = await readCompressedHeader(reader, block);
      const bytes = await bytesOfBlock(this.#source, block, 0, originalBytes);
      if (bytes === undefined) return undefined;
      this.#latest = { link: place.link, bytes };
    }
    const { bytes } = this.#latest;
    const end = start + this.#strideBytes;
    return end <= bytes.length ? bytes.subarray(start, end) : undefined;
  }

  /** Empty where the lists do not say. */
  async #blockPlaces(): Promise<BlockPlace[]> {
    const { reader } = this.#source;
    const places: BlockPlace[] = [];
    let startByte = 0;
    const visited = new Set<number>();
    for (let link = this.#dataLink; link !== 0 && !visited.has(link); ) {
      visited.add(link);
      const header = await reader.header(link);
      if (header.id === 'HL') {
        link = linkOf(await reader.block(link), 0);
        continue;
      }
      if (header.id === 'LD') return this.#readsHeaders ? this.#measuredPlaces() : [];
      if (header.id !== 'DL') return places.length === 0 ? [{ link, startByte: 0 }] : places;
      const list = await reader.block(link, 'DL');
      const data = requireData(list, 16);
      const count = Math.min(data.getUint32(4, true), list.links.length - 1);
      const equalBytes = (data.getUint8(0) & DL_EQUAL_LENGTH) === 0 ? undefined : uint64(data, 8);
      if (equalBytes === undefined && data.byteLength < 8 + count * 8) return [];
      for (let item = 0; item < count; item++) {
        const start = equalBytes === undefined ? uint64(data, 8 + item * 8) : startByte + item * equalBytes;
        places.push({ link: linkOf(list, 1 + item), startByte: start });
      }
      startByte += count * (equalBytes ?? 0);
      link = linkOf(list, 0);
    }
    return places;
  }

  async #measuredPlaces(): Promise<BlockPlace[]> {
    const { reader, unfinished } = this.#source;
    const places: BlockPlace[] = [];
    let startByte = 0;
    for await (const block of dataBlocksOf(reader, this.#dataLink, unfinished)) {
      if (!('header' in block)) throw new Mdf4Damage('a block of the list is not there');
      places.push({ link: block.header.offset, startByte });
      const isCompressed = block.header.id === 'DZ';
      startByte += isCompressed
        ? (await readCompressedHeader(reader, block)).originalBytes
        : block.dataBytes + block.missingBytes;
    }
    return places;
  }
}

function lastUpTo(places: readonly BlockPlace[], byte: number): BlockPlace | undefined {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle]!.startByte <= byte) low = middle + 1;
    else high = middle;
  }
  return places[low - 1];
}
