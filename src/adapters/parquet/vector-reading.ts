import {
  type DuckDBBlobVector,
  DuckDBBooleanVector,
  type DuckDBDataChunk,
  type DuckDBListVector,
  type DuckDBVector,
} from '@duckdb/node-api';
import type { TableColumnType, TableScalarType, TableValues } from '#domain/ports/table-writer.ts';

type NumericArray = Exclude<TableValues, { readonly kind: string }>;
type NumericScalar = Exclude<TableScalarType, 'string' | 'bytes'>;

const NEW_ARRAY: Readonly<Record<NumericScalar, (length: number) => NumericArray>> = {
  bool: (length) => new Uint8Array(length),
  int8: (length) => new Int8Array(length),
  uint8: (length) => new Uint8Array(length),
  int16: (length) => new Int16Array(length),
  uint16: (length) => new Uint16Array(length),
  int32: (length) => new Int32Array(length),
  uint32: (length) => new Uint32Array(length),
  int64: (length) => new BigInt64Array(length),
  uint64: (length) => new BigUint64Array(length),
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
  timestamp: (length) => new BigInt64Array(length),
  duration: (length) => new BigInt64Array(length),
};

/** Part of a column: `count` values of a vector from `start` on. */
interface VectorPart {
  readonly vector: DuckDBVector;
  readonly start: number;
  readonly count: number;
}

/** One column of several chunks, as arrays. Texts must have been selected as BLOB. */
export function columnOf(
  chunks: readonly DuckDBDataChunk[],
  index: number,
  type: TableColumnType,
): { readonly values: TableValues; readonly validity?: Uint8Array } {
  const parts = chunks.map((chunk) => ({
    vector: chunk.getColumnVector(index),
    start: 0,
    count: chunk.rowCount,
  }));
  const validity = validityOf(parts);
  const values = valuesOf(parts, type);
  return validity === undefined ? { values } : { values, validity };
}

function validityOf(parts: readonly VectorPart[]): Uint8Array | undefined {
  const validity = new Uint8Array(total(parts));
  let position = 0;
  let nulls = 0;
  for (const { vector, start, count } of parts) {
    for (let row = start; row < start + count; row++) {
      const valid = isValue(vector, row);
      validity[position++] = valid ? 1 : 0;
      if (!valid) nulls += 1;
    }
  }
  return nulls === 0 ? undefined : validity;
}

/** Every vector of node-api has its validity, though not all types say so; `getItem` would build an object. */
function isValue(vector: DuckDBVector, row: number): boolean {
  const { validity } = vector as unknown as { readonly validity: { itemValid(index: number): boolean } };
  return validity.itemValid(row);
}

function valuesOf(parts: readonly VectorPart[], type: TableColumnType): TableValues {
  if (typeof type === 'object') return listsOf(parts, type.list);
  if (type === 'string' || type === 'bytes') return variablesOf(parts);
  const values = NEW_ARRAY[type](total(parts));
  let position = 0;
  for (const { vector, start, count } of parts) {
    if (vector instanceof DuckDBBooleanVector) {
      for (let row = 0; row < count; row++)
        values[position + row] = vector.getItem(start + row) === true ? 1 : 0;
    } else {
      const { items } = vector as DuckDBVector & { items: Float64Array };
      (values as Float64Array).set(items.subarray(start, start + count), position);
    }
    position += count;
  }
  return values;
}

function variablesOf(parts: readonly VectorPart[]): TableValues {
  const offsets = new Uint32Array(total(parts) + 1);
  const values: Uint8Array[] = [];
  let position = 0;
  for (const { vector, start, count } of parts) {
    for (let row = start; row < start + count; row++) {
      const bytes = (vector as DuckDBBlobVector).getItemBytes(row) ?? new Uint8Array();
      values.push(bytes);
      offsets[position + 1] = offsets[position]! + bytes.length;
      position += 1;
    }
  }
  return { kind: 'variable', offsets, bytes: new Uint8Array(Buffer.concat(values)) };
}

/** The items of several lists lie one after another in the child vector, but not always from its start. */
function listsOf(parts: readonly VectorPart[], itemType: TableColumnType): TableValues {
  const offsets = new Uint32Array(total(parts) + 1);
  const items: VectorPart[] = [];
  let position = 0;
  for (const { vector, start, count } of parts) {
    const lists = vector as DuckDBListVector;
    for (let row = start; row < start + count; row++) {
      const length = isValue(vector, row) ? lists.getEntryLength(row) : 0;
      if (length > 0) addItems(items, lists.childVector, lists.getEntryOffset(row), length);
      offsets[position + 1] = offsets[position]! + length;
      position += 1;
    }
  }
  return { kind: 'list', offsets, items: valuesOf(items, itemType) };
}

/** Neighbours become one part, so that a column of short lists is copied in few strokes. */
function addItems(items: VectorPart[], vector: DuckDBVector, start: number, count: number): void {
  const last = items.at(-1);
  if (last !== undefined && last.vector === vector && last.start + last.count === start) {
    items[items.length - 1] = { vector, start: last.start, count: last.count + count };
  } else {
    items.push({ vector, start, count });
  }
}

function total(parts: readonly VectorPart[]): number {
  return parts.reduce((sum, part) => sum + part.count, 0);
}
