import type { ColumnSchema, ColumnType, ScalarType } from '../recording-reader.ts';
import type { FieldType, MessageType, Primitive } from './message-type.ts';
import { MessageDefinitionError, PRIMITIVE_SIZE_BYTES } from './message-type.ts';

/** How one serialization puts fields on the wire. */
export interface WireRules {
  /** No value is aligned to more than this: 1 in ROS 1, 8 in XCDR1, 4 in XCDR2. */
  readonly alignmentMax: 1 | 4 | 8;
  readonly littleEndian: boolean;
  /** CDR strings count and carry a closing NUL. */
  readonly stringTerminator: boolean;
  /** ROS 1 times count seconds unsigned, ROS 2 times signed. */
  readonly signedTime: boolean;
  /** XCDR2 puts a byte count before lists whose elements are not primitive. */
  readonly listHeader: boolean;
  /** XCDR2 puts a byte count before each structure that is not final, under D_CDR2. */
  readonly structHeader: boolean;
  /** Bytes that may follow the last field; more of them mean that the definition is another one. */
  readonly paddingBytesMax: number;
}

/** ROS 1: little endian, packed (wiki.ros.org/ROS/Technical Overview, message serialization). */
export const ROS1_WIRE: WireRules = {
  alignmentMax: 1,
  littleEndian: true,
  stringTerminator: false,
  signedTime: false,
  listHeader: false,
  structHeader: false,
  paddingBytesMax: 0,
};

/**
 * A message type as steps over many messages at once: each step moves the cursors of all messages and fills its
 * columns. Neighbouring fields of fixed size are one step.
 */
export type Step = BlockStep | AlignStep | HeaderStep | StringStep | ScalarListStep | ListStep;

/** Fields at fixed distances from the cursor. */
export interface BlockStep {
  readonly kind: 'block';
  sizeBytes: number;
  readonly leaves: Leaf[];
}

export interface Leaf {
  readonly column: number;
  readonly offset: number;
  readonly scalar: Scalar;
  /** Present in arrays of fixed length. */
  readonly length?: number;
}

export type Scalar = Exclude<Primitive, 'string'>;

/** Moves to the next multiple of `to`, counted from the message's origin. */
export interface AlignStep {
  readonly kind: 'align';
  readonly to: number;
}

/** A byte count that is walked over. */
export interface HeaderStep {
  readonly kind: 'header';
}

export interface StringStep {
  readonly kind: 'string';
  readonly column: number;
}

/** A sequence of scalars: a count of 4 bytes, then the values. */
export interface ScalarListStep {
  readonly kind: 'scalars';
  readonly column: number;
  readonly scalar: Scalar;
  readonly align: number;
}

/** A sequence (`length` absent) or array of strings, lists or structures. */
export interface ListStep {
  readonly kind: 'list';
  readonly length?: number;
  readonly element: readonly Step[];
  /** Columns `from` up to `to` belong to the element. */
  readonly from: number;
  readonly to: number;
  /** The element's size where it is always the same, starting at a multiple of `strideAlign`. */
  readonly strideBytes?: number;
  readonly strideAlign: number;
}

export interface WireLayout {
  readonly rules: WireRules;
  readonly steps: readonly Step[];
  readonly columns: readonly ColumnSchema[];
}

const FIELDS_MAX = 4096;
const SCALAR_LIST_LENGTH_MAX = 2 ** 28;

/**
 * Columns are the leaves of the message: nested fields are joined with dots; a list of messages becomes one list
 * per leaf under the same dotted name (`transforms.transform.rotation.x` is a list of float64); `uint8[]` is
 * bytes. @throws {MessageDefinitionError} when the message unfolds to more than 4,096 fields.
 */
export function wireLayoutOf(message: MessageType, rules: WireRules): WireLayout {
  const fields = fieldCountOf(message, new Map());
  if (fields > FIELDS_MAX) {
    throw new MessageDefinitionError(`${message.name} unfolds to ${fields} fields, more than ${FIELDS_MAX}`);
  }
  const columns: ColumnSchema[] = [];
  const compiler = new Compiler(rules, columns, rules.alignmentMax);
  compiler.message(message, '', 0);
  return { rules, steps: compiler.steps, columns };
}

