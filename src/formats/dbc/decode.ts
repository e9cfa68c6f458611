import type {
  ColumnBatch,
  ColumnSchema,
  ColumnValues,
  ScalarType,
  TableBatch,
  TableSummary,
} from '../recording-reader.ts';
import type { CanFrames } from './can-frames.ts';
import {
  type DbcDatabase,
  type DbcMessage,
  type DbcSignal,
  parameterGroupOf,
  type RawRange,
} from './database.ts';
import { type BitPlan, bitPlanOf, type FrameRows, gatherNarrow, gatherWide } from './signal-bits.ts';

export interface DbcDecoding {
  /** The database's file name, for the columns' source. */
  readonly name: string;
  /** Decode only frames of this bus; absent = all. One id means different messages on different buses. */
  readonly bus?: number;
  /** Put in front of table names with a dot, and their group: `CAN1` gives `CAN1.WheelSpeeds`. */
  readonly group?: string;
}

/** A database made ready for many batches of frames. */
export interface DbcDecoder {
  /** One table per message that has signals, in the order of the database. */
  readonly tables: readonly TableSummary[];
  /** One batch for each message that occurs, rows in the order of the frames. */
  decode(frames: CanFrames): DecodedFrames;
}

export interface DecodedFrames {
  readonly batches: readonly TableBatch[];
  readonly framesDecoded: number;
  /** Frames of the chosen bus that no message of the database describes. */
  readonly framesUnknown: number;
}

interface SignalPlan {
  readonly signal: DbcSignal;
  readonly bits: BitPlan;
  readonly schema: ColumnSchema;
  /** Index of the multiplexor among the message's signals. */
  readonly multiplexor?: number;
}

interface MessagePlan {
  readonly table: TableSummary;
  readonly signals: readonly SignalPlan[];
  readonly j1939: boolean;
}

const NO_MESSAGE = 0xffff;
const MESSAGES_MAX = 0xfffe;

/**
 * Prepares a database for decoding: one table per message, one column per signal. Integer columns where every value
 * is exact (factor and offset whole), 64-bit columns for wider raw values, float64 else. A signal is null in rows
 * whose multiplexor selects another one, or whose frame is too short to hold it; all others of the row are decoded.
 */
export function compileDbc(database: DbcDatabase, decoding: DbcDecoding): DbcDecoder {
  const messages = database.messages.filter((message) => message.signals.length > 0).slice(0, MESSAGES_MAX);
  const names = new Set<string>();
  const plans = messages.map((message) => planOf(message, decoding, names));
  const messageOf = messageLookup(messages);
  return {
    tables: plans.map((plan) => plan.table),
    decode(frames) {
      const assigned = assignFrames(frames, plans.length, messageOf, decoding.bus);
      const batches = plans.flatMap((plan, index) => {
        const rows = assigned.rowsByMessage[index]!;
        return rows.length === 0 ? [] : [decodeMessage(plan, rows, frames)];
      });
      return { batches, framesDecoded: assigned.framesDecoded, framesUnknown: assigned.framesUnknown };
    },
  };
}

function planOf(message: DbcMessage, decoding: DbcDecoding, names: Set<string>): MessagePlan {
  const indexByName = new Map(message.signals.map((signal, index) => [signal.name, index]));
  const signals = message.signals.map((signal): SignalPlan => {
    const multiplexor = signal.multiplex && indexByName.get(signal.multiplex.multiplexor);
    return {
      signal,
      bits: bitPlanOf(signal),
      schema: columnOf(signal, message, decoding.name),
      ...(multiplexor === undefined ? {} : { multiplexor }),
    };
  });
  const name = tableName(message, decoding.group, names);
  const columns = signals.map((plan) => plan.schema);
  if (message.j1939) {
    columns.push({ name: 'j1939.sourceAddress', type: 'uint8', description: 'Source address, from the id' });
  }
  return {
    table: { name, group: decoding.group ?? name, schemaName: message.name, encoding: '', columns },
    signals,
    j1939: message.j1939,
  };
}

/** Databases may use a name again under another id: those tables carry the id too. */
function tableName(message: DbcMessage, group: string | undefined, names: Set<string>): string {
  const plain = group === undefined ? message.name : `${group}.${message.name}`;
  const name = names.has(plain) ? `${plain} (${idText(message)})` : plain;
  names.add(name);
  return name;
}

function idText({ id, extended }: DbcMessage): string {
  return `0x${id.toString(16).toUpperCase()}${extended ? ' 29 bit' : ''}`;
}

function columnOf(signal: DbcSignal, message: DbcMessage, databaseName: string): ColumnSchema {
  const { factor, offset, unit, comment, choices } = signal;
  const conversion = factor === 1 && offset === 0 ? '' : `, raw * ${factor} + ${offset}`;
  return {
    name: signal.name,
    type: columnTypeOf(signal),
    ...(unit === '' ? {} : { unit }),
    ...(comment === undefined ? {} : { description: comment }),
    ...(choices === undefined ? {} : { choices }),
    source: `${databaseName}: ${message.name} ${idText(message)}${conversion}`,
  };
}

