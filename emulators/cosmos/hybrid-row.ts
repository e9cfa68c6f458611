// Batches as .NET clients send them: HybridRow rows in a RecordIO stream. Source: the public microsoft/HybridRow
// repository (RecordIO, row layout) and the batch schemas of Azure/azure-cosmos-dotnet-v3. All numbers are
// little-endian; a "varuint" has seven bits per byte, the lowest first.
import { crc32 } from 'node:zlib';
import type { Json, JsonObject } from './json.ts';
import { badRequest } from './refusal.ts';

/** The first byte of every row: the version of the format. No JSON text begins with it. */
export const HYBRID_ROW_VERSION = 0x81;

const SEGMENT_SCHEMA = 2_147_473_648;
const RECORD_SCHEMA = 2_147_473_649;
const OPERATION_SCHEMA = 2_145_473_648;
const RESULT_SCHEMA = 2_145_473_649;

const OPERATION_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'Create'],
  [1, 'Patch'],
  [2, 'Read'],
  [4, 'Delete'],
  [5, 'Replace'],
  [20, 'Upsert'],
]);

/** Sparse fields of an operation by their token: the place of the property in its schema, counted from 1. */
const SPARSE_FIELDS: ReadonlyMap<number, string> = new Map([
  [8, 'indexingDirective'],
  [9, 'ifMatch'],
  [10, 'ifNoneMatch'],
  [11, 'timeToLiveInSeconds'],
  [12, 'minimalReturnPreference'],
]);

const FALSE = 0x02;
const TRUE = 0x03;
const INT32 = 0x07;
const FLOAT64 = 0x10;
const UTF8 = 0x14;

/** What one operation of a batch answers, in either form. */
export interface OperationResult {
  readonly statusCode: number;
  readonly subStatusCode?: number;
  readonly requestCharge: number;
  readonly eTag?: string;
  /** JSON text. */
  readonly resourceBody?: string;
}

/** Reads forward and throws 400 instead of reading past the end. */
class Reader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.at;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.remaining) {
      throw badRequest(
        `The HybridRow stream ends early: ${length} bytes wanted at ${this.at}, ${this.remaining} left.`,
      );
    }
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  int32(): number {
    return this.take(4).readInt32LE();
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  varuint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw badRequest(`A number in the HybridRow stream is longer than 5 bytes, before ${this.at}.`);
  }

  text(): string {
    return this.take(this.varuint()).toString('utf8');
  }

  header(schema: number): void {
    const start = this.at;
    if (this.byte() === HYBRID_ROW_VERSION && this.int32() === schema) return;
    throw badRequest(`No HybridRow of schema ${schema} begins at ${start}.`);
  }
}

/** The operations of a batch, in the shape of its JSON form. Throws 400 when the stream is damaged. */
export function decodeBatch(bytes: Buffer): JsonObject[] {
  const stream = new Reader(bytes);
  stream.header(SEGMENT_SCHEMA);
  // A segment header may carry more than its length; its length says where the first record begins.
  if ((stream.byte() & 1) === 1) {
    const headerLength = stream.int32();
    stream.take(headerLength - stream.at);
  }
  const operations: JsonObject[] = [];
  while (stream.remaining > 0) {
    stream.header(RECORD_SCHEMA);
    const length = stream.int32();
    const checksum = stream.uint32();
    const body = stream.take(length);
    if (crc32(body) !== checksum) {
      throw badRequest(`The checksum of operation ${operations.length} of the HybridRow batch is wrong.`);
    }
    operations.push(decodeOperation(new Reader(body)));
  }
  return operations;
}

function decodeOperation(row: Reader): JsonObject {
  row.header(OPERATION_SCHEMA);
  const presence = row.byte();
  const has = (bit: number) => (presence & (1 << bit)) !== 0;
  const operation: Record<string, Json> = {};
  const typeNumber = row.int32();
  // The resource type, which is always a document.
  row.int32();
  operation['operationType'] = OPERATION_TYPES.get(typeNumber) ?? `operation ${typeNumber}`;
  if (has(2)) operation['partitionKey'] = row.text();
  if (has(3)) row.text();
  if (has(4)) operation['id'] = row.text();
  if (has(5)) row.text();
  if (has(6)) operation['resourceBody'] = JSON.parse(row.text()) as Json;
  while (row.remaining > 0) {
    const type = row.byte();
    const token = row.varuint();
    const name = SPARSE_FIELDS.get(token);
    if (name === undefined) throw badRequest(`A batch operation has no field of token ${token}.`);
    operation[name] = sparseValue(row, type);
  }
  return operation;
}

function sparseValue(row: Reader, type: number): Json {
  if (type === UTF8) return row.text();
  if (type === INT32) return row.int32();
  if (type === TRUE || type === FALSE) return type === TRUE;
  throw badRequest(`A field of a batch operation cannot have the HybridRow type ${type}.`);
}

/** The answer to a batch. */
export function encodeResults(results: readonly OperationResult[]): Buffer {
  const rows = [rowHeader(SEGMENT_SCHEMA), Buffer.of(1), int32(10)];
  for (const result of results) {
    const body = encodeResult(result);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32(body));
    rows.push(rowHeader(RECORD_SCHEMA), int32(body.length), checksum, body);
  }
  return Buffer.concat(rows);
}

function encodeResult({
  statusCode,
  subStatusCode,
  requestCharge,
  eTag,
  resourceBody,
}: OperationResult): Buffer {
  const presence = 0b11 | (eTag === undefined ? 0 : 0b100) | (resourceBody === undefined ? 0 : 0b1000);
  const charge = Buffer.alloc(8);
  charge.writeDoubleLE(requestCharge);
  return Buffer.concat([
    rowHeader(RESULT_SCHEMA),
    Buffer.of(presence),
    int32(statusCode),
    int32(subStatusCode ?? 0),
    ...(eTag === undefined ? [] : [text(eTag)]),
    ...(resourceBody === undefined ? [] : [text(resourceBody)]),
    Buffer.of(FLOAT64, 6),
    charge,
  ]);
}

function rowHeader(schema: number): Buffer {
  return Buffer.concat([Buffer.of(HYBRID_ROW_VERSION), int32(schema)]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest >= 128 ? (rest % 128) | 0x80 : rest);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