class Compiler {
  readonly steps: Step[] = [];
  readonly #rules: WireRules;
  readonly #columns: ColumnSchema[];
  /** The cursor is known to be `#phase` behind a multiple of `#modulus`. */
  #modulus: number;
  #phase = 0;

  constructor(rules: WireRules, columns: ColumnSchema[], modulus: number) {
    this.#rules = rules;
    this.#columns = columns;
    this.#modulus = modulus;
  }

  message(message: MessageType, prefix: string, listDepth: number): void {
    if (this.#rules.structHeader && message.isFinal !== true) this.#header();
    for (const field of message.fields) {
      const description = field.description;
      this.field(field.type, `${prefix}${field.name}`, listDepth, description);
    }
  }

  field(type: FieldType, name: string, listDepth: number, description: string | undefined): void {
    if (type.kind === 'message') {
      this.message(type.message, `${name}.`, listDepth);
    } else if (type.kind === 'list') {
      this.#list(type, name, listDepth, description);
    } else if (type.primitive === 'string') {
      this.#align(4);
      this.steps.push({ kind: 'string', column: this.#column(name, 'string', listDepth, description) });
      this.#lost(1);
    } else {
      const column = this.#column(name, columnTypeOf(type.primitive), listDepth, description);
      this.#leaf(column, type.primitive, undefined);
    }
  }

  #list(
    type: Extract<FieldType, { kind: 'list' }>,
    name: string,
    listDepth: number,
    description: string | undefined,
  ): void {
    const { element, length } = type;
    // Elements without bytes could be counted without end.
    if (length === 0) throw new MessageDefinitionError(`${name} is an array of length 0`);
    if (element.kind !== 'primitive' || element.primitive === 'string') {
      this.#listOfVariables(type, name, listDepth, description);
      return;
    }
    const scalar = element.primitive;
    const asBytes = scalar === 'uint8';
    const itemType: ColumnType = asBytes ? 'bytes' : { list: columnTypeOf(scalar) };
    const column = this.#column(name, itemType, listDepth, description);
    if (length !== undefined) {
      if (length > SCALAR_LIST_LENGTH_MAX) throw new MessageDefinitionError(`${name} has ${length} elements`);
      this.#leaf(column, scalar, length);
      return;
    }
    this.#align(4);
    const align = this.#alignmentOf(scalar);
    this.steps.push({ kind: 'scalars', column, scalar, align });
    this.#lost(Math.min(4, PRIMITIVE_SIZE_BYTES[scalar]));
  }

  #listOfVariables(
    { element, length }: Extract<FieldType, { kind: 'list' }>,
    name: string,
    listDepth: number,
    description: string | undefined,
  ): void {
    if (this.#rules.listHeader) this.#header();
    if (length === undefined) this.#align(4);
    const from = this.#columns.length;
    const inner = new Compiler(this.#rules, this.#columns, 1);
    inner.field(element, name, listDepth + 1, description);
    const to = this.#columns.length;
    const stride = strideOf(element, name, this.#rules);
    this.steps.push({
      kind: 'list',
      ...(length === undefined ? {} : { length }),
      element: stride === undefined ? inner.steps : shifted(stride.steps, from),
      from,
      to,
      ...(stride === undefined ? {} : { strideBytes: stride.sizeBytes }),
      strideAlign: stride?.align ?? 1,
    });
    this.#lost(1);
  }

  #leaf(column: number, scalar: Scalar, length: number | undefined): void {
    this.#align(this.#alignmentOf(scalar));
    const block = this.#block();
    const counted = length === undefined ? {} : { length };
    block.leaves.push({ column, offset: block.sizeBytes, scalar, ...counted });
    this.#advance(block, PRIMITIVE_SIZE_BYTES[scalar] * (length ?? 1));
  }

  #header(): void {
    this.#align(4);
    this.steps.push({ kind: 'header' });
    this.#phase = (this.#phase + 4) % this.#modulus;
  }

  #align(to: number): void {
    const alignment = Math.min(to, this.#rules.alignmentMax);
    if (alignment === 1) return;
    if (alignment > this.#modulus) {
      this.steps.push({ kind: 'align', to: alignment });
      this.#lost(alignment);
      return;
    }
    const padding = (alignment - (this.#phase % alignment)) % alignment;
    if (padding > 0) this.#advance(this.#block(), padding);
  }

  #block(): BlockStep {
    const last = this.steps.at(-1);
    if (last?.kind === 'block') return last;
    const block: BlockStep = { kind: 'block', sizeBytes: 0, leaves: [] };
    this.steps.push(block);
    return block;
  }

  #advance(block: BlockStep, sizeBytes: number): void {
    block.sizeBytes += sizeBytes;
    this.#phase = (this.#phase + sizeBytes) % this.#modulus;
  }

  /** From here on the cursor is only known to be at a multiple of `modulus`. */
  #lost(modulus: number): void {
    this.#modulus = Math.max(1, Math.min(modulus, this.#rules.alignmentMax));
    this.#phase = 0;
  }

  #alignmentOf(scalar: Scalar): number {
    const natural = scalar === 'time' || scalar === 'duration' ? 4 : PRIMITIVE_SIZE_BYTES[scalar];
    return Math.min(natural, this.#rules.alignmentMax);
  }

  #column(name: string, type: ColumnType, listDepth: number, description: string | undefined): number {
    let whole = type;
    for (let depth = 0; depth < listDepth; depth += 1) whole = { list: whole };
    this.#columns.push({ name, type: whole, ...(description === undefined ? {} : { description }) });
    return this.#columns.length - 1;
  }
}

