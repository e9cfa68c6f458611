import type { ByteSource } from '../byte-source.ts';

/**
 * One block of an MDF 4 file (ASAM MDF 4.1.0, 4.2 "Block structure"): `##XX`, 4 reserved bytes, u64 length, u64 number
 * of links, the links, then the block's own data.
 */
export interface Block {
  /** The two letters behind `##`. */
  readonly id: string;
  readonly offset: number;
  readonly links: readonly number[];
  readonly data: DataView;
}

export interface BlockHeader {
  readonly id: string;
  readonly offset: number;
  /** Of the whole block, this header included. */
  readonly lengthBytes: number;
  readonly linkCount: number;
}

/** Something in the file cannot be followed. Whoever asked for it counts the loss and goes on without it. */
export class Mdf4Damage extends Error {
  override readonly name = 'Mdf4Damage';
}

export const BLOCK_HEADER_BYTES = 24;
const PAGE_BYTES = 1 << 16;
const PAGES_MAX = 64;
/** Comments and block lists can be long; nothing that is read whole needs more. */
const WHOLE_BLOCK_BYTES_MAX = 1 << 26;

/** Reads blocks by their offset, through a small cache: metadata blocks are tiny and lie close together. */
export class BlockReader {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #pages = new Map<number, Promise<Uint8Array>>();
  readonly #offsets = new Set<number>();

  constructor(source: ByteSource) {
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
  }

  /** @throws {Mdf4Damage} where no block begins at the offset, or it would end outside of the file. */
  async block(offset: number, ...expectedIds: string[]): Promise<Block> {
    const header = await this.header(offset);
    if (expectedIds.length > 0 && !expectedIds.includes(header.id)) {
      throw new Mdf4Damage(`expected a ${expectedIds.join(' or ')} block at ${offset}, found '${header.id}'`);
    }
    if (header.lengthBytes > WHOLE_BLOCK_BYTES_MAX || header.offset + header.lengthBytes > this.sizeBytes) {
      throw new Mdf4Damage(`the ${header.id} block at ${offset} claims ${header.lengthBytes} bytes`);
    }
    return this.#parsed(header, header.lengthBytes);
  }

  /** Like {@link block}, with only the first `dataBytes` of its data: for blocks that carry more than is worth reading. */
  async blockHead(offset: number, expectedId: string, dataBytes: number): Promise<Block> {
    const header = await this.header(offset);
    const lengthBytes = BLOCK_HEADER_BYTES + header.linkCount * 8 + dataBytes;
    if (
      header.id !== expectedId ||
      lengthBytes > Math.min(header.lengthBytes, this.sizeBytes - header.offset)
    ) {
      throw new Mdf4Damage(`expected a ${expectedId} block at ${offset}, found '${header.id}'`);
    }
    return this.#parsed(header, lengthBytes);
  }

  async #parsed(header: BlockHeader, lengthBytes: number): Promise<Block> {
    const bytes = await this.bytes(header.offset, lengthBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const links = Array.from({ length: header.linkCount }, (_, index) =>
      uint64(view, BLOCK_HEADER_BYTES + index * 8),
    );
    const dataStart = BLOCK_HEADER_BYTES + header.linkCount * 8;
    return {
      id: header.id,
      offset: header.offset,
      links,
      data: new DataView(bytes.buffer, bytes.byteOffset + dataStart, bytes.length - dataStart),
    };
  }

  /**
   * The header of the block at the offset. A guard block (GD, from 4.3) only keeps older tools away from the block it
   * leads to, which is given in its stead.
   * @throws {Mdf4Damage} where no block begins at the offset, or its links do not fit into it.
   */
  async header(offset: number): Promise<BlockHeader> {
    const header = await this.#headerAt(offset);
    if (header.id !== 'GD') return header;
    const bytes = await this.bytes(offset, BLOCK_HEADER_BYTES + 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const guarded = await this.#headerAt(uint64(view, BLOCK_HEADER_BYTES));
    if (guarded.id === 'GD') throw new Mdf4Damage(`the guard at ${offset} guards another`);
    return guarded;
  }

  async #headerAt(offset: number): Promise<BlockHeader> {
    if (offset <= 0 || offset + BLOCK_HEADER_BYTES > this.sizeBytes) {
      throw new Mdf4Damage(`a link points to ${offset}, outside of the file's ${this.sizeBytes} bytes`);
    }
    const bytes = await this.bytes(offset, BLOCK_HEADER_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes[0] !== 0x23 || bytes[1] !== 0x23) throw new Mdf4Damage(`no block begins at ${offset}`);
    const lengthBytes = uint64(view, 8);
    const linkCount = uint64(view, 16);
    if (lengthBytes < BLOCK_HEADER_BYTES + linkCount * 8) {
      throw new Mdf4Damage(`the block at ${offset} claims ${lengthBytes} bytes and ${linkCount} links`);
    }
    const id = String.fromCharCode(bytes[2]!, bytes[3]!);
    if (id === 'GD' && offset + BLOCK_HEADER_BYTES + 8 > this.sizeBytes) {
      throw new Mdf4Damage(`the guard at ${offset} is cut short`);
    }
    this.#offsets.add(offset);
    return { id, offset, lengthBytes, linkCount };
  }

  /** The first known block behind an offset: where a data block without a length must end. */
  nextKnownOffset(offset: number): number {
    let next = this.sizeBytes;
    for (const known of this.#offsets) if (known > offset && known < next) next = known;
    return next;
  }

  /** A range inside of the file; small ones come from the cache and are views on it. */
  async bytes(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const page = Math.floor(offset / PAGE_BYTES);
    const start = offset - page * PAGE_BYTES;
    if (start + lengthBytes > PAGE_BYTES) return this.#source.read(offset, lengthBytes);
    const bytes = await this.#page(page);
    return bytes.subarray(start, start + lengthBytes);
  }

  #page(page: number): Promise<Uint8Array> {
    const known = this.#pages.get(page);
    if (known !== undefined) return known;
    const offset = page * PAGE_BYTES;
    const bytes = this.#source.read(offset, Math.min(PAGE_BYTES, this.sizeBytes - offset));
    this.#pages.set(page, bytes);
    if (this.#pages.size > PAGES_MAX) {
      const oldest = this.#pages.keys().next();
      if (!oldest.done) this.#pages.delete(oldest.value);
    }
    return bytes;
  }
}

/** A u64 as a number; above 2^53 it is not exact, which no offset or length of a real file reaches. */
export function uint64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/** Link `index` of a block, 0 (nil) where an older version has fewer links. */
export function linkOf(block: Block, index: number): number {
  return block.links[index] ?? 0;
}

/** Refuses a block whose data is shorter than its fields. */
export function requireData(block: Block, bytes: number): DataView {
  if (block.data.byteLength < bytes) {
    throw new Mdf4Damage(
      `the ${block.id} block at ${block.offset} holds ${block.data.byteLength} bytes of data, needs ${bytes}`,
    );
  }
  return block.data;
}
