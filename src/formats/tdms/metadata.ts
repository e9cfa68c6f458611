import { DataType, kindOf, scalerKindOf, sizeBytesOf, type ValueKind } from './data-types.ts';
import { float128At } from './float128.ts';
import { type TdmsTimestamp, timestampAt } from './timestamp.ts';

/** Metadata that cannot be: names both numbers, what is claimed and what is there. */
export class TdmsDamage extends Error {
  override readonly name = 'TdmsDamage';
}

export type PropertyValue =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'integer64'; readonly value: bigint }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'timestamp'; readonly value: TdmsTimestamp };

/** Where a DAQmx channel's numbers lie in the rows of its card's buffer. */
export interface Scaler {
  readonly scaleId: number;
  readonly kind: NonNullable<ReturnType<typeof scalerKindOf>>;
  readonly bufferIndex: number;
  readonly byteOffset: number;
  /** The bit of a digital line; absent for whole numbers. */
  readonly bit?: number;
}

/** How one object's values lie in each chunk of a segment. */
export type RawIndex =
  | {
      readonly form: 'values';
      readonly kind: ValueKind;
      readonly valueCount: number;
      /** In one chunk. */
      readonly sizeBytes: number;
    }
  | {
      readonly form: 'daqmx';
      readonly valueCount: number;
      readonly scalers: readonly Scaler[];
      /** Bytes per row of each card's buffer. */
      readonly bufferWidths: readonly number[];
    };

export interface SegmentObject {
  readonly path: string;
  /** `same` = as this object had it before; `none` = no data in this segment. */
  readonly rawIndex: RawIndex | 'same' | 'none';
  readonly properties: readonly (readonly [name: string, value: PropertyValue])[];
}

const NO_RAW_DATA = 0xffff_ffff;
const SAME_AS_BEFORE = 0;
const FORMAT_CHANGING_SCALER = 0x1269;
/** NI's text says 0x1369; files say 0x126A. */
const DIGITAL_LINE_SCALERS = [0x126a, 0x1369];
const OBJECT_BYTES_MIN = 12;
const PROPERTY_BYTES_MIN = 9;
const SCALER_BYTES_MIN = 17;

/** The objects of a segment's metadata (section "Meta Data"). @throws {TdmsDamage} */
export function parseMetadata(bytes: Uint8Array, isLittle: boolean): SegmentObject[] {
  const cursor = new Cursor(bytes, isLittle);
  return Array.from({ length: cursor.count(OBJECT_BYTES_MIN, 'objects') }, () => parseObject(cursor));
}

function parseObject(cursor: Cursor): SegmentObject {
  const path = cursor.text();
  const rawIndex = parseRawIndex(cursor, path);
  const properties = Array.from({ length: cursor.count(PROPERTY_BYTES_MIN, 'properties') }, () =>
    parseProperty(cursor),
  );
  return { path, rawIndex, properties };
}

function parseRawIndex(cursor: Cursor, path: string): SegmentObject['rawIndex'] {
  const header = cursor.uint32();
  if (header === NO_RAW_DATA) return 'none';
  if (header === SAME_AS_BEFORE) return 'same';
  const isDigitalLine = DIGITAL_LINE_SCALERS.includes(header);
  const dataType = cursor.uint32();
  const dimension = cursor.uint32();
  if (dimension !== 1) throw new TdmsDamage(`${path} has ${dimension} dimensions; the format allows 1`);
  if (header === FORMAT_CHANGING_SCALER || isDigitalLine) return parseDaqmx(cursor, isDigitalLine);
  const valueCount = cursor.uint64();
  if (dataType === DataType.string) {
    const sizeBytes = cursor.uint64();
    if (sizeBytes < valueCount * 4) {
      throw new TdmsDamage(`${path} claims ${valueCount} texts in ${sizeBytes} bytes`);
    }
    return { form: 'values', kind: 'string', valueCount, sizeBytes };
  }
  const kind = kindOf(dataType);
  if (valueCount === 0 && kind === undefined) return 'none';
  if (kind === undefined || kind === 'string') {
    throw new TdmsDamage(`${path} is of type 0x${dataType.toString(16)}, whose size the format does not say`);
  }
  return { form: 'values', kind, valueCount, sizeBytes: valueCount * sizeBytesOf(kind) };
}