/** The narrowest type that holds every physical value exactly; float64 where none does. */
function columnTypeOf(signal: DbcSignal): ScalarType {
  const { kind, bitCount, factor, offset } = signal;
  if (kind === 'float') return bitCount === 32 && factor === 1 && offset === 0 ? 'float32' : 'float64';
  if (bitCount > 32) {
    if (factor !== 1 || offset !== 0) return 'float64';
    return kind === 'signed' ? 'int64' : 'uint64';
  }
  if (!Number.isInteger(factor) || !Number.isInteger(offset)) return 'float64';
  const rawLow = kind === 'signed' ? -(2 ** (bitCount - 1)) : 0;
  const rawHigh = kind === 'signed' ? 2 ** (bitCount - 1) - 1 : 2 ** bitCount - 1;
  const ends = [rawLow * factor + offset, rawHigh * factor + offset];
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  if (low >= 0)
    return high <= 0xff ? 'uint8' : high <= 0xffff ? 'uint16' : high <= 0xffff_ffff ? 'uint32' : 'float64';
  const magnitude = Math.max(high, -low - 1);
  return magnitude <= 0x7f
    ? 'int8'
    : magnitude <= 0x7fff
      ? 'int16'
      : magnitude <= 0x7fff_ffff
        ? 'int32'
        : 'float64';
}

/** Exact ids first, then J1939 parameter groups. */
function messageLookup(messages: readonly DbcMessage[]): (id: number, extended: boolean) => number {
  const standard = new Uint16Array(0x800).fill(NO_MESSAGE);
  const extendedById = new Map<number, number>();
  const byParameterGroup = new Map<number, number>();
  messages.forEach((message, index) => {
    if (!message.extended) standard[message.id] = index;
    else extendedById.set(message.id, index);
    const group = parameterGroupOf(message.id);
    if (message.j1939 && !byParameterGroup.has(group)) byParameterGroup.set(group, index);
  });
  return (id, extended) => {
    if (!extended) return standard[id] ?? NO_MESSAGE;
    return extendedById.get(id) ?? byParameterGroup.get(parameterGroupOf(id)) ?? NO_MESSAGE;
  };
}

function assignFrames(
  frames: CanFrames,
  messageCount: number,
  messageOf: (id: number, extended: boolean) => number,
  bus: number | undefined,
) {
  const messages = new Uint16Array(frames.count).fill(NO_MESSAGE);
  const counts = new Uint32Array(messageCount);
  let framesDecoded = 0;
  let framesUnknown = 0;
  for (let frame = 0; frame < frames.count; frame++) {
    if (bus !== undefined && frames.bus[frame] !== bus) continue;
    const message = messageOf(frames.ids[frame]!, frames.extended[frame] === 1);
    if (message === NO_MESSAGE) {
      framesUnknown += 1;
      continue;
    }
    messages[frame] = message;
    counts[message]! += 1;
    framesDecoded += 1;
  }
  const rowsByMessage = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(messageCount);
  for (let frame = 0; frame < frames.count; frame++) {
    const message = messages[frame]!;
    if (message !== NO_MESSAGE) rowsByMessage[message]![filled[message]!++] = frame;
  }
  return { rowsByMessage, framesDecoded, framesUnknown };
}

function decodeMessage(plan: MessagePlan, rows: Uint32Array, frames: CanFrames): TableBatch {
  const timestampsNs = new BigInt64Array(rows.length);
  // Moved as two words each: a BigInt for every row would be made only to be stored.
  const toWords = new Uint32Array(timestampsNs.buffer);
  const { buffer, byteOffset } = frames.timestampsNs;
  const fromWords = new Uint32Array(buffer, byteOffset, frames.count * 2);
  let shortest = Number.POSITIVE_INFINITY;
  for (let row = 0; row < rows.length; row++) {
    const frame = rows[row]!;
    toWords[row * 2] = fromWords[frame * 2]!;
    toWords[row * 2 + 1] = fromWords[frame * 2 + 1]!;
    shortest = Math.min(shortest, frames.payloadOffsets[frame + 1]! - frames.payloadOffsets[frame]!);
  }
  const frameRows: FrameRows = { rows, payloadOffsets: frames.payloadOffsets, payload: frames.payload };
  const message = new MessageRows(plan, frameRows, shortest);
  const columns = plan.signals.map((_, index) => message.column(index));
  if (plan.j1939) columns.push({ values: Uint8Array.from(rows, (frame) => frames.ids[frame]! & 0xff) });
  return {
    table: plan.table,
    rowCount: rows.length,
    timestampsNs,
    columns,
    columnSchemas: plan.table.columns,
  };
}

/** The rows of one message; what several signals need of a multiplexor is found once. */
class MessageRows {
  readonly #plan: MessagePlan;
  readonly #frames: FrameRows;
  readonly #shortestBytes: number;
  readonly #selections = new Map<number, Float64Array>();

