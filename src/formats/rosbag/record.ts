/**
 * Records of a ROS bag 2.0: `header_len, header, data_len, data`, the header a list of `field_len, name=value`,
 * all little endian. Source: wiki.ros.org/Bags/Format/2.0.
 */
export const BAG_MAGIC = '#ROSBAG V2.0\n';

export const Op = {
  message: 2,
  bagHeader: 3,
  indexData: 4,
  chunk: 5,
  chunkInfo: 6,
  connection: 7,
} as const;

/** Headers are small: names and a few numbers. A longer one is damage, not a header. */
export const HEADER_BYTES_MAX = 1 << 20;

/** The bytes of a record's header, by field name. */
export type HeaderFields = ReadonlyMap<string, Uint8Array>;

/** A record's place in the bytes at hand. */
export interface RecordPlace {
  readonly op: number;
  readonly fields: HeaderFields;
  readonly dataStart: number;
  /** Where the data end and the next record begins, as the record says; may lie behind the bytes at hand. */
  readonly dataEnd: number;
}

/**
 * The record at `at`, of which the header must lie before `end`; undefined when the bytes there are no record.
 */
export function recordAt(bytes: Uint8Array, at: number, end: number): RecordPlace | undefined {
  const view = viewOf(bytes);
  if (end - at < 8) return undefined;
  const headerBytes = view.getUint32(at, true);
  if (headerBytes > HEADER_BYTES_MAX || headerBytes > end - at - 8) return undefined;
  const fields = headerFields(bytes, at + 4, at + 4 + headerBytes);
  const op = fields?.get('op');
  if (fields === undefined || op?.length !== 1) return undefined;
  const dataStart = at + 8 + headerBytes;
  return { op: op[0]!, fields, dataStart, dataEnd: dataStart + view.getUint32(dataStart - 4, true) };
}

/** The fields in `bytes[from … to)`, or undefined when they are not a list of fields. */
export function headerFields(bytes: Uint8Array, from: number, to: number): HeaderFields | undefined {
  const view = viewOf(bytes);
  const fields = new Map<string, Uint8Array>();
  let at = from;
  while (at < to) {
    if (to - at < 4) return undefined;
    const lengthBytes = view.getUint32(at, true);
    at += 4;
    if (lengthBytes > to - at) return undefined;
    const equals = bytes.indexOf(EQUALS, at);
    if (equals < 0 || equals >= at + lengthBytes) return undefined;
    fields.set(asciiOf(bytes.subarray(at, equals)), bytes.subarray(equals + 1, at + lengthBytes));
    at += lengthBytes;
  }
  return fields;
}

const EQUALS = 0x3d;
const utf8 = new TextDecoder();

function asciiOf(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** The field as text, '' when it is absent. */
export function textField(fields: HeaderFields, name: string): string {
  return utf8.decode(fields.get(name));
}

/** The field as an unsigned 32-bit number, or undefined when it is absent or has another length. */
export function uint32Field(fields: HeaderFields, name: string): number | undefined {
  const value = fields.get(name);
  return value?.length === 4 ? viewOf(value).getUint32(0, true) : undefined;
}

/** The field as an unsigned 64-bit number; undefined too when it is beyond what a file can have (2^53). */
export function offsetField(fields: HeaderFields, name: string): number | undefined {
  const value = fields.get(name);
  if (value?.length !== 8) return undefined;
  const offset = viewOf(value).getBigUint64(0, true);
  return offset <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(offset) : undefined;
}

/** The field as a ROS time (seconds, nanoseconds), in UTC nanoseconds since 1970. */
export function timeField(fields: HeaderFields, name: string): bigint | undefined {
  const value = fields.get(name);
  if (value?.length !== 8) return undefined;
  const view = viewOf(value);
  return BigInt(view.getUint32(0, true)) * 1_000_000_000n + BigInt(view.getUint32(4, true));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const HEADER_SEARCH_BYTES = 512;

/**
 * The first place from `from` on where a record of one of `ops` begins, or -1: after damage, reading goes on
 * there. Found by its op field, then by the header length that makes the header whole.
 */
export function findRecord(bytes: Uint8Array, from: number, ops: readonly number[]): number {
  const view = viewOf(bytes);
  for (let at = from; ; at += 1) {
    // 'p=' is rarer in data than the field length in front of it.
    at = bytes.indexOf(0x70, at);
    if (at < 0 || at + 3 > bytes.length) return -1;
    if (bytes[at + 1] !== EQUALS || at < from + 9 - 1 || bytes[at - 1] !== 0x6f) continue;
    if (!ops.includes(bytes[at + 2]!) || view.getUint32(at - 5, true) !== 4) continue;
    const opField = at - 5;
    const first = Math.max(from, opField - HEADER_SEARCH_BYTES);
    for (let start = opField - 4; start >= first; start -= 1) {
      const headerBytes = view.getUint32(start, true);
      if (headerBytes < opField + 8 - start - 4 || headerBytes > HEADER_SEARCH_BYTES) continue;
      const found = recordAt(bytes, start, bytes.length);
      if (found !== undefined && found.op === bytes[at + 2] && isWhole(found)) return start;
    }
  }
}

const FIELDS_OF: Readonly<Record<number, readonly string[]>> = {
  [Op.message]: ['conn', 'time'],
  [Op.connection]: ['conn', 'topic'],
  [Op.chunk]: ['compression', 'size'],
  [Op.indexData]: ['conn', 'count', 'ver'],
};

function isWhole({ op, fields }: RecordPlace): boolean {
  return FIELDS_OF[op]?.every((name) => fields.has(name)) ?? false;
}
