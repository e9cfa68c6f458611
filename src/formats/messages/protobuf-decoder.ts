import type { ColumnBatch, ColumnSchema, ColumnType } from '../recording-reader.ts';
import { type BuiltType, LeafBuilder, ListBuilder } from './column-builder.ts';
import type { DecodedMessages, MessageDecoder, MessageSlices } from './message-decoder.ts';
import { MessageDefinitionError } from './message-type.ts';
import { writeNanoseconds } from './nanoseconds.ts';
import {
  type ProtobufField,
  type ProtobufMessage,
  ProtobufType,
  type ProtobufTypes,
  parseFileDescriptorSet,
} from './protobuf-definition.ts';
import { ProtobufCursor, ProtobufError, WireType } from './protobuf-wire.ts';
import { validUtf8 } from './valid-utf8.ts';

/**
 * How one field is decoded. A repeated field's elements are rows of their own, one level down, counted by `list`.
 */
interface FieldPlan {
  readonly type: number;
  readonly isRepeated: boolean;
  /** Index of the list among all lists of the message; -1 in fields that are not repeated. */
  readonly list: number;
  readonly leaf?: LeafPlan;
  /** In place of a leaf: the fields of a nested message, by number. */
  readonly nested?: ReadonlyMap<number, FieldPlan>;
}

interface LeafPlan {
  readonly column: number;
  readonly type: BuiltType;
  readonly isNullable: boolean;
  /** Whether it can be absent in a message that is there. */
  readonly hasPresence: boolean;
  readonly isTime: boolean;
}

interface Plan {
  readonly fields: ReadonlyMap<number, FieldPlan>;
  readonly columns: readonly ColumnSchema[];
  readonly leaves: readonly LeafPlan[];
  /** For each column, the lists it lies in, outermost first. */
  readonly listsOf: readonly (readonly number[])[];
  readonly listCount: number;
}

const COLUMNS_MAX = 4096;
const TIMES: Readonly<Record<string, 'timestamp' | 'duration'>> = {
  'google.protobuf.Timestamp': 'timestamp',
  'google.protobuf.Duration': 'duration',
};

/**
 * Decodes protobuf messages of the type `name` in a FileDescriptorSet. Nested messages are flattened with dots,
 * Timestamp and Duration are times, maps are two lists, enums are numbers with labels; a type that contains
 * itself is left as bytes. Fields that were not written are null where the schema knows absence, else zero.
 */
export function protobufDecoder(name: string, fileDescriptorSet: Uint8Array): MessageDecoder {
  const types = parseFileDescriptorSet(fileDescriptorSet);
  const message = types.messages.get(name);
  if (message === undefined) throw new MessageDefinitionError(`the schema does not define ${name}`);
  const plan = planOf(message, types);
  return { columns: plan.columns, decode: (messages, wanted) => decode(plan, messages, wanted) };
}

function planOf(message: ProtobufMessage, types: ProtobufTypes): Plan {
  const planner = new Planner(types);
  const fields = planner.message(message, '', [], [message.name], false);
  const { columns, leaves, listsOf, listCount } = planner;
  return { fields, columns, leaves, listsOf, listCount };
}

class Planner {
  readonly columns: ColumnSchema[] = [];
  readonly leaves: LeafPlan[] = [];
  readonly listsOf: (readonly number[])[] = [];
  listCount = 0;
  #fields = 0;
  readonly #types: ProtobufTypes;

  constructor(types: ProtobufTypes) {
    this.#types = types;
  }

