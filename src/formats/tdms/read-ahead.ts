import type { ByteSource } from '../byte-source.ts';

const WINDOW_BYTES_MIN = 1 << 14;
const WINDOW_BYTES_MAX = 1 << 20;
const EXPECTED_AT_ONCE = 8;
/** So many in a row are of one length before the next are expected to be. */
const REGULAR_MIN = 3;

/** Reads a little ahead: small segments share a read, large ones cost one small read each, several at once. */
export class ReadAhead {
  readonly #source: ByteSource;
  #windowBytes = WINDOW_BYTES_MIN;
  #offset = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #stepBytes = 0;
  #regularCount = 0;
  /** By offset. They never fail: what could not be read is read again, and fails there. */
  readonly #expected = new Map<number, Promise<PromiseSettledResult<Uint8Array>[]>>();

  /** Reads that were begun and are not needed. */
  #abandoned: Promise<unknown> = Promise.resolve();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** `lengthBytes` from `offset` where they have been read already: what waits for each of many small segments is slow. */
  held(offset: number, lengthBytes: number): Uint8Array | undefined {
    const start = offset - this.#offset;
    if (start < 0 || start + lengthBytes > this.#bytes.length) return undefined;
    return this.#bytes.subarray(start, start + lengthBytes);
  }

  /** `lengthBytes` from `offset`, or fewer at the end of the file. */
  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const wanted = Math.min(lengthBytes, this.#source.sizeBytes - offset);
    const held = this.held(offset, wanted) ?? (await this.#readExpected(offset, wanted));
    if (held !== undefined) return held;
    const end = this.#offset + this.#bytes.length;
    const isNear = offset >= this.#offset && offset < end + this.#windowBytes;
    this.#windowBytes = isNear ? Math.min(WINDOW_BYTES_MAX, this.#windowBytes * 2) : WINDOW_BYTES_MIN;
    const length = Math.min(Math.max(wanted, this.#windowBytes), this.#source.sizeBytes - offset);
    this.#bytes = await this.#source.read(offset, length);
    this.#offset = offset;
    return this.#bytes.subarray(0, wanted);
  }

  /**
   * Something `stepBytes` long was found, and the next begins at `offset`. When those before it were as long, those
   * that follow are likely to be, too: where each costs a read, some of these reads are begun.
   */
  expectEvery(stepBytes: number, offset: number): void {
    this.#regularCount = stepBytes === this.#stepBytes ? this.#regularCount + 1 : 1;
    this.#stepBytes = stepBytes;
    const isWorthIt = this.#regularCount >= REGULAR_MIN && stepBytes > 2 * WINDOW_BYTES_MIN;
    if (!isWorthIt || this.#expected.has(offset)) return;
    this.#abandon();
    const end = Math.min(this.#source.sizeBytes, offset + EXPECTED_AT_ONCE * stepBytes);
    for (let start = offset; start < end; start += stepBytes) {
      const length = Math.min(WINDOW_BYTES_MIN, this.#source.sizeBytes - start);
      this.#expected.set(start, Promise.allSettled([this.#source.read(start, length)]));
    }
  }

  /** Afterwards no read is under way. */
  async settle(): Promise<void> {
    this.#abandon();
    await this.#abandoned;
  }

  #abandon(): void {
    if (this.#expected.size === 0) return;
    this.#abandoned = Promise.all([this.#abandoned, ...this.#expected.values()]).then(() => undefined);
    this.#expected.clear();
  }

  async #readExpected(offset: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    const [read] = (await this.#expected.get(offset)) ?? [];
    this.#expected.delete(offset);
    if (read?.status !== 'fulfilled') return undefined;
    this.#bytes = read.value;
    this.#offset = offset;
    return this.held(offset, lengthBytes);
  }
}
