import type { ColumnBatch, LossCounter, VariableValues } from '../recording-reader.ts';
import { type Piece, piecesOf, type StreamSource } from './data-stream.ts';
import { VariableBuilder } from './text-values.ts';

/** No camera frame or message is longer; a length above it is a lie. */
const VALUE_BYTES_MAX = 1 << 28;
const LENGTH_BYTES = 4;
/** Values are stored in the order of their records; going back costs reading again from the start. */
const RESTARTS_MAX = 8;

export type VariableColumn = ColumnBatch & { readonly values: VariableValues };

/**
 * Values that lie outside of the records, in a stream of `u32 length, bytes` (SD blocks; ASAM MDF 4.1.0, 4.28), read
 * forward through a window. With `sizes` the stream has no lengths and each value is as long as its size channel says.
 */
export class SignalData {
  readonly #source: StreamSource;
  readonly #link: number;
  readonly #loss: LossCounter;
  #pieces: AsyncGenerator<Piece> | undefined;
  #window = new Uint8Array(0);
  /** Place in the stream of the window's first byte. */
  #base = 0;
  #ended = false;
  #restartsLeft = RESTARTS_MAX;
  #lost: { start: number; end: number }[] = [];

  constructor(source: StreamSource, link: number, loss: LossCounter) {
    this.#source = source;
    this.#link = link;
    this.#loss = loss;
  }

  /** The values at these places of the stream; null where one cannot be read, which is counted. */
  async values(places: ArrayLike<number>, sizes?: ArrayLike<number>): Promise<VariableColumn> {
    const builder = new VariableBuilder(places.length, 0);
    const validity = new Uint8Array(places.length).fill(1);
    const nothing = new Uint8Array(0);
    let missing = 0;
    for (let row = 0; row < places.length; row++) {
      const value = await this.#value(places[row]!, sizes?.[row]);
      if (value === undefined) {
        validity[row] = 0;
        missing += 1;
      }
      builder.add(value ?? nothing);
    }
    if (missing === 0) return { values: builder.done() };
    this.#loss.add(
      0,
      0,
      `of ${places.length} values from ${places[0]} on, ${missing} are not in the signal data at ${this.#link}`,
    );
    return { values: builder.done(), validity };
  }

  /** Undefined where the stream does not hold it. Waits only when the window has to move. */
  #value(place: number, size: number | undefined): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const headBytes = size === undefined ? LENGTH_BYTES : 0;
    const at = place - this.#base;
    if (at >= 0 && at + headBytes <= this.#window.length) {
      const length = size ?? lengthAt(this.#window, at);
      const end = at + headBytes + length;
      if (end <= this.#window.length && this.#lost.length === 0)
        return this.#window.subarray(at + headBytes, end);
    }
    return this.#moveTo(place, headBytes, size);
  }

  async #moveTo(place: number, headBytes: number, size: number | undefined): Promise<Uint8Array | undefined> {
    if (place < this.#base && !this.#restart()) return undefined;
    if (!(await this.#fill(place, place + headBytes))) return undefined;
    const length = size ?? lengthAt(this.#window, place - this.#base);
    const end = place + headBytes + length;
    if (length > VALUE_BYTES_MAX || !(await this.#fill(place, end))) return undefined;
    if (this.#lost.some((lost) => lost.start < end && place < lost.end)) return undefined;
    return this.#window.subarray(place + headBytes - this.#base, end - this.#base);
  }

  #restart(): boolean {
    if (this.#restartsLeft === 0) return false;
    this.#restartsLeft -= 1;
    this.#pieces = undefined;
    this.#window = new Uint8Array(0);
    this.#base = 0;
    this.#ended = false;
    this.#lost = [];
    return true;
  }

  /** Moves the window so that it holds the bytes from `keepFrom` to `end`; false where the stream ends before. */
  async #fill(keepFrom: number, end: number): Promise<boolean> {
    if (this.#pieces === undefined) {
      this.#pieces = piecesOf(this.#source, this.#link, { fromByte: keepFrom });
      this.#base = keepFrom;
    }
    while (this.#base + this.#window.length < end) {
      if (this.#ended) return false;
      const next = await this.#pieces.next();
      if (next.done) {
        this.#ended = true;
        return false;
      }
      this.#append(next.value, keepFrom);
    }
    return true;
  }

  #append(piece: Piece, keepFrom: number): void {
    const windowEnd = this.#base + this.#window.length;
    const bytes = piece.kind === 'bytes' ? piece.bytes : new Uint8Array(0);
    const lostBytes = piece.kind === 'lost' ? (piece.sizeBytes ?? Number.POSITIVE_INFINITY) : 0;
    if (piece.kind === 'lost') this.#loss.add(0, piece.sizeBytes ?? 0, piece.reason);
    if (lostBytes > VALUE_BYTES_MAX) {
      this.#ended = true;
      return;
    }
    if (lostBytes > 0) this.#lost.push({ start: windowEnd, end: windowEnd + lostBytes });
    const drop = Math.min(this.#window.length, Math.max(0, keepFrom - this.#base));
    const window = new Uint8Array(this.#window.length - drop + bytes.length + lostBytes);
    window.set(this.#window.subarray(drop), 0);
    window.set(bytes, this.#window.length - drop);
    this.#window = window;
    this.#base += drop;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
