import type { ByteSink } from '../byte-source.ts';
import { DataType } from './data-types.ts';
import { LEAD_IN_BYTES, Toc } from './lead-in.ts';
import { formatObjectPath } from './object-path.ts';
import { fromUtcNs, type TdmsTimestamp } from './timestamp.ts';

/** A timestamp property or value: UTC nanoseconds since 1970. */
export interface UtcNs {
  readonly utcNs: bigint;
}

/** Numbers are written as float64, whole ones as int32 where they fit. */
export type NewProperty = string | number | boolean | UtcNs;

export type NewProperties = Readonly<Record<string, NewProperty>>;

/** Values by their arrays; texts, and UTC nanoseconds as timestamps. */
export type NewValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | { readonly texts: readonly string[] }
  | { readonly booleans: readonly boolean[] }
  | { readonly utcNs: BigInt64Array };

export interface NewChannel {
  readonly group: string;
  readonly name: string;
  readonly properties?: NewProperties;
  readonly values?: NewValues;
}

export interface NewSegment {
  readonly rootProperties?: NewProperties;
  readonly groups?: Readonly<Record<string, NewProperties>>;
  readonly channels?: readonly NewChannel[];
  /** Row by row instead of channel by channel; all channels must be equally long and hold no texts. */
  readonly isInterleaved?: boolean;
}

export interface TdmsWriterOptions {
  /** Gets the `.tdms_index`. */
  readonly index?: ByteSink;
  readonly isBigEndian?: boolean;
}

const VERSION = 4713;
const NO_RAW_DATA = 0xffff_ffff;
const SAME_AS_BEFORE = 0;
const INDEX_BYTES = 20;
const TEXT_INDEX_BYTES = 28;

/**
 * Writes a TDMS file segment by segment (NI, "TDMS File Format Internal Structure"). Channels that are as before say
 * so; a segment whose channels are all as before has no metadata at all. Memory is bounded by one segment.
 */
export class TdmsWriter {
  readonly #sink: ByteSink;
  readonly #index: ByteSink | undefined;
  readonly #isLittle: boolean;
  /** The raw index that was last said, by path. */
  readonly #saidByPath = new Map<string, string>();
  #lastShape: string | undefined;

  constructor(sink: ByteSink, options: TdmsWriterOptions = {}) {
    this.#sink = sink;
    this.#index = options.index;
    this.#isLittle = options.isBigEndian !== true;
  }

