import type { ByteSource } from '../byte-source.ts';

const WINDOW_BYTES = 1 << 20;
const WINDOWS_MAX = 4;

/**
 * Large pieces of a file, of which the latest are kept. Where they are taken one behind the other, the next is read
 * while the present one is worked on.
 */
export class SourceWindows {
  readonly #source: ByteSource;
  /** What begins in a window lies in it whole when it is no longer than this. */
  readonly #overhangBytes: number;
  /** By number, the latest used last. */
  readonly #held = new Map<number, Uint8Array>();
  #latest = -1;
  #latestBytes: Uint8Array = new Uint8Array(0);
  #ahead: { readonly window: number; readonly bytes: Promise<Uint8Array> } | undefined;

  constructor(source: ByteSource, overhangBytes: number) {
    this.#source = source;
    this.#overhangBytes = overhangBytes;
  }

  /** Where in the window of `offset` it lies. */
  startOf(offset: number): number {
    return offset % WINDOW_BYTES;
  }

  /** The window that `offset` lies in, if it is in memory. */
  held(offset: number): Uint8Array | undefined {
    const window = Math.floor(offset / WINDOW_BYTES);
    if (window === this.#latest) return this.#latestBytes;
    const bytes = this.#held.get(window);
    if (bytes !== undefined) this.#use(window, bytes);
    return bytes;
  }

  /** The window that `offset` lies in, which is not in memory. */
  async load(offset: number): Promise<Uint8Array> {
    const window = Math.floor(offset / WINDOW_BYTES);
    const isInOrder = this.#held.has(window - 1);
    const ahead = this.#ahead?.window === window ? this.#ahead.bytes : undefined;
    const bytes = await (ahead ?? this.#read(window));
    this.#use(window, bytes);
    if (isInOrder) this.#readAhead(window + 1);
    return bytes;
  }

  #readAhead(window: number): void {
    this.#ahead = undefined;
    if (this.#held.has(window) || window * WINDOW_BYTES >= this.#source.sizeBytes) return;
    const bytes = this.#read(window);
    // A failure is told to whoever asks for this window; nobody may.
    bytes.catch(() => undefined);
    this.#ahead = { window, bytes };
  }

  async #read(window: number): Promise<Uint8Array> {
    const offset = window * WINDOW_BYTES;
    const lengthBytes = Math.min(WINDOW_BYTES + this.#overhangBytes, this.#source.sizeBytes - offset);
    const bytes = await this.#source.read(offset, lengthBytes);
    // Views on a plain array are made several times as fast as on a Buffer.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #use(window: number, bytes: Uint8Array): void {
    this.#held.delete(window);
    this.#held.set(window, bytes);
    this.#latest = window;
    this.#latestBytes = bytes;
    const [oldest] = this.#held.keys();
    if (this.#held.size > WINDOWS_MAX && oldest !== undefined) this.#held.delete(oldest);
  }
}