/** An element that is one block of fixed size, so that elements follow each other at a fixed distance. */
function strideOf(
  element: FieldType,
  name: string,
  rules: WireRules,
): { steps: readonly Step[]; sizeBytes: number; align: number } | undefined {
  if (!isOneBlock(element, rules)) return undefined;
  const compiler = new Compiler(rules, [], rules.alignmentMax);
  compiler.field(element, name, 0, undefined);
  if (compiler.steps.length === 0) return { steps: [], sizeBytes: 0, align: 1 };
  const [block] = compiler.steps;
  if (block?.kind !== 'block') return undefined;
  const align = alignmentOfBlock(block, rules);
  return block.sizeBytes % align === 0
    ? { steps: compiler.steps, sizeBytes: block.sizeBytes, align }
    : undefined;
}

function isOneBlock(type: FieldType, rules: WireRules): boolean {
  if (type.kind === 'primitive') return type.primitive !== 'string';
  if (type.kind === 'message') {
    const hasHeader = rules.structHeader && type.message.isFinal !== true;
    return !hasHeader && type.message.fields.every((field) => isOneBlock(field.type, rules));
  }
  return type.length !== undefined && type.element.kind === 'primitive' && isOneBlock(type.element, rules);
}

/** Types that use types that use types can unfold without bound, so they are counted before they are unfolded. */
function fieldCountOf(message: MessageType, counted: Map<MessageType, number>): number {
  const known = counted.get(message);
  if (known !== undefined) return known;
  let count = 1;
  for (const { type } of message.fields) {
    let leaf = type;
    while (leaf.kind === 'list') leaf = leaf.element;
    count += leaf.kind === 'message' ? fieldCountOf(leaf.message, counted) : 1;
  }
  counted.set(message, count);
  return count;
}

function alignmentOfBlock(block: BlockStep, rules: WireRules): number {
  let align = 1;
  for (const { scalar } of block.leaves) {
    const natural = scalar === 'time' || scalar === 'duration' ? 4 : PRIMITIVE_SIZE_BYTES[scalar];
    align = Math.max(align, Math.min(natural, rules.alignmentMax));
  }
  return align;
}

/** A block compiled on its own counts its columns from 0; here they begin at `from`. */
function shifted(steps: readonly Step[], from: number): Step[] {
  return steps.map((step) =>
    step.kind === 'block'
      ? { ...step, leaves: step.leaves.map((leaf) => ({ ...leaf, column: leaf.column + from })) }
      : step,
  );
}

function columnTypeOf(scalar: Scalar): ScalarType {
  return scalar === 'time' ? 'timestamp' : scalar;
}