  message(
    message: ProtobufMessage,
    prefix: string,
    lists: readonly number[],
    open: readonly string[],
    isNullable: boolean,
  ): Map<number, FieldPlan> {
    const fields = new Map<number, FieldPlan>();
    for (const field of message.fields) {
      this.#fields += 1;
      if (this.#fields > COLUMNS_MAX) {
        throw new MessageDefinitionError(`${message.name} unfolds to more than ${COLUMNS_MAX} fields`);
      }
      fields.set(field.number, this.#field(field, prefix, lists, open, isNullable));
    }
    return fields;
  }

  #field(
    field: ProtobufField,
    prefix: string,
    outer: readonly number[],
    open: readonly string[],
    isNullable: boolean,
  ): FieldPlan {
    const list = field.isRepeated ? this.listCount : -1;
    if (field.isRepeated) this.listCount += 1;
    const lists = field.isRepeated ? [...outer, list] : outer;
    const { type, isRepeated, typeName } = field;
    const name = `${prefix}${field.name}`;
    // Elements of a list are all there; what is missing inside an absent message is null with it.
    const nullable = !isRepeated && (isNullable || field.hasPresence);
    const time = TIMES[typeName];
    const nested = type === ProtobufType.message && time === undefined ? this.#nested(typeName) : undefined;
    if (nested !== undefined && !open.includes(typeName)) {
      const fields = this.message(nested, `${name}.`, lists, [...open, typeName], nullable);
      return { type, isRepeated, list, nested: fields };
    }
    const column = this.columns.length;
    const scalar = time ?? scalarOf(field);
    const { hasPresence } = field;
    const leaf = { column, type: scalar, isNullable: nullable, hasPresence, isTime: time !== undefined };
    let columnType: ColumnType = scalar;
    for (let depth = lists.length; depth > 0; depth -= 1) columnType = { list: columnType };
    const choices = this.#types.enums.get(typeName);
    const labels = choices === undefined ? {} : { choices: Object.fromEntries(choices) };
    this.columns.push({ name, type: columnType, ...labels });
    this.leaves.push(leaf);
    this.listsOf.push(lists);
    return { type, isRepeated, list, leaf };
  }

  #nested(typeName: string): ProtobufMessage {
    const message = this.#types.messages.get(typeName);
    if (message === undefined) throw new MessageDefinitionError(`the schema does not define ${typeName}`);
    return message;
  }
}

function scalarOf({ type, name }: ProtobufField): BuiltType {
  const scalar = SCALARS[type];
  if (scalar === undefined)
    throw new MessageDefinitionError(`field ${name} has type ${type}, which is not read`);
  return scalar;
}

const SCALARS: Readonly<Record<number, BuiltType>> = {
  [ProtobufType.double]: 'float64',
  [ProtobufType.float]: 'float32',
  [ProtobufType.int64]: 'int64',
  [ProtobufType.uint64]: 'uint64',
  [ProtobufType.int32]: 'int32',
  [ProtobufType.fixed64]: 'uint64',
  [ProtobufType.fixed32]: 'uint32',
  [ProtobufType.bool]: 'bool',
  [ProtobufType.string]: 'string',
  [ProtobufType.message]: 'bytes',
  [ProtobufType.bytes]: 'bytes',
  [ProtobufType.uint32]: 'uint32',
  [ProtobufType.enum]: 'int32',
  [ProtobufType.sfixed32]: 'int32',
  [ProtobufType.sfixed64]: 'int64',
  [ProtobufType.sint32]: 'int32',
  [ProtobufType.sint64]: 'int64',
};

function decode(plan: Plan, messages: MessageSlices, wanted: Uint8Array): DecodedMessages {
  const all = Array.from({ length: messages.count }, (_, i) => i);
  const first = new Run(plan, messages, wanted);
  if (first.addAll(all).length === 0) return { columns: first.finish(all.length), misfits: [] };
  // Half-read messages have left traces in the columns, so the good ones are read again without them.
  const misfits = new Set(all.filter((i) => new Run(plan, messages, NOTHING_WANTED).addAll([i]).length > 0));
  const good = all.filter((i) => !misfits.has(i));
  const second = new Run(plan, messages, wanted);
  second.addAll(good);
  return { columns: second.finish(good.length), misfits: [...misfits] };
}

const NOTHING_WANTED = new Uint8Array(COLUMNS_MAX);

