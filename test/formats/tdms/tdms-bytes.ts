// TDMS bytes as NI's "TDMS File Format Internal Structure" describes them, built without the project's writer.
import { byteSourceOf } from '#formats/byte-source.ts';
import type { RecordingReader } from '#formats/recording-reader.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';

/** Bits of the table of contents. */
export const METADATA = 2;
export const NEW_LIST = 4;
export const RAW_DATA = 8;
export const INTERLEAVED = 32;
export const BIG_ENDIAN = 64;
export const DAQMX = 128;

const USUAL = METADATA | NEW_LIST | RAW_DATA;
export const UNKNOWN_OFFSET = 0xffff_ffff_ffff_ffffn;

/** Numbers of one byte order. */
export class Order {
  readonly isBig: boolean;
  constructor(isBig = false) {
    this.isBig = isBig;
  }
  u32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    if (this.isBig) bytes.writeUInt32BE(value);
    else bytes.writeUInt32LE(value);
    return bytes;
  }
  u64(value: bigint | number): Buffer {
    const bytes = Buffer.alloc(8);
    if (this.isBig) bytes.writeBigUInt64BE(BigInt(value));
    else bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  }
  f64(value: number): Buffer {
    const bytes = Buffer.alloc(8);
    if (this.isBig) bytes.writeDoubleBE(value);
    else bytes.writeDoubleLE(value);
    return bytes;
  }
  i16(...values: number[]): Buffer {
    const bytes = Buffer.alloc(2 * values.length);
    for (const [i, value] of values.entries()) {
      if (this.isBig) bytes.writeInt16BE(value, 2 * i);
      else bytes.writeInt16LE(value, 2 * i);
    }
    return bytes;
  }
  text(text: string): Buffer {
    const bytes = Buffer.from(text);
    return Buffer.concat([this.u32(bytes.length), bytes]);
  }
  /** 2^-64 fractions first in little endian, seconds since 1904 first in big endian. */
  time(seconds: bigint, fractions: bigint): Buffer {
    const halves = [this.u64(fractions), this.u64(BigInt.asUintN(64, seconds))];
    return Buffer.concat(this.isBig ? halves.toReversed() : halves);
  }
}

export const little = new Order();

export type Property = string | number | { readonly seconds: bigint; readonly fractions: bigint };

export interface TestObject {
  readonly path: string;
  /** The bytes behind the path; absent = no raw data. */
  readonly rawIndex?: Buffer;
  readonly properties?: Readonly<Record<string, Property>>;
}

export interface TestSegment {
  readonly objects?: readonly TestObject[];
  readonly data?: Uint8Array;
  readonly toc?: number;
  readonly order?: Order;
  readonly tag?: string;
  readonly version?: number;
  /** Instead of the right ones. */
  readonly nextSegmentOffset?: bigint;
  readonly rawDataOffset?: bigint;
}

export function segment(given: TestSegment): Buffer {
  const { objects, data = Buffer.alloc(0), order = little, tag = 'TDSm', version = 4713 } = given;
  const metadata = objects === undefined ? Buffer.alloc(0) : metadataOf(objects, order);
  const toc = given.toc ?? (objects === undefined ? RAW_DATA : USUAL);
  return Buffer.concat([
    Buffer.from(tag),
    little.u32(order.isBig ? toc | BIG_ENDIAN : toc),
    order.u32(version),
    order.u64(given.nextSegmentOffset ?? metadata.length + data.length),
    order.u64(given.rawDataOffset ?? metadata.length),
    metadata,
    data,
  ]);
}

function metadataOf(objects: readonly TestObject[], order: Order): Buffer {
  const parts = [order.u32(objects.length)];
  for (const { path, rawIndex, properties = {} } of objects) {
    const entries = Object.entries(properties);
    parts.push(order.text(path), rawIndex ?? order.u32(0xffff_ffff), order.u32(entries.length));
    for (const [name, value] of entries) parts.push(order.text(name), propertyBytes(value, order));
  }
  return Buffer.concat(parts);
}

function propertyBytes(value: Property, order: Order): Buffer {
  if (typeof value === 'string') return Buffer.concat([order.u32(0x20), order.text(value)]);
  if (typeof value === 'number') return Buffer.concat([order.u32(10), order.f64(value)]);
  return Buffer.concat([order.u32(0x44), order.time(value.seconds, value.fractions)]);
}

export const SAME_AS_BEFORE = little.u32(0);

export function rawIndex(dataType: number, valueCount: number | bigint, order = little): Buffer {
  return Buffer.concat([order.u32(20), order.u32(dataType), order.u32(1), order.u64(valueCount)]);
}

export function textIndex(valueCount: number, sizeBytes: number, order = little): Buffer {
  const parts = [order.u32(28), order.u32(0x20), order.u32(1), order.u64(valueCount), order.u64(sizeBytes)];
  return Buffer.concat(parts);
}

export function texts(values: readonly string[], order = little): Buffer {
  const encoded = values.map((value) => Buffer.from(value));
  let end = 0;
  const ends = encoded.map((bytes) => {
    end += bytes.length;
    return order.u32(end);
  });
  return Buffer.concat([...ends, ...encoded]);
}

/** Types of the scalers of DAQmx: their own numbers. */
export const SCALER_U8 = 0;
export const SCALER_I16 = 3;

export interface TestScaler {
  readonly type: number;
  readonly buffer?: number;
  /** A byte for format-changing scalers, a bit for digital lines. */
  readonly offset: number;
  readonly scaleId?: number;
}

export function daqmxIndex(
  valueCount: number,
  scalers: readonly TestScaler[],
  widths: readonly number[],
  isDigitalLine = false,
): Buffer {
  const parts = [little.u32(isDigitalLine ? 0x126a : 0x1269), little.u32(0xffff_ffff), little.u32(1)];
  parts.push(little.u64(valueCount), little.u32(scalers.length));
  for (const { type, buffer = 0, offset, scaleId = 0 } of scalers) {
    const bitmap = isDigitalLine ? Buffer.alloc(1) : little.u32(0);
    parts.push(little.u32(type), little.u32(buffer), little.u32(offset), bitmap, little.u32(scaleId));
  }
  parts.push(little.u32(widths.length), ...widths.map((width) => little.u32(width)));
  return Buffer.concat(parts);
}

export function openBytes(...parts: readonly Uint8Array[]): Promise<RecordingReader> {
  return openTdms(byteSourceOf(Buffer.concat(parts)), {
    name: 'test.tdms',
    decompressors: NODE_DECOMPRESSORS,
  });
}

export const I16 = 2;
export const I32 = 3;
export const F32 = 9;
export const F64 = 10;
export const BOOLEAN = 0x21;
export const TIMESTAMP = 0x44;
export const COMPLEX64 = 0x08_000c;
export const COMPLEX128 = 0x10_000d;
/** 1970-01-01 in seconds since 1904. */
export const UNIX_EPOCH = 2_082_844_800n;

/** A channel of the group `g`. */
export function channel(name: string, index?: Buffer, properties?: TestObject['properties']): TestObject {
  return {
    path: `/'g'/'${name}'`,
    ...(index === undefined ? {} : { rawIndex: index }),
    ...(properties === undefined ? {} : { properties }),
  };
}
