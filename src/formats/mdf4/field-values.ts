import { Mdf4Damage } from './blocks.ts';
import { type Channel, DataType, isComplex, isInteger, isSigned } from './model.ts';

/** Records of one channel group, without record ids, one behind the other. */
export interface Records {
  readonly bytes: Uint8Array;
  /** Data and invalidation bytes. */
  readonly strideBytes: number;
  readonly count: number;
}

export type NumberValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** How a number lies in its record, and as what it is read. */
export interface Field {
  readonly kind:
    | 'int8'
    | 'uint8'
    | 'int16'
    | 'uint16'
    | 'int32'
    | 'uint32'
    | 'int64'
    | 'uint64'
    | 'float32'
    | 'float64';
  readonly byteOffset: number;
  /** Bytes that hold at least one of its bits, 1 to 9. */
  readonly byteCount: number;
  readonly littleEndian: boolean;
  /** Bits below the value in its bytes, 0 to 7. */
  readonly shift: number;
  readonly bitCount: number;
  readonly isFloat: boolean;
}

/**
 * Plans a numeric channel. For integers in big-endian order the bit offset counts in the value that the bytes form
 * together, as for little-endian (ASAM MDF 4.1.0, 4.16.4); the width is `(bitOffset + bitCount + 7) / 8` bytes.
 * @throws {Mdf4Damage} where the value does not lie inside of the record
 */
export function fieldOf(
  channel: Channel,
  part: { byteOffset: number; bitCount: number },
  dataBytes: number,
): Field {
  const { dataType, bitOffset } = channel;
  const littleEndian = ![
    DataType.unsignedBig,
    DataType.signedBig,
    DataType.floatBig,
    DataType.complexBig,
  ].some((type) => type === dataType);
  const isFloat = !isInteger(channel);
  const { bitCount } = part;
  const byteOffset = part.byteOffset + (bitOffset >> 3);
  const shift = bitOffset & 7;
  const byteCount = (shift + bitCount + 7) >> 3;
  const isFloatSize = bitCount === 16 || bitCount === 32 || bitCount === 64;
  const isNumber =
    isInteger(channel) ||
    isComplex(channel) ||
    dataType === DataType.floatLittle ||
    dataType === DataType.floatBig;
  if (!isNumber || bitCount < 1 || bitCount > 64 || (isFloat && (!isFloatSize || shift !== 0))) {
    throw new Mdf4Damage(
      `channel ${channel.name} has data type ${dataType} with ${bitCount} bits at bit ${shift}`,
    );
  }
  if (byteOffset + byteCount > dataBytes) {
    throw new Mdf4Damage(
      `channel ${channel.name} ends at byte ${byteOffset + byteCount} of a record of ${dataBytes}`,
    );
  }
  return {
    kind: kindOf(channel, bitCount, isFloat),
    byteOffset,
    byteCount,
    littleEndian,
    shift,
    bitCount,
    isFloat,
  };
}

function kindOf(channel: Channel, bitCount: number, isFloat: boolean): Field['kind'] {
  if (isFloat) return bitCount === 64 ? 'float64' : 'float32';
  const width = bitCount <= 8 ? 8 : bitCount <= 16 ? 16 : bitCount <= 32 ? 32 : 64;
  return isSigned(channel) ? `int${width}` : `uint${width}`;
}

export function emptyValues(kind: Field['kind'], count: number): NumberValues {
  switch (kind) {
    case 'int8':
      return new Int8Array(count);
    case 'uint8':
      return new Uint8Array(count);
    case 'int16':
      return new Int16Array(count);
    case 'uint16':
      return new Uint16Array(count);
    case 'int32':
      return new Int32Array(count);
    case 'uint32':
      return new Uint32Array(count);
    case 'int64':
      return new BigInt64Array(count);
    case 'uint64':
      return new BigUint64Array(count);
    case 'float32':
      return new Float32Array(count);
    case 'float64':
      return new Float64Array(count);
  }
}

/** Where values go: value of record r to `start + r * step`. */
export interface Destination {
  readonly values: NumberValues;
  readonly start: number;
  readonly step: number;
}

/** Raw values of a field, a typed array of the field's kind. */
export function rawValues(field: Field, records: Records): NumberValues {
  const values = emptyValues(field.kind, records.count);
  gather(field, records, { values, start: 0, step: 1 });
  return values;
}

/** Reads a field of all records. */
export function gather(field: Field, records: Records, to: Destination): void {
  if (field.isFloat && field.bitCount === 16) gatherHalfFloats(field, records, to);
  else if (field.isFloat || isWhole(field)) gatherWhole(field, records, to);
  else if (field.bitCount <= 32) gatherNarrowBits(field, records, to);
  else gatherWideBits(field, records, to);
}

