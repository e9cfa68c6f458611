import type { ColumnBatch, ColumnSchema, ColumnType } from '../recording-reader.ts';
import { type BuiltType, LeafBuilder, ListBuilder } from './column-builder.ts';
import type { DecodedMessages, MessageDecoder, MessageSlices } from './message-decoder.ts';
import { MessageDefinitionError } from './message-type.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
type JsonObject = { readonly [key: string]: Json | undefined };

interface Column {
  readonly schema: ColumnSchema;
  /** Keys from the message to the value; a value that is not there is null. */
  readonly path: readonly string[];
  readonly type: JsonType;
}

/** `json` is any value, kept as JSON text. */
type JsonType =
  | { readonly kind: 'leaf'; readonly type: BuiltType; readonly as: 'plain' | 'base64' | 'json' | 'time' }
  | { readonly kind: 'list'; readonly element: JsonType };

const COLUMNS_MAX = 4096;
const DEPTH_MAX = 32;

/**
 * Decodes JSON messages by their JSON Schema: objects are flattened with dots, arrays are lists (of objects: of
 * JSON texts), `{sec, nsec}` objects are times, strings in base64 are bytes. What the schema does not say
 * precisely is kept as JSON text; without any property it is one column `message`.
 */
export function jsonDecoder(schemaText: string): MessageDecoder {
  const root = parseObject(schemaText === '' ? '{}' : schemaText);
  if (root === undefined) throw new MessageDefinitionError('the schema is not a JSON object');
  const columns: Column[] = [];
  addProperties(root, root, [], columns);
  if (columns.length === 0) {
    columns.push({ schema: { name: 'message', type: 'string' }, path: [], type: JSON_TEXT });
  }
  return {
    columns: columns.map(({ schema }) => schema),
    decode: (messages, wanted) => decode(columns, messages, wanted),
  };
}

const JSON_TEXT: JsonType = { kind: 'leaf', type: 'string', as: 'json' };