  constructor(plan: MessagePlan, frames: FrameRows, shortestBytes: number) {
    this.#plan = plan;
    this.#frames = frames;
    this.#shortestBytes = shortestBytes;
  }

  column(index: number): ColumnBatch {
    const plan = this.#plan.signals[index]!;
    const values = physicalValues(plan, this.#frames);
    const validity = this.#validity(index, new Set());
    return validity === undefined ? { values } : { values, validity };
  }

  /** Undefined where every row has a value. `above` holds the signals that wait for this one: a cycle selects nothing. */
  #validity(index: number, above: Set<number>): Uint8Array | undefined {
    const { signal, bits, multiplexor } = this.#plan.signals[index]!;
    const { rows, payloadOffsets } = this.#frames;
    if (multiplexor === undefined && this.#shortestBytes >= bits.bytesNeeded) return undefined;
    const validity = new Uint8Array(rows.length);
    for (let row = 0; row < rows.length; row++) {
      const frame = rows[row]!;
      if (payloadOffsets[frame + 1]! - payloadOffsets[frame]! >= bits.bytesNeeded) validity[row] = 1;
    }
    if (multiplexor === undefined || signal.multiplex === undefined) return validity;
    if (above.has(index)) return validity.fill(0);
    const selectedBy = this.#validity(multiplexor, new Set(above).add(index));
    const selection = this.#selection(multiplexor);
    for (let row = 0; row < rows.length; row++) {
      if (selectedBy?.[row] === 0 || !isSelected(signal.multiplex.ranges, selection[row]!)) validity[row] = 0;
    }
    return validity;
  }

  #selection(multiplexor: number): Float64Array {
    const known = this.#selections.get(multiplexor);
    if (known !== undefined) return known;
    const { bits } = this.#plan.signals[multiplexor]!;
    const raw = rawNumbers({ ...bits, signed: false }, this.#frames);
    const selection = raw instanceof Float64Array ? raw : Float64Array.from(raw);
    this.#selections.set(multiplexor, selection);
    return selection;
  }
}

function isSelected(ranges: readonly RawRange[], value: number): boolean {
  return ranges.some((range) => range.first <= value && value <= range.last);
}

function rawNumbers(bits: BitPlan, frames: FrameRows): Int32Array | Uint32Array | Float64Array {
  const rowCount = frames.rows.length;
  if (bits.bitCount <= 32) {
    const values = bits.signed ? new Int32Array(rowCount) : new Uint32Array(rowCount);
    gatherNarrow(bits, frames, values);
    return values;
  }
  const words = gatherWide(bits, frames);
  const highs = bits.signed ? new Int32Array(words.buffer) : words;
  const values = new Float64Array(rowCount);
  for (let row = 0; row < rowCount; row++) values[row] = highs[row * 2 + 1]! * 2 ** 32 + words[row * 2]!;
  return values;
}

function physicalValues({ signal, bits, schema }: SignalPlan, frames: FrameRows): ColumnValues {
  if (signal.kind === 'float') return floatValues(signal, bits, frames);
  if (schema.type === 'int64') return new BigInt64Array(gatherWide(bits, frames).buffer);
  if (schema.type === 'uint64') return new BigUint64Array(gatherWide(bits, frames).buffer);
  const raw = rawNumbers(bits, frames);
  const { factor, offset } = signal;
  if (factor === 1 && offset === 0) return ofType(schema.type, raw);
  // One loop over one kind of array; conversions between kinds are the engine's own and fast.
  const physical = raw instanceof Float64Array ? raw : new Float64Array(raw);
  for (let row = 0; row < physical.length; row++) physical[row] = physical[row]! * factor + offset;
  return ofType(schema.type, physical);
}

function ofType(type: ColumnSchema['type'], values: Int32Array | Uint32Array | Float64Array): ColumnValues {
  switch (type) {
    case 'int8':
      return new Int8Array(values);
    case 'uint8':
      return new Uint8Array(values);
    case 'int16':
      return new Int16Array(values);
    case 'uint16':
      return new Uint16Array(values);
    case 'int32':
      return values instanceof Int32Array ? values : new Int32Array(values);
    case 'uint32':
      return values instanceof Uint32Array ? values : new Uint32Array(values);
    default:
      return values instanceof Float64Array ? values : new Float64Array(values);
  }
}

function floatValues(signal: DbcSignal, bits: BitPlan, frames: FrameRows): Float32Array | Float64Array {
  const { factor, offset, bitCount } = signal;
  if (bitCount === 32) {
    const words = new Uint32Array(frames.rows.length);
    gatherNarrow({ ...bits, signed: false }, frames, words);
    const singles = new Float32Array(words.buffer);
    if (factor === 1 && offset === 0) return singles;
    return Float64Array.from(singles, (value) => value * factor + offset);
  }
  const doubles = new Float64Array(gatherWide({ ...bits, signed: false }, frames).buffer);
  return doubles.map((value) => value * factor + offset);
}