function parseDaqmx(cursor: Cursor, isDigitalLine: boolean): RawIndex {
  const valueCount = cursor.uint64();
  const scalers = Array.from({ length: cursor.count(SCALER_BYTES_MIN, 'scalers') }, () =>
    parseScaler(cursor, isDigitalLine),
  );
  const bufferWidths = Array.from({ length: cursor.count(4, 'buffer widths') }, () => cursor.uint32());
  for (const { bufferIndex, byteOffset, kind } of scalers) {
    const width = bufferWidths[bufferIndex] ?? 0;
    if (byteOffset + sizeBytesOf(kind) > width) {
      throw new TdmsDamage(`a scaler lies at byte ${byteOffset} of rows of ${width} bytes`);
    }
  }
  if (scalers.length === 0) throw new TdmsDamage('a DAQmx channel has no scaler');
  return { form: 'daqmx', valueCount, scalers, bufferWidths };
}

function parseScaler(cursor: Cursor, isDigitalLine: boolean): Scaler {
  const code = cursor.uint32();
  const kind = scalerKindOf(code);
  if (kind === undefined) throw new TdmsDamage(`a scaler is of the unknown type ${code}`);
  const bufferIndex = cursor.uint32();
  const offset = cursor.uint32();
  if (isDigitalLine) cursor.uint8();
  else cursor.uint32();
  const scaleId = cursor.uint32();
  return isDigitalLine
    ? { scaleId, kind, bufferIndex, byteOffset: Math.floor(offset / 8), bit: offset % 8 }
    : { scaleId, kind, bufferIndex, byteOffset: offset };
}

function parseProperty(cursor: Cursor): readonly [string, PropertyValue] {
  const name = cursor.text();
  const dataType = cursor.uint32();
  const value = cursor.propertyValue(dataType);
  if (value === undefined) {
    throw new TdmsDamage(`property ${name} is of type 0x${dataType.toString(16)}, which properties are not`);
  }
  return [name, value];
}

/** Reads numbers and texts one after the other; every length is compared with the bytes that remain. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isLittle: boolean;
  readonly #decoder = new TextDecoder();
  #at = 0;

  constructor(bytes: Uint8Array, isLittle: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isLittle = isLittle;
  }

  #take(sizeBytes: number): number {
    const at = this.#at;
    const remaining = this.#bytes.length - at;
    if (sizeBytes > remaining) {
      throw new TdmsDamage(`metadata wants ${sizeBytes} bytes at ${at} and has ${remaining}`);
    }
    this.#at += sizeBytes;
    return at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), this.#isLittle);
  }

  uint64(): number {
    const value = Number(this.#view.getBigUint64(this.#take(8), this.#isLittle));
    if (!Number.isSafeInteger(value)) throw new TdmsDamage(`metadata claims ${value} values or bytes`);
    return value;
  }

  /** How many entries follow; more than the remaining bytes can hold is damage. */
  count(entryBytesMin: number, what: string): number {
    const count = this.uint32();
    const remaining = this.#bytes.length - this.#at;
    if (count * entryBytesMin > remaining) {
      throw new TdmsDamage(`metadata claims ${count} ${what} in ${remaining} bytes`);
    }
    return count;
  }

  text(): string {
    const sizeBytes = this.uint32();
    const at = this.#take(sizeBytes);
    return this.#decoder.decode(this.#bytes.subarray(at, at + sizeBytes));
  }

  propertyValue(dataType: number): PropertyValue | undefined {
    const kind = kindOf(dataType);
    if (kind === undefined || kind === 'complex64' || kind === 'complex128') return undefined;
    if (kind === 'string') return { kind: 'text', value: this.text() };
    const at = this.#take(sizeBytesOf(kind));
    const [view, isLittle] = [this.#view, this.#isLittle];
    const number = (value: number): PropertyValue => ({ kind: 'number', value });
    switch (kind) {
      case 'bool':
        return { kind: 'boolean', value: view.getUint8(at) !== 0 };
      case 'int8':
        return number(view.getInt8(at));
      case 'uint8':
        return number(view.getUint8(at));
      case 'int16':
        return number(view.getInt16(at, isLittle));
      case 'uint16':
        return number(view.getUint16(at, isLittle));
      case 'int32':
        return number(view.getInt32(at, isLittle));
      case 'uint32':
        return number(view.getUint32(at, isLittle));
      case 'int64':
        return { kind: 'integer64', value: view.getBigInt64(at, isLittle) };
      case 'uint64':
        return { kind: 'integer64', value: view.getBigUint64(at, isLittle) };
      case 'float32':
        return number(view.getFloat32(at, isLittle));
      case 'float64':
        return number(view.getFloat64(at, isLittle));
      case 'float128':
        return number(float128At(view, at, isLittle));
      case 'timestamp':
        return { kind: 'timestamp', value: timestampAt(view, at, isLittle) };
    }
  }
}