  async addSegment(segment: NewSegment): Promise<void> {
    const { channels = [], isInterleaved = false } = segment;
    const filled = channels.flatMap(({ values }) => (values === undefined ? [] : [values]));
    const shape = channels.map(shapeOf).join('\n');
    const hasNews = shape !== this.#lastShape || hasProperties(segment);
    const metadata = hasNews ? this.#metadata(segment) : new Uint8Array(0);
    this.#lastShape = shape;
    const data = isInterleaved ? interleaved(filled, this.#isLittle) : contiguous(filled, this.#isLittle);
    const toc =
      (hasNews ? Toc.metadata | Toc.newObjectList : 0) |
      (data.length > 0 ? Toc.rawData : 0) |
      (isInterleaved ? Toc.interleaved : 0) |
      (this.#isLittle ? 0 : Toc.bigEndian);
    await this.#sink.append(this.#leadIn('TDSm', toc, metadata.length, data.length));
    await this.#sink.append(metadata);
    await this.#sink.append(data);
    await this.#index?.append(this.#leadIn('TDSh', toc, metadata.length, data.length));
    await this.#index?.append(metadata);
  }

  #leadIn(tag: string, toc: number, metadataBytes: number, dataBytes: number): Uint8Array {
    const bytes = new Uint8Array(LEAD_IN_BYTES);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode(tag));
    view.setUint32(4, toc, true);
    view.setUint32(8, VERSION, this.#isLittle);
    view.setBigUint64(12, BigInt(metadataBytes + dataBytes), this.#isLittle);
    view.setBigUint64(20, BigInt(metadataBytes), this.#isLittle);
    return bytes;
  }

  #metadata({ rootProperties = {}, groups = {}, channels = [] }: NewSegment): Uint8Array {
    const out = new Output(this.#isLittle);
    const groupNames = new Set([...Object.keys(groups), ...channels.map(({ group }) => group)]);
    out.uint32(1 + groupNames.size + channels.length);
    this.#object(out, formatObjectPath(), rootProperties, undefined);
    for (const name of groupNames) this.#object(out, formatObjectPath(name), groups[name] ?? {}, undefined);
    for (const { group, name, properties = {}, values } of channels) {
      this.#object(out, formatObjectPath(group, name), properties, values);
    }
    return out.bytes();
  }

  #object(out: Output, path: string, properties: NewProperties, values: NewValues | undefined): void {
    out.text(path);
    const said = values === undefined ? undefined : rawIndexOf(values);
    if (said === undefined) out.uint32(NO_RAW_DATA);
    else if (this.#saidByPath.get(path) === said.join()) out.uint32(SAME_AS_BEFORE);
    else {
      const [dataType, valueCount, sizeBytes] = said;
      const isText = dataType === DataType.string;
      out.uint32(isText ? TEXT_INDEX_BYTES : INDEX_BYTES);
      out.uint32(dataType);
      out.uint32(1);
      out.uint64(valueCount);
      if (isText) out.uint64(sizeBytes);
      this.#saidByPath.set(path, said.join());
    }
    const entries = Object.entries(properties);
    out.uint32(entries.length);
    for (const [name, value] of entries) {
      out.text(name);
      out.property(value);
    }
  }
}

function hasProperties({ rootProperties, groups, channels = [] }: NewSegment): boolean {
  return (
    rootProperties !== undefined ||
    groups !== undefined ||
    channels.some(({ properties }) => properties !== undefined)
  );
}

function shapeOf({ group, name, values }: NewChannel): string {
  return `${formatObjectPath(group, name)} ${values === undefined ? 'none' : rawIndexOf(values).join()}`;
}

function rawIndexOf(values: NewValues): [dataType: number, valueCount: number, sizeBytes: number] {
  if ('texts' in values) {
    const sizeBytes = values.texts.reduce((sum, text) => sum + 4 + new TextEncoder().encode(text).length, 0);
    return [DataType.string, values.texts.length, sizeBytes];
  }
  if ('booleans' in values) return [DataType.boolean, values.booleans.length, values.booleans.length];
  if ('utcNs' in values) return [DataType.timestamp, values.utcNs.length, values.utcNs.length * 16];
  return [typeOf(values), values.length, values.byteLength];
}

function typeOf(values: NewValues): number {
  if (values instanceof Int8Array) return DataType.int8;
  if (values instanceof Uint8Array) return DataType.uint8;
  if (values instanceof Int16Array) return DataType.int16;
  if (values instanceof Uint16Array) return DataType.uint16;
  if (values instanceof Int32Array) return DataType.int32;
  if (values instanceof Uint32Array) return DataType.uint32;
  if (values instanceof BigInt64Array) return DataType.int64;
  if (values instanceof BigUint64Array) return DataType.uint64;
  return values instanceof Float32Array ? DataType.float32 : DataType.float64;
}

function contiguous(all: readonly NewValues[], isLittle: boolean): Uint8Array {
  const parts = all.map((values) => bytesOf(values, isLittle));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function interleaved(all: readonly NewValues[], isLittle: boolean): Uint8Array {
  const counts = new Set(all.map((values) => rawIndexOf(values)[1]));
  if (counts.size > 1 || all.some((values) => 'texts' in values)) {
    throw new RangeError('interleaved channels must be equally long and hold no texts');
  }
  const [rows = 0] = counts;
  const parts = all.map((values) => bytesOf(values, isLittle));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (const part of parts) {
      const sizeBytes = part.length / rows;
      bytes.set(part.subarray(row * sizeBytes, (row + 1) * sizeBytes), at);
      at += sizeBytes;
    }
  }
  return bytes;
}

function bytesOf(values: NewValues, isLittle: boolean): Uint8Array {
  if ('texts' in values) return textBytes(values.texts, isLittle);
  if ('booleans' in values) return Uint8Array.from(values.booleans, Number);
  if ('utcNs' in values) {
    const out = new Output(isLittle);
    for (const utcNs of values.utcNs) out.timestamp(fromUtcNs(utcNs));
    return out.bytes();
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (isLittle || values.BYTES_PER_ELEMENT === 1) return bytes;
  const turned = bytes.slice();
  for (let at = 0; at < turned.length; at += values.BYTES_PER_ELEMENT) {
    turned.subarray(at, at + values.BYTES_PER_ELEMENT).reverse();
  }
  return turned;
}

/** A table of ends, then the texts. */
function textBytes(texts: readonly string[], isLittle: boolean): Uint8Array {
  const out = new Output(isLittle);
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  let end = 0;
  for (const { length } of encoded) {
    end += length;
    out.uint32(end);
  }
  for (const bytes of encoded) out.raw(bytes);
  return out.bytes();
}

/** Bytes, one number or text behind the other. */
class Output {
  readonly #isLittle: boolean;
  #bytes = new Uint8Array(256);
  #size = 0;

  constructor(isLittle: boolean) {
    this.#isLittle = isLittle;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  raw(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  uint32(value: number): void {
    this.#put(4, (view) => view.setUint32(0, value, this.#isLittle));
  }

  uint64(value: number): void {
    this.#put(8, (view) => view.setBigUint64(0, BigInt(value), this.#isLittle));
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.uint32(bytes.length);
    this.raw(bytes);
  }

  timestamp({ seconds, fractions }: TdmsTimestamp): void {
    this.#put(16, (view) => {
      view.setBigUint64(this.#isLittle ? 0 : 8, fractions, this.#isLittle);
      view.setBigInt64(this.#isLittle ? 8 : 0, seconds, this.#isLittle);
    });
  }

  property(value: NewProperty): void {
    if (typeof value === 'string') {
      this.uint32(DataType.string);
      this.text(value);
    } else if (typeof value === 'boolean') {
      this.uint32(DataType.boolean);
      this.raw(Uint8Array.of(Number(value)));
    } else if (typeof value === 'object') {
      this.uint32(DataType.timestamp);
      this.timestamp(fromUtcNs(value.utcNs));
    } else if (value === Math.trunc(value) && value >= -(2 ** 31) && value < 2 ** 31) {
      this.uint32(DataType.int32);
      this.#put(4, (view) => view.setInt32(0, value, this.#isLittle));
    } else {
      this.uint32(DataType.float64);
      this.#put(8, (view) => view.setFloat64(0, value, this.#isLittle));
    }
  }

  #put(sizeBytes: number, write: (view: DataView) => void): void {
    this.#grow(sizeBytes);
    write(new DataView(this.#bytes.buffer, this.#size, sizeBytes));
    this.#size += sizeBytes;
  }

  #grow(sizeBytes: number): void {
    if (this.#size + sizeBytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size + sizeBytes));
    larger.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = larger;
  }
}