/** One pass over messages, with the columns it fills. */
class Run {
  readonly #plan: Plan;
  readonly #messages: MessageSlices;
  readonly #leaves: (LeafBuilder | undefined)[];
  readonly #lists: readonly ListBuilder[];
  readonly #cursor: ProtobufCursor;
  readonly #time = new Uint32Array(2);

  constructor(plan: Plan, messages: MessageSlices, wanted: Uint8Array) {
    this.#plan = plan;
    this.#messages = messages;
    this.#leaves = plan.leaves.map(({ type, isNullable }, i) =>
      wanted[i] === 1 ? new LeafBuilder(type, isNullable) : undefined,
    );
    this.#lists = Array.from({ length: plan.listCount }, () => new ListBuilder());
    this.#cursor = new ProtobufCursor(messages.bytes);
  }

  /** Reads the given messages as rows 0, 1, …; stops at the first that does not fit and returns it. */
  addAll(indexes: readonly number[]): readonly number[] {
    const { starts, ends } = this.#messages;
    for (const [row, i] of indexes.entries()) {
      this.#cursor.at = starts[i]!;
      this.#cursor.end = ends[i]!;
      try {
        this.#message(this.#plan.fields, row);
      } catch (error) {
        if (error instanceof ProtobufError) return [i];
        throw error;
      }
    }
    return [];
  }

  finish(rows: number): ColumnBatch[] {
    const columns: ColumnBatch[] = [];
    for (const [i, leaf] of this.#leaves.entries()) {
      if (leaf === undefined) continue;
      const lists = this.#plan.listsOf[i]!;
      const innermost = lists.at(-1);
      let batch = leaf.finish(innermost === undefined ? rows : this.#lists[innermost]!.elementCount);
      for (let depth = lists.length - 1; depth >= 0; depth -= 1) {
        const outer = lists[depth - 1];
        const count = outer === undefined ? rows : this.#lists[outer]!.elementCount;
        const offsets = this.#lists[lists[depth]!]!.offsets(count);
        // Elements have no validity of their own; what is absent in them is zero.
        batch = { values: { kind: 'list', offsets, items: batch.values } };
      }
      columns.push(batch);
    }
    return columns;
  }

  #message(fields: ReadonlyMap<number, FieldPlan>, row: number): void {
    const cursor = this.#cursor;
    while (cursor.next()) {
      const plan = fields.get(cursor.field);
      if (plan === undefined) cursor.skip();
      else if (plan.isRepeated && cursor.wireType === WireType.bytes && isPackable(plan.type))
        this.#packed(plan, row);
      else this.#single(plan, plan.isRepeated ? this.#lists[plan.list]!.append(row) : row);
    }
  }

  #packed(plan: FieldPlan, row: number): void {
    const cursor = this.#cursor;
    const outerEnd = cursor.end;
    const lengthBytes = cursor.lengthBytes();
    cursor.end = cursor.at + lengthBytes;
    cursor.wireType = wireTypeOf(plan.type);
    while (cursor.at < cursor.end) this.#single(plan, this.#lists[plan.list]!.append(row));
    cursor.end = outerEnd;
  }

  #single(plan: FieldPlan, row: number): void {
    const cursor = this.#cursor;
    if (cursor.wireType !== wireTypeOf(plan.type)) throw new ProtobufError('a field has the wrong wire type');
    const { leaf, nested } = plan;
    if (leaf?.isTime === true) this.#nestedTime(leaf, row);
    else if (leaf !== undefined) this.#leaf(leaf, plan.type, row);
    else if (nested !== undefined) this.#nested(nested, row);
  }

  #nested(fields: ReadonlyMap<number, FieldPlan>, row: number): void {
    const cursor = this.#cursor;
    const outerEnd = cursor.end;
    const lengthBytes = cursor.lengthBytes();
    cursor.end = cursor.at + lengthBytes;
    this.#touch(fields, row);
    this.#message(fields, row);
    cursor.end = outerEnd;
  }

  /** A message that is there has its fields at their defaults, unless they know absence themselves. */
  #touch(fields: ReadonlyMap<number, FieldPlan>, row: number): void {
    for (const { leaf } of fields.values()) {
      if (leaf?.hasPresence === false) this.#leaves[leaf.column]?.touch(row);
    }
  }

  #nestedTime(leaf: LeafPlan, row: number): void {
    const cursor = this.#cursor;
    const outerEnd = cursor.end;
    const lengthBytes = cursor.lengthBytes();
    cursor.end = cursor.at + lengthBytes;
    let seconds = 0;
    let nanoseconds = 0;
    while (cursor.next()) {
      if (cursor.wireType === WireType.varint && cursor.field <= 2) {
        cursor.varint();
        if (cursor.field === 1) seconds = (cursor.high | 0) * 2 ** 32 + cursor.low;
        else nanoseconds = cursor.low | 0;
      } else {
        cursor.skip();
      }
    }
    cursor.end = outerEnd;
    writeNanoseconds(this.#time, 0, seconds, nanoseconds);
    this.#leaves[leaf.column]?.setHalves(row, this.#time[0]!, this.#time[1]!);
  }

  #leaf({ column }: LeafPlan, type: number, row: number): void {
    const cursor = this.#cursor;
    const leaf = this.#leaves[column];
    if (leaf === undefined) {
      cursor.skip();
      return;
    }
    switch (cursor.wireType) {
      case WireType.varint:
        cursor.varint();
        setVarint(leaf, type, row, cursor.low, cursor.high);
        return;
      case WireType.fixed64: {
        const at = cursor.fixed(8);
        if (type === ProtobufType.double) leaf.setNumber(row, cursor.view.getFloat64(at, true));
        else leaf.setHalves(row, cursor.view.getUint32(at, true), cursor.view.getUint32(at + 4, true));
        return;
      }
      case WireType.fixed32: {
        const at = cursor.fixed(4);
        if (type === ProtobufType.float) leaf.setNumber(row, cursor.view.getFloat32(at, true));
        else leaf.setNumber(row, cursor.view.getInt32(at, true));
        return;
      }
      default: {
        const lengthBytes = cursor.lengthBytes();
        const bytes = cursor.bytes.subarray(cursor.at, cursor.at + lengthBytes);
        leaf.setBytes(row, type === ProtobufType.string ? validUtf8(bytes) : bytes);
        cursor.at += lengthBytes;
      }
    }
  }
}

