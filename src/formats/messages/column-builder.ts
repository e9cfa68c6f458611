import type { ColumnBatch, ColumnValues, ScalarType } from '../recording-reader.ts';

type Growable =
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

export type BuiltType = Exclude<ScalarType, 'int16' | 'uint16'>;

const FIRST_ROWS = 64;

/**
 * Columns for messages that can only be read one after the other: a column of leaves grows row by row. Rows that
 * are not written are null or zero, as `isNullable` says; a row that is written twice keeps the last value.
 */
export class LeafBuilder {
  readonly type: BuiltType;
  readonly isNullable: boolean;
  #numbers: Growable;
  /** 64-bit columns, as halves (low, high). */
  #halves: Uint32Array | undefined;
  #written = new Uint8Array(FIRST_ROWS);
  #parts: (Uint8Array | undefined)[] = [];

  constructor(type: BuiltType, isNullable: boolean) {
    this.type = type;
    this.isNullable = isNullable;
    this.#numbers = arrayOf(type, FIRST_ROWS);
    this.#halves = halvesOf(this.#numbers);
  }

  setNumber(row: number, value: number): void {
    this.#reach(row);
    this.#numbers[row] = value;
  }

  setHalves(row: number, low: number, high: number): void {
    this.#reach(row);
    this.#halves![2 * row] = low;
    this.#halves![2 * row + 1] = high;
  }

  /** `bytes` is kept as a view until `finish`. */
  setBytes(row: number, bytes: Uint8Array): void {
    this.#reach(row);
    this.#parts[row] = bytes;
  }

  /** Makes the row zero, '' or empty rather than null, unless it is set. */
  touch(row: number): void {
    this.#reach(row);
  }

  finish(rows: number): ColumnBatch {
    if (rows > 0) this.#reach(rows - 1, false);
    const written = this.#written.slice(0, rows);
    const validity = this.isNullable && written.includes(0) ? { validity: written } : {};
    return { values: this.#values(rows), ...validity };
  }

  #values(rows: number): ColumnValues {
    if (this.type !== 'string' && this.type !== 'bytes') return this.#numbers.slice(0, rows);
    const offsets = new Uint32Array(rows + 1);
    for (let i = 0; i < rows; i += 1) offsets[i + 1] = offsets[i]! + (this.#parts[i]?.length ?? 0);
    const bytes = new Uint8Array(offsets[rows]!);
    for (let i = 0; i < rows; i += 1) {
      const part = this.#parts[i];
      if (part !== undefined) bytes.set(part, offsets[i]);
    }
    return { kind: 'variable', offsets, bytes };
  }

  #reach(row: number, isWritten = true): void {
    if (row >= this.#written.length) {
      const capacity = Math.max(row + 1, this.#written.length * 2);
      const written = new Uint8Array(capacity);
      written.set(this.#written);
      this.#written = written;
      this.#numbers = grown(this.type, this.#numbers, capacity);
      this.#halves = halvesOf(this.#numbers);
    }
    if (isWritten) this.#written[row] = 1;
  }
}

/** The lengths of lists, row by row. Elements are appended to the row that is the last so far. */
export class ListBuilder {
  #ends: number[] = [];
  #elements = 0;

  /** Adds an element to the list of `row`; returns the element's index among all. */
  append(row: number): number {
    this.#reach(row);
    const element = this.#elements;
    this.#elements += 1;
    this.#ends[row] = this.#elements;
    return element;
  }

  get elementCount(): number {
    return this.#elements;
  }

  offsets(rows: number): Uint32Array {
    if (rows > 0) this.#reach(rows - 1);
    const offsets = new Uint32Array(rows + 1);
    offsets.set(this.#ends.slice(0, rows), 1);
    return offsets;
  }

  #reach(row: number): void {
    for (let i = this.#ends.length; i <= row; i += 1) this.#ends.push(this.#elements);
  }
}

function arrayOf(type: BuiltType, length: number): Growable {
  switch (type) {
    case 'int8':
      return new Int8Array(length);
    case 'bool':
    case 'uint8':
      return new Uint8Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'float32':
      return new Float32Array(length);
    case 'float64':
      return new Float64Array(length);
    case 'uint64':
      return new BigUint64Array(length);
    case 'int64':
    case 'timestamp':
    case 'duration':
      return new BigInt64Array(length);
    case 'string':
    case 'bytes':
      return new Uint8Array(0);
  }
}

function grown(type: BuiltType, values: Growable, capacity: number): Growable {
  const larger = arrayOf(type, capacity);
  new Uint8Array(larger.buffer).set(new Uint8Array(values.buffer));
  return larger;
}

function halvesOf(values: Growable): Uint32Array | undefined {
  return values instanceof BigInt64Array || values instanceof BigUint64Array
    ? new Uint32Array(values.buffer)
    : undefined;
}
