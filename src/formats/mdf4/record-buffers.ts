import type { ColumnBatch, VariableValues } from '../recording-reader.ts';
import type { Records } from './field-values.ts';

/** The length in front of a value of variable length. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Records and payloads are short: for them a loop is faster than a view and a copy. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, place: number): void {
  if (end - start > 64) to.set(from.subarray(start, end), place);
  else for (let at = start, into = place; at < end; at++, into++) to[into] = from[at]!;
}

/** Fixed records of one group, growing at the end and taken from the front. */
export class RecordBuffer {
  readonly #strideBytes: number;
  #bytes = new Uint8Array(0);
  #end = 0;
  count = 0;
  /** Records handed out so far. */
  rowsTaken = 0;

  constructor(strideBytes: number) {
    this.#strideBytes = strideBytes;
  }

  get sizeBytes(): number {
    return this.#end;
  }

  append(from: Uint8Array, start: number, end: number): void {
    if (this.#end + end - start > this.#bytes.length) this.#grow(end - start);
    copy(from, start, end, this.#bytes, this.#end);
    this.#end += end - start;
    this.count += 1;
  }

  /** A view on the first records, good until they are dropped or others come. */
  first(count: number): Records {
    const strideBytes = this.#strideBytes;
    return { bytes: this.#bytes.subarray(0, count * strideBytes), strideBytes, count };
  }

  drop(count: number): void {
    const size = count * this.#strideBytes;
    this.#bytes.copyWithin(0, size, this.#end);
    this.#end -= size;
    this.count -= count;
    this.rowsTaken += count;
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(this.#end + bytes, this.#bytes.length * 2, 1 << 12));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}

/** Values that no record asks for are not collected without end. */
const UNREAD_BYTES_MAX = 1 << 29;

/** The values of one VLSD group: a window on the stream that they form, lengths included. */
export class VariableStream {
  /** False where the file's offsets were never written: then value i belongs to record i. */
  readonly #hasOffsets: boolean;
  #bytes = new Uint8Array(0);
  #end = 0;
  #base = 0;
  #read = 0;
  #isBroken = false;

  constructor(hasOffsets: boolean) {
    this.#hasOffsets = hasOffsets;
  }

  get sizeBytes(): number {
    return this.#end;
  }

  append(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#isBroken || this.#end + size > UNREAD_BYTES_MAX) {
      this.#isBroken = true;
      return;
    }
    if (this.#end + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#end + size, this.#bytes.length * 2, 1 << 12));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    copy(from, start, end, this.#bytes, this.#end);
    this.#end += size;
  }

  /** Behind a gap in the data no place in the stream is known any more. */
  breakOff(): void {
    this.#isBroken = true;
  }

  /** How many of these places can be read now. */
  readyCount(places: ArrayLike<number>): number {
    if (this.#isBroken) return places.length;
    if (!this.#hasOffsets) return this.#countSequential(places.length);
    for (let row = 0; row < places.length; row++) {
      if (places[row]! >= this.#base && this.#valueEnd(places[row]!) === undefined) return row;
    }
    return places.length;
  }

  /** The values at these places; null, and counted in `missing`, where there is none. */
  values(places: ArrayLike<number>): {
    column: ColumnBatch & { readonly values: VariableValues };
    missing: number;
  } {
    const count = places.length;
    const starts = new Uint32Array(count);
    const offsets = new Uint32Array(count + 1);
    let validity: Uint8Array | undefined;
    let missing = 0;
    for (let row = 0; row < count; row++) {
      const place = this.#hasOffsets ? places[row]! : this.#base + this.#read;
      const end = this.#valueEnd(place);
      let length = 0;
      if (end === undefined) {
        validity ??= new Uint8Array(count).fill(1);
        validity[row] = 0;
        missing += 1;
      } else {
        starts[row] = place - this.#base + 4;
        length = end - starts[row]!;
        this.#read = Math.max(this.#read, end);
      }
      offsets[row + 1] = offsets[row]! + length;
    }
    const bytes = new Uint8Array(offsets[count]!);
    for (let row = 0; row < count; row++) {
      const start = starts[row]!;
      copy(this.#bytes, start, start + offsets[row + 1]! - offsets[row]!, bytes, offsets[row]!);
    }
    const values: VariableValues = { kind: 'variable', offsets, bytes };
    return { column: validity === undefined ? { values } : { values, validity }, missing };
  }

  /** Drops what has been read. */
  forget(): void {
    if (this.#read === 0) return;
    this.#bytes.copyWithin(0, this.#read, this.#end);
    this.#end -= this.#read;
    this.#base += this.#read;
    this.#read = 0;
  }

  /** Where in the window the value at a place of the stream ends; undefined while it is not there. */
  #valueEnd(place: number): number | undefined {
    const at = place - this.#base;
    if (!(at >= 0 && at + 4 <= this.#end)) return undefined;
    const end = at + 4 + lengthAt(this.#bytes, at);
    return end <= this.#end ? end : undefined;
  }

  #countSequential(wanted: number): number {
    let at = this.#read;
    for (let row = 0; row < wanted; row++) {
      if (at + 4 > this.#end) return row;
      at += 4 + lengthAt(this.#bytes, at);
      if (at > this.#end) return row;
    }
    return wanted;
  }
}
