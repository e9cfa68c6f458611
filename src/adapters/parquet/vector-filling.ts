import { isUtf8 } from 'node:buffer';
import duckdb from '@duckdb/node-bindings';
import type { TableColumnType, TableValues } from '#domain/ports/table-writer.ts';

/**
 * Copies the values `start … end - 1` of a piece into a DuckDB vector. Written on the bindings, not on node-api's
 * vectors: those build a JavaScript object per list and per text.
 */
export function fillVector(
  vector: duckdb.Vector,
  type: TableColumnType,
  values: TableValues,
  start: number,
  end: number,
): void {
  if (!('kind' in values)) {
    const part = values.subarray(start, end);
    // DuckDB takes a byte other than 0 and 1 for a corrupt BOOLEAN.
    const bytes = type === 'bool' ? (part as Uint8Array).map((value) => (value === 0 ? 0 : 1)) : part;
    copyInto(vector, bytes);
  } else if (values.kind === 'variable') {
    fillTexts(vector, type === 'string', values.offsets, values.bytes, start, end);
  } else {
    fillLists(vector, (type as { list: TableColumnType }).list, values, start, end);
  }
}

/** Marks rows null: validity is 1 = value, 0 = null, per row; DuckDB keeps a bit per row. */
export function fillValidity(vector: duckdb.Vector, validity: Uint8Array, start: number, end: number): void {
  const bits = scratch(Math.ceil((end - start) / 64) * 8);
  for (let row = start; row < end; row++) {
    if (validity[row] !== 0) bits[(row - start) >> 3]! |= 1 << ((row - start) & 7);
  }
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, bits.byteLength);
}

let room = new Uint8Array(1 << 16);

/** Zeros, until the next call: DuckDB copies what it is given, and new buffers for each chunk would pile up. */
function scratch(sizeBytes: number): Uint8Array<ArrayBuffer> {
  if (sizeBytes > room.length) room = new Uint8Array(sizeBytes * 2);
  return room.subarray(0, sizeBytes).fill(0);
}

function copyInto(vector: duckdb.Vector, array: ArrayBufferView): void {
  duckdb.copy_data_to_vector(vector, 0, array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

function fillTexts(
  vector: duckdb.Vector,
  isText: boolean,
  offsets: Uint32Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const base = offsets[0]!;
  const [first, last] = [offsets[start]! - base, offsets[end]! - base];
  const mayBeBroken = isText && !isUtf8(bytes.subarray(first, last));
  if (!mayBeBroken) fillShort(vector, offsets, bytes, start, end);
  for (let row = start; row < end; row++) {
    if (!mayBeBroken && offsets[row + 1]! - offsets[row]! <= SHORT_BYTES_MAX) continue;
    const value = bytes.subarray(offsets[row]! - base, offsets[row + 1]! - base);
    duckdb.vector_assign_string_element_len(vector, row - start, mayBeBroken ? repaired(value) : value);
  }
}

const SHORT_BYTES_MAX = 12;
const ENTRY_BYTES = 16;

/**
 * The values that DuckDB keeps in the vector itself, all at once: a call for each would cost more than its encoding.
 * duckdb_string_t: length (32 bit little-endian), then up to 12 bytes, the rest zero. Entries of longer values are
 * left to be assigned.
 */
function fillShort(
  vector: duckdb.Vector,
  offsets: Uint32Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const base = offsets[0]!;
  const entries = scratch((end - start) * ENTRY_BYTES);
  for (let row = start, entry = 0; row < end; row++, entry += ENTRY_BYTES) {
    const from = offsets[row]! - base;
    const length = offsets[row + 1]! - base - from;
    if (length > SHORT_BYTES_MAX) continue;
    entries[entry] = length;
    for (let at = 0; at < length; at++) entries[entry + 4 + at] = bytes[from + at]!;
  }
  copyInto(vector, entries);
}

/** Parquet's STRING must be UTF-8; readers reject the whole file otherwise. Broken bytes become U+FFFD. */
function repaired(value: Uint8Array): Uint8Array {
  return isUtf8(value) ? value : new TextEncoder().encode(new TextDecoder().decode(value));
}

function fillLists(
  vector: duckdb.Vector,
  itemType: TableColumnType,
  values: { readonly offsets: Uint32Array; readonly items: TableValues },
  start: number,
  end: number,
): void {
  const base = values.offsets[0]!;
  const first = values.offsets[start]! - base;
  const last = values.offsets[end]! - base;
  // duckdb_list_entry: offset and length, both 64 bit little-endian.
  const entryBytes = scratch((end - start) * ENTRY_BYTES);
  const entries = new Uint32Array(entryBytes.buffer, 0, (end - start) * 4);
  for (let row = start; row < end; row++) {
    entries[(row - start) * 4] = values.offsets[row]! - base - first;
    entries[(row - start) * 4 + 2] = values.offsets[row + 1]! - values.offsets[row]!;
  }
  duckdb.list_vector_reserve(vector, last - first);
  duckdb.list_vector_set_size(vector, last - first);
  copyInto(vector, entryBytes);
  if (last > first) fillVector(duckdb.list_vector_get_child(vector), itemType, values.items, first, last);
}