function setVarint(leaf: LeafBuilder, type: number, row: number, low: number, high: number): void {
  switch (type) {
    case ProtobufType.bool:
      leaf.setNumber(row, low === 0 && high === 0 ? 0 : 1);
      return;
    case ProtobufType.sint32:
      leaf.setNumber(row, (low >>> 1) ^ -(low & 1));
      return;
    case ProtobufType.int64:
    case ProtobufType.uint64:
      leaf.setHalves(row, low, high);
      return;
    case ProtobufType.sint64: {
      const sign = -(low & 1);
      leaf.setHalves(row, ((low >>> 1) | (high << 31)) ^ sign, (high >>> 1) ^ sign);
      return;
    }
    default:
      leaf.setNumber(row, low);
  }
}

function isPackable(type: number): boolean {
  return wireTypeOf(type) !== WireType.bytes;
}

function wireTypeOf(type: number): number {
  switch (type) {
    case ProtobufType.double:
    case ProtobufType.fixed64:
    case ProtobufType.sfixed64:
      return WireType.fixed64;
    case ProtobufType.float:
    case ProtobufType.fixed32:
    case ProtobufType.sfixed32:
      return WireType.fixed32;
    case ProtobufType.string:
    case ProtobufType.bytes:
    case ProtobufType.message:
      return WireType.bytes;
    default:
      return WireType.varint;
  }
}
