import type {
  TableColumn,
  TableColumnType,
  TableRows,
  TableScalarType,
  TableValues,
} from '#domain/ports/table-writer.ts';

/** Rows on their way to the worker: copies in buffers of their own, ready to be transferred. Offsets begin with 0. */
export interface TablePiece {
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly columns: readonly { readonly values: TableValues; readonly validity?: Uint8Array }[];
}

export type Numbers = Exclude<TableValues, { readonly kind: string }>;

export interface NumbersConstructor {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): Numbers;
  readonly name: string;
}

/** The array that holds the values of a column of numbers. */
export const ARRAY_OF: Readonly<Record<Exclude<TableScalarType, 'string' | 'bytes'>, NumbersConstructor>> = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  timestamp: BigInt64Array,
  duration: BigInt64Array,
};

/**
 * Checks that the arrays are what the columns say: DuckDB copies them unchecked, so that a wrong length would be a
 * crash of the process, not an error.
 * @throws {TypeError} naming the column.
 */
export function assertRowsFit(columns: readonly TableColumn[], rows: TableRows): void {
  if (rows.columns.length !== columns.length) {
    throw new TypeError(`The table has ${columns.length} columns, the rows have ${rows.columns.length}.`);
  }
  for (const [index, column] of columns.entries()) {
    const { values, validity } = rows.columns[index]!;
    assertValuesFit(column.name, column.type, values, rows.rowCount);
    if (validity !== undefined && validity.length < rows.rowCount) {
      throw new TypeError(`Column ${column.name}: validity for ${validity.length} of ${rows.rowCount} rows.`);
    }
  }
}

function assertValuesFit(name: string, type: TableColumnType, values: TableValues, count: number): void {
  if (typeof type === 'object') {
    if (!('kind' in values) || values.kind !== 'list')
      throw new TypeError(`Column ${name}: a list is expected.`);
    assertOffsetsFit(name, values.offsets, count);
    assertValuesFit(name, type.list, values.items, values.offsets[count]!);
    return;
  }
  if (type === 'string' || type === 'bytes') {
    if (!('kind' in values) || values.kind !== 'variable')
      throw new TypeError(`Column ${name}: offsets and bytes are expected for ${type}.`);
    assertOffsetsFit(name, values.offsets, count);
    if (values.bytes.length < values.offsets[count]!)
      throw new TypeError(`Column ${name}: its offsets reach beyond its ${values.bytes.length} bytes.`);
    return;
  }
  const expected = ARRAY_OF[type].name;
  const given = 'kind' in values ? values.kind : values[Symbol.toStringTag];
  if ('kind' in values || given !== expected)
    throw new TypeError(`Column ${name}: ${type} needs a ${expected}, not a ${given}.`);
  if (values.length < count)
    throw new TypeError(`Column ${name}: ${values.length} values for ${count} rows.`);
}

function assertOffsetsFit(name: string, offsets: Uint32Array, count: number): void {
  if (offsets.length < count + 1)
    throw new TypeError(`Column ${name}: ${offsets.length} offsets for ${count} values; one more is needed.`);
  for (let index = 0; index < count; index++) {
    if (offsets[index + 1]! < offsets[index]!)
      throw new TypeError(`Column ${name}: offset ${index + 1} is smaller than the one before.`);
  }
}

/** The same rows, no array sharing its buffer with anything. */
export function withOwnBuffers(piece: TablePiece): TablePiece {
  return {
    ...piece,
    columns: piece.columns.map(({ values, validity }) => ({
      values: ownValues(values),
      ...(validity === undefined ? {} : { validity: new Uint8Array(validity) }),
    })),
  };
}

function ownValues(values: TableValues): TableValues {
  if (!('kind' in values)) return values.slice();
  const offsets = values.offsets.slice();
  return values.kind === 'variable'
    ? { kind: 'variable', offsets, bytes: new Uint8Array(values.bytes) }
    : { kind: 'list', offsets, items: ownValues(values.items) };
}

/** The buffers of a piece, to be moved instead of copied. */
export function buffersOf(piece: TablePiece): ArrayBuffer[] {
  return piece.columns.flatMap((column) => [
    ...valueBuffersOf(column.values),
    ...(column.validity === undefined ? [] : [column.validity.buffer as ArrayBuffer]),
  ]);
}

/**
 * Gives the memory of a piece back at once. Left to the garbage collector, which hardly notices array buffers, each
 * thread would keep 64 MB of pieces that are long written.
 */
export function releasePiece(piece: TablePiece): void {
  for (const buffer of new Set(buffersOf(piece))) buffer.transfer(0);
}

function valueBuffersOf(values: TableValues): ArrayBuffer[] {
  if (!('kind' in values)) return [values.buffer as ArrayBuffer];
  const offsets = values.offsets.buffer as ArrayBuffer;
  return values.kind === 'variable'
    ? [offsets, values.bytes.buffer as ArrayBuffer]
    : [offsets, ...valueBuffersOf(values.items)];
}

/** Bytes that the values `start … end - 1` take. */
export function sizeOf(values: TableValues, start: number, end: number): number {
  if (!('kind' in values)) return (end - start) * values.BYTES_PER_ELEMENT;
  const [first, last] = [values.offsets[start] ?? 0, values.offsets[end] ?? 0];
  const itemBytes = values.kind === 'variable' ? last - first : sizeOf(values.items, first, last);
  return (end - start) * Uint32Array.BYTES_PER_ELEMENT + itemBytes;
}