function isWhole({ shift, bitCount }: Field): boolean {
  return shift === 0 && (bitCount === 8 || bitCount === 16 || bitCount === 32 || bitCount === 64);
}

/** One loop per kind: shared through a function argument they would run several times slower. */
function gatherWhole(field: Field, records: Records, to: Destination): void {
  const { bytes, strideBytes: stride, count } = records;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = field.littleEndian;
  const { start, step } = to;
  let at = field.byteOffset;
  if (to.values instanceof BigInt64Array || to.values instanceof BigUint64Array) {
    // Moved as two words: a BigInt for each value would be made only to be stored.
    const words = new Uint32Array(to.values.buffer, to.values.byteOffset, to.values.length * 2);
    const [low, high] = little ? [0, 4] : [4, 0];
    for (let r = 0, i = start * 2; r < count; r++, i += step * 2, at += stride) {
      words[i] = view.getUint32(at + low, little);
      words[i + 1] = view.getUint32(at + high, little);
    }
    return;
  }
  const values = to.values;
  let i = start;
  switch (field.kind) {
    case 'int8':
    case 'uint8':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = bytes[at]!;
      return;
    case 'int16':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getInt16(at, little);
      return;
    case 'uint16':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getUint16(at, little);
      return;
    case 'int32':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getInt32(at, little);
      return;
    case 'uint32':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getUint32(at, little);
      return;
    case 'float32':
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getFloat32(at, little);
      return;
    default:
      for (let r = 0; r < count; r++, i += step, at += stride) values[i] = view.getFloat64(at, little);
  }
}

/** Integers of at most 32 bits at any bit: their bytes from the least significant on. */
function gatherNarrowBits(field: Field, records: Records, to: Destination): void {
  if (to.values instanceof BigInt64Array || to.values instanceof BigUint64Array) return;
  const { values, step } = to;
  const { bytes, strideBytes } = records;
  const { shift, byteCount } = field;
  const direction = field.littleEndian ? 1 : -1;
  const lowBytes = Math.min(byteCount, 4);
  const unused = 32 - field.bitCount;
  const signed = field.kind.startsWith('int');
  let first = field.byteOffset + (field.littleEndian ? 0 : byteCount - 1);
  for (let record = 0, i = to.start; record < records.count; record++, i += step, first += strideBytes) {
    let at = first;
    let word = 0;
    for (let byte = 0; byte < lowBytes; byte++, at += direction) word |= bytes[at]! << (byte << 3);
    word >>>= shift;
    if (byteCount === 5) word |= bytes[at]! << (32 - shift);
    word <<= unused;
    values[i] = signed ? word >> unused : word >>> unused;
  }
}

/** Integers of 33 to 64 bits at any bit, as two words. */
function gatherWideBits(field: Field, records: Records, to: Destination): void {
  const words = new Uint32Array(to.values.buffer, to.values.byteOffset, to.values.length * 2);
  const { bytes, strideBytes } = records;
  const { shift, byteCount } = field;
  const direction = field.littleEndian ? 1 : -1;
  const unused = 64 - field.bitCount;
  const signed = field.kind.startsWith('int');
  const part = new Uint32Array(3);
  let first = field.byteOffset + (field.littleEndian ? 0 : byteCount - 1);
  for (let record = 0, i = to.start; record < records.count; record++, i += to.step, first += strideBytes) {
    part.fill(0);
    for (let byte = 0, at = first; byte < byteCount; byte++, at += direction) {
      part[byte >> 2]! |= bytes[at]! << ((byte & 3) << 3);
    }
    let low = part[0]!;
    let high = part[1]!;
    if (shift > 0) {
      low = (low >>> shift) | (high << (32 - shift));
      high = (high >>> shift) | (part[2]! << (32 - shift));
    }
    high <<= unused;
    words[i * 2] = low;
    words[i * 2 + 1] = signed ? high >> unused : high >>> unused;
  }
}

function gatherHalfFloats(field: Field, records: Records, to: Destination): void {
  if (to.values instanceof BigInt64Array || to.values instanceof BigUint64Array) return;
  const view = new DataView(records.bytes.buffer, records.bytes.byteOffset, records.bytes.length);
  for (let record = 0; record < records.count; record++) {
    const half = view.getUint16(record * records.strideBytes + field.byteOffset, field.littleEndian);
    to.values[to.start + record * to.step] = halfFloat(half);
  }
}

/** IEEE 754 binary16. */
function halfFloat(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
