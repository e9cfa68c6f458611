import type { TableColumn, TableColumnType, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import { ARRAY_OF, type Numbers, type NumbersConstructor, sizeOf, type TablePiece } from './table-piece.ts';

/** Small enough that copying a piece holds up the event loop for a millisecond only, and stays in the processor's cache. */
export const PIECE_BYTES = 1024 * 1024;

/**
 * Collects rows into pieces of about 1 MB; a single larger row is a piece of its own. Rows come a few hundred at a time
 * where one batch of frames becomes a hundred tables: sent on as they come, each would cost more than its bytes.
 */
export class PieceBuilder {
  readonly #columns: readonly ColumnBuilder[];
  #rowCount = 0;
  /** Of the rows collected and not yet taken. */
  sizeBytes = 0;

  constructor(columns: readonly Pick<TableColumn, 'type'>[]) {
    this.#columns = columns.map(({ type }) => new ColumnBuilder(type));
  }

  /** Copies the rows; gives a piece as often as one is full. */
  *add(rows: TableRows): Generator<TablePiece> {
    const totalBytes = bytesOf(rows, 0, rows.rowCount);
    const rowBytes = Math.max(1, totalBytes / Math.max(1, rows.rowCount));
    for (let start = 0; start < rows.rowCount; ) {
      const room = Math.max(1, Math.floor((PIECE_BYTES - this.sizeBytes) / rowBytes));
      const end = Math.min(rows.rowCount, start + room);
      for (const [index, { values, validity }] of rows.columns.entries()) {
        this.#columns[index]!.append(values, validity, start, end);
      }
      this.#rowCount += end - start;
      this.sizeBytes += bytesOf(rows, start, end);
      // Less than a row's bytes short of full is full.
      if (this.sizeBytes + rowBytes > PIECE_BYTES) yield this.take();
      start = end;
    }
  }

  /** All rows that were added since the last piece; its buffers belong to it alone. */
  take(): TablePiece {
    const piece = {
      rowCount: this.#rowCount,
      sizeBytes: this.sizeBytes,
      columns: this.#columns.map((column) => column.take()),
    };
    this.#rowCount = 0;
    this.sizeBytes = 0;
    return piece;
  }
}

function bytesOf({ columns }: TableRows, start: number, end: number): number {
  return columns.reduce((sum, { values }) => sum + sizeOf(values, start, end), 0);
}

class ColumnBuilder {
  readonly #values: ValuesBuilder;
  #validity: OwnBytes | undefined;
  #rowCount = 0;

  constructor(type: TableColumnType) {
    this.#values = valuesBuilder(type);
  }

  append(values: TableValues, validity: Uint8Array | undefined, start: number, end: number): void {
    this.#values.append(values, start, end);
    if (validity !== undefined) {
      this.#validity ??= allValid(this.#rowCount);
      this.#validity.append(validity.subarray(start, end));
    } else this.#validity?.append(new Uint8Array(end - start).fill(1));
    this.#rowCount += end - start;
  }

  take(): TablePiece['columns'][number] {
    const values = this.#values.take();
    const validity = this.#validity?.take(this.#rowCount, Uint8Array);
    this.#validity = undefined;
    this.#rowCount = 0;
    return validity === undefined ? { values } : { values, validity };
  }
}

function allValid(rowCount: number): OwnBytes {
  const validity = new OwnBytes();
  validity.append(new Uint8Array(rowCount).fill(1));
  return validity;
}

/** Bytes that become more, then all go away with a buffer that nobody else has. */
class OwnBytes {
  #bytes = new Uint8Array(0);
  #sizeBytes = 0;
  /** What the last piece needed: the next one hardly grows. */
  #expectedBytes = 0;

  append(part: Uint8Array): void {
    const sizeBytes = this.#sizeBytes + part.length;
    if (sizeBytes > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(sizeBytes, this.#bytes.length * 1.5, this.#expectedBytes));
      grown.set(this.#bytes.subarray(0, this.#sizeBytes));
      // Given back at once: the garbage collector is in no hurry with array buffers.
      this.#bytes.buffer.transfer(0);
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  take<T extends Numbers>(
    count: number,
    Values: { new (buffer: ArrayBuffer, byteOffset: number, length: number): T },
  ): T {
    const isRoomy = this.#sizeBytes < this.#bytes.length * 0.75;
    const { buffer } = isRoomy ? this.#bytes.slice(0, this.#sizeBytes) : this.#bytes;
    this.#expectedBytes = this.#sizeBytes + (this.#sizeBytes >> 4);
    this.#bytes = new Uint8Array(0);
    this.#sizeBytes = 0;
    return new Values(buffer, 0, count);
  }
}

interface ValuesBuilder {
  append(values: TableValues, start: number, end: number): void;
  take(): TableValues;
}

function valuesBuilder(type: TableColumnType): ValuesBuilder {
  if (typeof type === 'object') return new ListsBuilder(valuesBuilder(type.list));
  return type === 'string' || type === 'bytes' ? new VariableBuilder() : new NumbersBuilder(ARRAY_OF[type]);
}

class NumbersBuilder implements ValuesBuilder {
  readonly #Values: NumbersConstructor;
  readonly #bytes = new OwnBytes();
  #count = 0;

  constructor(Values: NumbersConstructor) {
    this.#Values = Values;
  }

  append(values: TableValues, start: number, end: number): void {
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = values as Numbers;
    const first = byteOffset + start * BYTES_PER_ELEMENT;
    this.#bytes.append(new Uint8Array(buffer, first, (end - start) * BYTES_PER_ELEMENT));
    this.#count += end - start;
  }

  take(): Numbers {
    const values = this.#bytes.take(this.#count, this.#Values);
    this.#count = 0;
    return values;
  }
}

/** Offsets that go on where those before them ended. */
class OffsetsBuilder {
  readonly #bytes = new OwnBytes();
  #count = 0;
  #end = 0;

  append(offsets: Uint32Array, start: number, end: number): void {
    if (this.#count === 0) this.#add(Uint32Array.of(0));
    const shift = this.#end - offsets[start]!;
    const shifted = offsets.slice(start + 1, end + 1);
    if (shift !== 0) for (let index = 0; index < shifted.length; index++) shifted[index]! += shift;
    this.#add(shifted);
    this.#end = offsets[end]! + shift;
  }

  take(): Uint32Array {
    const offsets = this.#bytes.take(this.#count, Uint32Array);
    this.#count = 0;
    this.#end = 0;
    return offsets;
  }

  #add(offsets: Uint32Array): void {
    this.#bytes.append(new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength));
    this.#count += offsets.length;
  }
}

class VariableBuilder implements ValuesBuilder {
  readonly #offsets = new OffsetsBuilder();
  readonly #bytes = new OwnBytes();
  #sizeBytes = 0;

  append(values: TableValues, start: number, end: number): void {
    const { offsets, bytes } = values as Extract<TableValues, { kind: 'variable' }>;
    const part = bytes.subarray(offsets[start]!, offsets[end]!);
    this.#offsets.append(offsets, start, end);
    this.#bytes.append(part);
    this.#sizeBytes += part.length;
  }

  take(): TableValues {
    const bytes = this.#bytes.take(this.#sizeBytes, Uint8Array);
    this.#sizeBytes = 0;
    return { kind: 'variable', offsets: this.#offsets.take(), bytes };
  }
}

class ListsBuilder implements ValuesBuilder {
  readonly #offsets = new OffsetsBuilder();
  readonly #items: ValuesBuilder;

  constructor(items: ValuesBuilder) {
    this.#items = items;
  }

  append(values: TableValues, start: number, end: number): void {
    const { offsets, items } = values as Extract<TableValues, { kind: 'list' }>;
    this.#offsets.append(offsets, start, end);
    this.#items.append(items, offsets[start]!, offsets[end]!);
  }

  take(): TableValues {
    return { kind: 'list', offsets: this.#offsets.take(), items: this.#items.take() };
  }
}
