import { createHash } from 'node:crypto';
import { assertInside, type ByteSource } from '#formats/byte-source.ts';
import { Crc64 } from './crc64.ts';

export interface Checksums {
  readonly sha256: string;
  readonly md5?: string;
  readonly crc64?: string;
  /** MD5 of each block, lower-case hexadecimal. */
  readonly blockMd5s: readonly string[];
}

/** Blocks kept in memory: those a reader is in the middle of, and those it looked at ahead of its time. */
const BLOCKS_KEPT = 8;
/** A read this many blocks ahead of the checksums pulls them along; a farther one is a look at the file's end. */
const BLOCKS_AHEAD = 4;

/**
 * A file whose bytes are fetched once, in blocks, for two readers: the checksums, which need every byte in order,
 * and the format reader, which asks for ranges and mostly goes forward too. Only a reader that goes back farther
 * than the blocks kept makes a block be fetched again.
 */
export class LedgerSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #blockSizeBytes: number;
  readonly #blockCount: number;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  readonly #sha256 = createHash('sha256');
  readonly #md5: ReturnType<typeof createHash> | undefined;
  readonly #crc64: Crc64 | undefined;
  readonly #blockMd5s: string[] = [];
  #hashing: Promise<void> = Promise.resolve();
  #bytesFetched = 0;

  constructor(
    source: ByteSource,
    options: { readonly blockSizeBytes: number; readonly md5: boolean; readonly crc64: boolean },
  ) {
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
    this.#blockSizeBytes = options.blockSizeBytes;
    this.#blockCount = Math.ceil(source.sizeBytes / options.blockSizeBytes);
    this.#md5 = options.md5 ? createHash('md5') : undefined;
    this.#crc64 = options.crc64 ? new Crc64() : undefined;
  }

  /** Bytes fetched from storage so far; the file's size when nothing had to be fetched twice. */
  get bytesFetched(): number {
    return this.#bytesFetched;
  }

  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    assertInside(offset, lengthBytes, this.sizeBytes);
    const bytes = new Uint8Array(lengthBytes);
    let position = 0;
    while (position < lengthBytes) {
      const at = offset + position;
      const index = Math.floor(at / this.#blockSizeBytes);
      if (index >= this.#blockMd5s.length && index <= this.#blockMd5s.length + BLOCKS_AHEAD)
        await this.#hashThrough(index);
      const block = await this.#block(index);
      const start = at - index * this.#blockSizeBytes;
      const part = block.subarray(start, start + lengthBytes - position);
      bytes.set(part, position);
      position += part.length;
    }
    return bytes;
  }

  /** Reads what no reader asked for. */
  async finish(): Promise<Checksums> {
    await this.#hashThrough(this.#blockCount - 1);
    return {
      sha256: this.#sha256.digest('hex'),
      ...(this.#md5 === undefined ? {} : { md5: this.#md5.digest('hex') }),
      ...(this.#crc64 === undefined ? {} : { crc64: this.#crc64.digest() }),
      blockMd5s: this.#blockMd5s,
    };
  }

  /** Several reads may be under way: the checksums take one block after the other, whoever asked. */
  #hashThrough(lastIndex: number): Promise<void> {
    this.#hashing = this.#hashing.then(async () => {
      while (this.#blockMd5s.length <= lastIndex) {
        const index = this.#blockMd5s.length;
        const block = await this.#block(index);
        // Fetched while this one is hashed. Its failure is met when it is asked for.
        if (index + 1 < this.#blockCount) void this.#block(index + 1).catch(() => undefined);
        this.#sha256.update(block);
        this.#md5?.update(block);
        this.#crc64?.update(block);
        this.#blockMd5s.push(createHash('md5').update(block).digest('hex'));
      }
    });
    return this.#hashing;
  }

  #block(index: number): Promise<Uint8Array> {
    const known = this.#blocks.get(index);
    // Taken out and put back: the map's order is the order of last use.
    this.#blocks.delete(index);
    const block = known ?? this.#fetch(index);
    this.#blocks.set(index, block);
    if (this.#blocks.size > BLOCKS_KEPT) {
      const [oldest] = this.#blocks.keys();
      if (oldest !== undefined) this.#blocks.delete(oldest);
    }
    return block;
  }

  #fetch(index: number): Promise<Uint8Array> {
    const offset = index * this.#blockSizeBytes;
    const lengthBytes = Math.min(this.#blockSizeBytes, this.sizeBytes - offset);
    this.#bytesFetched += lengthBytes;
    return this.#source.read(offset, lengthBytes);
  }
}
