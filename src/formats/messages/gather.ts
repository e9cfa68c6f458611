import type { ColumnValues, ListValues, VariableValues } from '../recording-reader.ts';
import type { MessageBatch } from './message-batch.ts';
import { PRIMITIVE_SIZE_BYTES } from './message-type.ts';
import { writeNanoseconds } from './nanoseconds.ts';
import { validUtf8 } from './valid-utf8.ts';
import type { Scalar } from './wire-layout.ts';

/**
 * The inner loops: values at known places of many messages into one typed array. Each loop is written out, since
 * one call per value is what makes other readers slow. All bounds were checked by the caller.
 */

/** One value per message, at `cursor + distance`. */
export function gatherScalar(batch: MessageBatch, distance: number, scalar: Scalar): ColumnValues {
  return valuesAt(batch, batch.cursors, distance, scalar);
}

/** `length` values per message, from `cursor + distance`. */
export function gatherFixedList(
  batch: MessageBatch,
  distance: number,
  scalar: Scalar,
  length: number,
): ColumnValues {
  return listsAt(batch, distance, new Uint32Array(batch.count).fill(length), scalar);
}

/** `counts[i]` values per message, from its cursor. */
export function gatherScalarLists(batch: MessageBatch, counts: Uint32Array, scalar: Scalar): ColumnValues {
  return listsAt(batch, 0, counts, scalar);
}

/** Strings of `counts[i]` bytes from each cursor, as valid UTF-8: bytes that are not become U+FFFD. */
export function gatherText(batch: MessageBatch, counts: Uint32Array): VariableValues {
  if (!batch.rules.stringTerminator) return validText(bytesAt(batch, 0, counts));
  const { bytes, cursors } = batch;
  const lengths = counts.map((length, i) =>
    length > 0 && bytes[cursors[i]! + length - 1] === 0 ? length - 1 : length,
  );
  return validText(bytesAt(batch, 0, lengths));
}

function listsAt(
  batch: MessageBatch,
  distance: number,
  counts: Uint32Array,
  scalar: Scalar,
): ListValues | VariableValues {
  if (scalar === 'uint8') return bytesAt(batch, distance, counts);
  const { cursors, count } = batch;
  const sizeBytes = PRIMITIVE_SIZE_BYTES[scalar];
  const offsets = offsetsOf(counts, count);
  const total = offsets[count]!;
  if (copiesAsIs(batch, scalar)) {
    const items = arrayOf(scalar, total);
    copyInto(items, batch, distance, counts, sizeBytes);
    return { kind: 'list', offsets, items };
  }
  const positions = new Uint32Array(total);
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    let position = cursors[i]!;
    for (let k = counts[i]!; k > 0; k -= 1, position += sizeBytes, next += 1) positions[next] = position;
  }
  return { kind: 'list', offsets, items: valuesAt(batch, positions, distance, scalar) };
}

/** Where each of the runs of `counts` begins and, at the end, how much they are together. */
export function offsetsOf(counts: Uint32Array, rows: number): Uint32Array {
  const offsets = new Uint32Array(rows + 1);
  let next = 0;
  for (let i = 0; i < rows; i += 1) {
    next += counts[i]!;
    offsets[i + 1] = next;
  }
  return offsets;
}

function copiesAsIs({ rules }: MessageBatch, scalar: Scalar): boolean {
  const times = scalar === 'time' || scalar === 'duration';
  return rules.littleEndian && !times && scalar !== 'bool';
}

function bytesAt(batch: MessageBatch, distance: number, counts: Uint32Array): VariableValues {
  const offsets = offsetsOf(counts, batch.count);
  const bytes = new Uint8Array(offsets[batch.count]!);
  copyInto(bytes, batch, distance, counts, 1);
  return { kind: 'variable', offsets, bytes };
}

/** Below this many bytes a loop is faster than a view and a block copy. */
const LOOP_BYTES_MAX = 128;

/** Copies `counts[i]` elements from each cursor, one behind the other, in the widest steps the element allows. */
function copyInto(
  target: Numbers,
  { bytes, view, cursors, count }: MessageBatch,
  distance: number,
  counts: Uint32Array,
  sizeBytes: number,
): void {
  const targetBytes = new Uint8Array(target.buffer);
  const words = sizeBytes % 4 === 0 ? new Uint32Array(target.buffer) : undefined;
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    const start = cursors[i]! + distance;
    const lengthBytes = counts[i]! * sizeBytes;
    if (lengthBytes > LOOP_BYTES_MAX) {
      targetBytes.set(bytes.subarray(start, start + lengthBytes), next);
    } else if (words === undefined) {
      for (let k = 0; k < lengthBytes; k += 1) targetBytes[next + k] = bytes[start + k]!;
    } else {
      const first = next >>> 2;
      for (let k = 0; k < lengthBytes >>> 2; k += 1) words[first + k] = view.getUint32(start + 4 * k, true);
    }
    next += lengthBytes;
  }
}

