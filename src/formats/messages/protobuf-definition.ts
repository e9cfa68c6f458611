import { MessageDefinitionError } from './message-type.ts';
import { ProtobufCursor, ProtobufError, WireType } from './protobuf-wire.ts';

/** A message type of a FileDescriptorSet (google/protobuf/descriptor.proto). */
export interface ProtobufMessage {
  /** With its package, without the leading dot. */
  readonly name: string;
  readonly fields: readonly ProtobufField[];
}

export interface ProtobufField {
  readonly name: string;
  readonly number: number;
  /** As in `FieldDescriptorProto.Type`: 1 double … 18 sint64. */
  readonly type: number;
  /** Of messages and enums, without the leading dot. */
  readonly typeName: string;
  readonly isRepeated: boolean;
  /** Whether a field that was not written is absent (null) rather than 0, '' or false. */
  readonly hasPresence: boolean;
}

export interface ProtobufTypes {
  readonly messages: ReadonlyMap<string, ProtobufMessage>;
  /** Value names by number, by the name of the enum. */
  readonly enums: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

export const ProtobufType = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  group: 10,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

const LABEL_REPEATED = 3;
const LABEL_REQUIRED = 2;

/** Parses a serialized FileDescriptorSet. @throws {MessageDefinitionError} when it is none. */
export function parseFileDescriptorSet(bytes: Uint8Array): ProtobufTypes {
  const messages = new Map<string, ProtobufMessage>();
  const enums = new Map<string, ReadonlyMap<number, string>>();
  try {
    for (const file of submessages(bytes, 1)) {
      const syntax = textOf(file, 12);
      const packageName = textOf(file, 2);
      const scope = packageName === '' ? '' : `${packageName}.`;
      const types: Types = { messages, enums, isProto3: syntax === 'proto3' };
      for (const message of submessages(file, 4)) takeMessage(message, scope, types, 0);
      for (const enumeration of submessages(file, 5)) takeEnum(enumeration, scope, types);
    }
  } catch (error) {
    if (error instanceof ProtobufError) {
      throw new MessageDefinitionError(`it is no FileDescriptorSet: ${error.message}`, { cause: error });
    }
    throw error;
  }
  for (const [name, message] of messages) {
    const fields = message.fields.map((field) => ({
      ...field,
      typeName: fullName(field.typeName, name, (full) => messages.has(full) || enums.has(full)),
    }));
    messages.set(name, { name, fields });
  }
  return { messages, enums };
}

/** A name with a leading dot is full; another is looked up from the innermost scope outwards. */
function fullName(typeName: string, within: string, isDefined: (name: string) => boolean): string {
  if (typeName.startsWith('.')) return typeName.slice(1);
  const scopes = within.split('.');
  for (let depth = scopes.length; depth > 0; depth -= 1) {
    const full = [...scopes.slice(0, depth), typeName].join('.');
    if (isDefined(full)) return full;
  }
  return typeName;
}

interface Types {
  readonly messages: Map<string, ProtobufMessage>;
  readonly enums: Map<string, ReadonlyMap<number, string>>;
  readonly isProto3: boolean;
}

const NESTING_MAX = 64;

function takeMessage(bytes: Uint8Array, scope: string, types: Types, depth: number): void {
  if (depth > NESTING_MAX) throw new ProtobufError('types are nested too deeply');
  const name = `${scope}${textOf(bytes, 1)}`;
  const fields = [...submessages(bytes, 2)].map((field) => fieldOf(field, types.isProto3));
  types.messages.set(name, { name, fields });
  for (const nested of submessages(bytes, 3)) takeMessage(nested, `${name}.`, types, depth + 1);
  for (const enumeration of submessages(bytes, 4)) takeEnum(enumeration, `${name}.`, types);
}

function fieldOf(bytes: Uint8Array, isProto3: boolean): ProtobufField {
  const label = numberOf(bytes, 4) ?? 1;
  const type = numberOf(bytes, 5) ?? 0;
  const inOneof = numberOf(bytes, 9) !== undefined;
  const isMessage = type === ProtobufType.message || type === ProtobufType.group;
  return {
    name: textOf(bytes, 1),
    number: numberOf(bytes, 3) ?? 0,
    type,
    typeName: textOf(bytes, 6),
    isRepeated: label === LABEL_REPEATED,
    hasPresence: isMessage || inOneof || (!isProto3 && label !== LABEL_REQUIRED),
  };
}

function takeEnum(bytes: Uint8Array, scope: string, types: Types): void {
  const names = new Map<number, string>();
  for (const value of submessages(bytes, 2)) {
    const number = (numberOf(value, 2) ?? 0) | 0;
    if (!names.has(number)) names.set(number, textOf(value, 1));
  }
  types.enums.set(`${scope}${textOf(bytes, 1)}`, names);
}

function* submessages(bytes: Uint8Array, field: number): Generator<Uint8Array> {
  const cursor = new ProtobufCursor(bytes);
  cursor.end = bytes.length;
  while (cursor.next()) {
    if (cursor.field === field && cursor.wireType === WireType.bytes) {
      const lengthBytes = cursor.lengthBytes();
      yield bytes.subarray(cursor.at, cursor.at + lengthBytes);
      cursor.at += lengthBytes;
    } else {
      cursor.skip();
    }
  }
}

const utf8 = new TextDecoder();

function textOf(bytes: Uint8Array, field: number): string {
  let text = '';
  for (const content of submessages(bytes, field)) text = utf8.decode(content);
  return text;
}

function numberOf(bytes: Uint8Array, field: number): number | undefined {
  const cursor = new ProtobufCursor(bytes);
  cursor.end = bytes.length;
  let number: number | undefined;
  while (cursor.next()) {
    if (cursor.field === field && cursor.wireType === WireType.varint) {
      cursor.varint();
      number = cursor.low;
    } else {
      cursor.skip();
    }
  }
  return number;
}
