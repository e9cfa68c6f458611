import type { FieldType, MessageType, Primitive } from './message-type.ts';

/** Values of a message by field name; a field that is left out is zero, empty or false. */
export interface MessageValue {
  readonly [field: string]: FieldValue;
}

export type FieldValue =
  | number
  | bigint
  | boolean
  | string
  | MessageValue
  | ArrayBufferView
  | readonly FieldValue[]
  | undefined;

/**
 * Serializes one message as ROS 1 does: little endian, packed, counts of 4 bytes. Times and durations are bigint
 * nanoseconds. Lists of numbers may be typed arrays of the same type, which are copied as they are.
 * @throws {TypeError} naming the field whose value does not fit its type.
 */
export function serializeRos1(message: MessageType, value: MessageValue): Uint8Array {
  const out = new Output();
  writeMessage(out, message, value, '');
  return out.bytes();
}

class Output {
  #held = new Uint8Array(1024);
  #view = new DataView(this.#held.buffer);
  #sizeBytes = 0;

  /** The place for `lengthBytes` more, and the view to write them with. */
  reserve(lengthBytes: number): { view: DataView; at: number } {
    const at = this.#sizeBytes;
    if (at + lengthBytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(this.#held.length * 2, at + lengthBytes));
      larger.set(this.#held.subarray(0, at));
      this.#held = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#sizeBytes += lengthBytes;
    return { view: this.#view, at };
  }

  count(elements: number): void {
    const { view, at } = this.reserve(4);
    view.setUint32(at, elements, true);
  }

  append(bytes: Uint8Array): void {
    const { at } = this.reserve(bytes.length);
    this.#held.set(bytes, at);
  }

  bytes(): Uint8Array {
    return this.#held.slice(0, this.#sizeBytes);
  }
}

function writeMessage(out: Output, message: MessageType, value: FieldValue, path: string): void {
  const fields = value ?? {};
  if (typeof fields !== 'object' || Array.isArray(fields) || ArrayBuffer.isView(fields)) {
    throw misfit(path, message.name, value);
  }
  const known = fields as MessageValue;
  for (const { name, type } of message.fields) writeField(out, type, known[name], `${path}${name}`);
}

function writeField(out: Output, type: FieldType, value: FieldValue, path: string): void {
  if (type.kind === 'message') writeMessage(out, type.message, value, `${path}.`);
  else if (type.kind === 'list') writeList(out, type.element, type.length, value, path);
  else writePrimitive(out, type.primitive, value, path);
}

function writeList(
  out: Output,
  element: FieldType,
  length: number | undefined,
  value: FieldValue,
  path: string,
): void {
  if (ArrayBuffer.isView(value)) {
    const lengthBytes = element.kind === 'primitive' ? ELEMENT_BYTES[element.primitive] : undefined;
    if (lengthBytes === undefined) throw misfit(path, 'a list of messages', value);
    const elements = value.byteLength / lengthBytes;
    if (length === undefined) out.count(elements);
    else if (elements !== length) throw new TypeError(`${path} has ${elements} elements, not ${length}`);
    out.append(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return;
  }
  const items = value ?? [];
  if (!Array.isArray(items)) throw misfit(path, 'a list', value);
  if (length === undefined) out.count(items.length);
  else if (items.length !== length && items.length > 0) {
    throw new TypeError(`${path} has ${items.length} elements, not ${length}`);
  }
  for (let i = 0; i < (length ?? items.length); i += 1) writeField(out, element, items[i], `${path}[${i}]`);
}

/** Types whose typed arrays in memory are what lies on the wire. */
const ELEMENT_BYTES: Readonly<Partial<Record<Primitive, number>>> = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
};

const encoder = new TextEncoder();

function writePrimitive(out: Output, primitive: Primitive, value: FieldValue, path: string): void {
  if (primitive === 'string') {
    if (value !== undefined && typeof value !== 'string') throw misfit(path, 'text', value);
    const text = encoder.encode(value ?? '');
    out.count(text.length);
    out.append(text);
    return;
  }
  if (primitive === 'time' || primitive === 'duration' || primitive === 'int64' || primitive === 'uint64') {
    writeLong(out, primitive, value ?? 0n, path);
    return;
  }
  const number = typeof value === 'boolean' ? Number(value) : (value ?? 0);
  if (typeof number !== 'number') throw misfit(path, primitive, value);
  writeNumber(out, primitive, number);
}

function writeLong(
  out: Output,
  primitive: 'time' | 'duration' | 'int64' | 'uint64',
  value: FieldValue,
  path: string,
): void {
  if (typeof value !== 'bigint') throw misfit(path, `${primitive}, a bigint`, value);
  const { view, at } = out.reserve(8);
  if (primitive === 'int64') view.setBigInt64(at, value, true);
  else if (primitive === 'uint64') view.setBigUint64(at, value, true);
  else {
    // Seconds are rounded down, so that the nanoseconds of a negative duration are not negative.
    const nanoseconds = ((value % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    view.setInt32(at, Number((value - nanoseconds) / 1_000_000_000n), true);
    view.setUint32(at + 4, Number(nanoseconds), true);
  }
}

type SmallNumber = Exclude<Primitive, 'string' | 'time' | 'duration' | 'int64' | 'uint64'>;

const WRITE: Readonly<
  Record<SmallNumber, readonly [number, (view: DataView, at: number, n: number) => void]>
> = {
  bool: [1, (view, at, n) => view.setUint8(at, n === 0 ? 0 : 1)],
  int8: [1, (view, at, n) => view.setInt8(at, n)],
  uint8: [1, (view, at, n) => view.setUint8(at, n)],
  int16: [2, (view, at, n) => view.setInt16(at, n, true)],
  uint16: [2, (view, at, n) => view.setUint16(at, n, true)],
  int32: [4, (view, at, n) => view.setInt32(at, n, true)],
  uint32: [4, (view, at, n) => view.setUint32(at, n, true)],
  float32: [4, (view, at, n) => view.setFloat32(at, n, true)],
  float64: [8, (view, at, n) => view.setFloat64(at, n, true)],
};

function writeNumber(out: Output, primitive: SmallNumber, value: number): void {
  const [sizeBytes, write] = WRITE[primitive];
  const { view, at } = out.reserve(sizeBytes);
  write(view, at, value);
}

function misfit(path: string, wanted: string, value: FieldValue): TypeError {
  return new TypeError(`${path || 'the message'} must be ${wanted}, not ${typeof value}`);
}