function parseObject(text: string): JsonObject | undefined {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isObject(value) ? value : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function addProperties(
  schema: JsonObject,
  root: JsonObject,
  path: readonly string[],
  columns: Column[],
): void {
  const properties = schema['properties'];
  if (!isObject(properties) || path.length > DEPTH_MAX) return;
  for (const [name, declared] of Object.entries(properties)) {
    const property = resolved(declared, root);
    const inner = [...path, name];
    if (isObject(property['properties']) && !isTime(property) && path.length < DEPTH_MAX) {
      addProperties(property, root, inner, columns);
      continue;
    }
    const type = typeOf(property, root);
    const description = property['description'];
    if (columns.length >= COLUMNS_MAX)
      throw new MessageDefinitionError(`more than ${COLUMNS_MAX} properties`);
    columns.push({
      schema: {
        name: inner.join('.'),
        type: columnTypeOf(type),
        ...(typeof description === 'string' ? { description } : {}),
      },
      path: inner,
      type,
    });
  }
}

/** Follows one `$ref` into the same schema. */
function resolved(schema: Json | undefined, root: JsonObject): JsonObject {
  if (!isObject(schema)) return {};
  const reference = schema['$ref'];
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return schema;
  let target: Json | undefined = root;
  for (const key of reference.slice(2).split('/')) target = isObject(target) ? target[key] : undefined;
  return isObject(target) ? target : {};
}

function isTime({ properties, title }: JsonObject): boolean {
  if (!isObject(properties)) return false;
  const keys = Object.keys(properties).sort().join();
  return (keys === 'nsec,sec' || keys === 'nanosec,sec') && title !== 'message';
}

function typeOf(schema: JsonObject, root: JsonObject, depth = 0): JsonType {
  if (isTime(schema)) {
    return { kind: 'leaf', type: schema['title'] === 'duration' ? 'duration' : 'timestamp', as: 'time' };
  }
  switch (schema['type']) {
    case 'number':
      return { kind: 'leaf', type: 'float64', as: 'plain' };
    case 'integer':
      return { kind: 'leaf', type: 'int64', as: 'plain' };
    case 'boolean':
      return { kind: 'leaf', type: 'bool', as: 'plain' };
    case 'string':
      return schema['contentEncoding'] === 'base64'
        ? { kind: 'leaf', type: 'bytes', as: 'base64' }
        : { kind: 'leaf', type: 'string', as: 'plain' };
    case 'array':
      if (depth > DEPTH_MAX) return JSON_TEXT;
      return { kind: 'list', element: typeOf(resolved(schema['items'], root), root, depth + 1) };
    default:
      return JSON_TEXT;
  }
}

function columnTypeOf(type: JsonType): ColumnType {
  return type.kind === 'list' ? { list: columnTypeOf(type.element) } : type.type;
}

function decode(columns: readonly Column[], messages: MessageSlices, wanted: Uint8Array): DecodedMessages {
  const { bytes, starts, ends, count } = messages;
  const misfits: number[] = [];
  const rows: JsonObject[] = [];
  for (let i = 0; i < count; i += 1) {
    const value = parseObject(utf8.decode(bytes.subarray(starts[i]!, ends[i]!)));
    if (value === undefined) misfits.push(i);
    else rows.push(value);
  }
  const selected = columns.filter((_, i) => wanted[i] === 1);
  return { columns: selected.map((column) => columnOf(column, rows)), misfits };
}

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

function columnOf({ path, type }: Column, rows: readonly JsonObject[]): ColumnBatch {
  const values = rows.map((row) => {
    let value: Json | undefined = row;
    for (const key of path) value = isObject(value) ? value[key] : undefined;
    return value;
  });
  return batchOf(type, values);
}

function batchOf(type: JsonType, values: readonly (Json | undefined)[]): ColumnBatch {
  if (type.kind === 'leaf') {
    const leaf = new LeafBuilder(type.type, true);
    for (const [row, value] of values.entries()) setLeaf(leaf, type, row, value);
    return leaf.finish(values.length);
  }
  const lists = new ListBuilder();
  const elements: (Json | undefined)[] = [];
  for (const [row, value] of values.entries()) {
    for (const element of Array.isArray(value) ? value : []) {
      lists.append(row);
      elements.push(element);
    }
  }
  // Elements have no validity of their own; a null among them is zero or ''.
  const { values: items } = batchOf(type.element, elements);
  return { values: { kind: 'list', offsets: lists.offsets(values.length), items } };
}

type LeafType = Extract<JsonType, { kind: 'leaf' }>;

/** A value of another type than the schema says is null. */
function setLeaf(leaf: LeafBuilder, { type, as }: LeafType, row: number, value: Json | undefined): void {
  if (value === undefined || value === null) return;
  if (as === 'json') leaf.setBytes(row, encoder.encode(JSON.stringify(value)));
  else if (as === 'time') setTime(leaf, row, value);
  else if (typeof value === 'string' && type === 'string') leaf.setBytes(row, encoder.encode(value));
  else if (typeof value === 'string' && as === 'base64') setBase64(leaf, row, value);
  else if (typeof value === 'number' && type === 'float64') leaf.setNumber(row, value);
  else if (typeof value === 'number' && type === 'int64') setInteger(leaf, row, value);
  else if (typeof value === 'boolean' && type === 'bool') leaf.setNumber(row, value ? 1 : 0);
}

function setInteger(leaf: LeafBuilder, row: number, value: number): void {
  if (Number.isFinite(value)) setBigint(leaf, row, BigInt(Math.trunc(value)));
}

function setTime(leaf: LeafBuilder, row: number, value: Json): void {
  if (!isObject(value)) return;
  const seconds = value['sec'];
  const nanoseconds = value['nsec'] ?? value['nanosec'];
  if (!Number.isSafeInteger(seconds) || !Number.isSafeInteger(nanoseconds)) return;
  setBigint(leaf, row, BigInt(seconds as number) * 1_000_000_000n + BigInt(nanoseconds as number));
}

function setBigint(leaf: LeafBuilder, row: number, value: bigint): void {
  const unsigned = BigInt.asUintN(64, value);
  leaf.setHalves(row, Number(unsigned & 0xffff_ffffn), Number(unsigned >> 32n));
}

function setBase64(leaf: LeafBuilder, row: number, value: string): void {
  try {
    leaf.setBytes(
      row,
      Uint8Array.from(atob(value), (character) => character.charCodeAt(0)),
    );
  } catch (error) {
    // What is not base64 is null, as other values of the wrong type.
    if (!(error instanceof DOMException)) throw error;
  }
}