function validText(text: VariableValues): VariableValues {
  const { bytes, offsets } = text;
  let bits = 0;
  for (let i = 0; i < bytes.length; i += 1) bits |= bytes[i]!;
  if (bits < 0x80) return text;
  const parts: Uint8Array[] = [];
  const lengths = new Uint32Array(offsets.length);
  for (let i = 0; i + 1 < offsets.length; i += 1) {
    const part = validUtf8(bytes.subarray(offsets[i], offsets[i + 1]));
    parts.push(part);
    lengths[i + 1] = lengths[i]! + part.length;
  }
  const valid = new Uint8Array(lengths.at(-1) ?? 0);
  for (const [i, part] of parts.entries()) valid.set(part, lengths[i]);
  return { kind: 'variable', offsets: lengths, bytes: valid };
}

type Numbers = Exclude<ColumnValues, ListValues | VariableValues>;

function arrayOf(scalar: Scalar, length: number): Numbers {
  switch (scalar) {
    case 'int8':
      return new Int8Array(length);
    case 'bool':
    case 'uint8':
      return new Uint8Array(length);
    case 'int16':
      return new Int16Array(length);
    case 'uint16':
      return new Uint16Array(length);
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
    case 'time':
    case 'duration':
      return new BigInt64Array(length);
  }
}

/** The values at `positions[i] + distance`. */
function valuesAt(batch: MessageBatch, positions: Uint32Array, distance: number, scalar: Scalar): Numbers {
  const { view, bytes } = batch;
  const little = batch.rules.littleEndian;
  const count = positions.length;
  const values = arrayOf(scalar, count);
  if (scalar === 'time') return nanoseconds(batch, positions, distance, batch.rules.signedTime, false);
  // ROS 1 durations have signed nanoseconds, ROS 2 durations unsigned ones.
  if (scalar === 'duration') return nanoseconds(batch, positions, distance, true, !batch.rules.signedTime);
  if (scalar === 'bool') {
    for (let i = 0; i < count; i += 1) values[i] = bytes[positions[i]! + distance] === 0 ? 0 : 1;
  } else if (values instanceof Float64Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getFloat64(positions[i]! + distance, little);
  } else if (values instanceof Float32Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getFloat32(positions[i]! + distance, little);
  } else if (values instanceof Int32Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getInt32(positions[i]! + distance, little);
  } else if (values instanceof Uint32Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getUint32(positions[i]! + distance, little);
  } else if (values instanceof Int16Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getInt16(positions[i]! + distance, little);
  } else if (values instanceof Uint16Array) {
    for (let i = 0; i < count; i += 1) values[i] = view.getUint16(positions[i]! + distance, little);
  } else if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const halves = new Uint32Array(values.buffer);
    const low = little ? 0 : 4;
    for (let i = 0; i < count; i += 1) {
      halves[2 * i] = view.getUint32(positions[i]! + distance + low, little);
      halves[2 * i + 1] = view.getUint32(positions[i]! + distance + 4 - low, little);
    }
  } else {
    for (let i = 0; i < count; i += 1) values[i] = bytes[positions[i]! + distance]!;
  }
  return values;
}

/** Seconds and nanoseconds to nanoseconds in two halves of 32 bits, because one bigint per value is slow. */
function nanoseconds(
  { view, rules }: MessageBatch,
  positions: Uint32Array,
  distance: number,
  signedSeconds: boolean,
  signedNanoseconds: boolean,
): BigInt64Array {
  const little = rules.littleEndian;
  const values = new BigInt64Array(positions.length);
  const halves = new Uint32Array(values.buffer);
  for (let i = 0; i < positions.length; i += 1) {
    const at = positions[i]! + distance;
    const seconds = signedSeconds ? view.getInt32(at, little) : view.getUint32(at, little);
    const rest = signedNanoseconds ? view.getInt32(at + 4, little) : view.getUint32(at + 4, little);
    writeNanoseconds(halves, i, seconds, rest);
  }
  return values;
}
