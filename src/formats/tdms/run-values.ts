import { writeNanoseconds } from '../messages/nanoseconds.ts';
import { validUtf8 } from '../messages/valid-utf8.ts';
import type { VariableValues } from '../recording-reader.ts';
import type { Run } from './channel-cursor.ts';
import { isNumberKind, type NumberKind, sizeBytesOf, type ValueKind } from './data-types.ts';
import { float128At } from './float128.ts';
import type { Block, ByteRange, LoadedBytes } from './planned-bytes.ts';
import { SECONDS_1904_TO_1970 } from './timestamp.ts';

export type NumberValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** A column's values so far; rows whose run holds something else are 0 in `validity`. */
export interface Decoded<Values> {
  readonly values: Values;
  readonly validity?: Uint8Array;
}

const ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Record<NumberKind, unknown>;

/** The bytes of a run: from its first value to its last. */
export function rangeOf({ place, offset, strideBytes, count }: Run): ByteRange {
  if (place.form === 'texts') throw new Error('texts are read by their ends');
  const valueBytes = place.form === 'daqmx' ? place.strideBytes : sizeBytesOf(place.kind);
  return { offset, lengthBytes: (count - 1) * strideBytes + valueBytes };
}

/** Where in a row of a run the wanted number lies; undefined where the run does not hold it. */
interface Field {
  readonly kind: Exclude<ValueKind, 'string'>;
  readonly byteOffset: number;
  readonly bit?: number;
}

/** `scaleId` names one scaler of a DAQmx channel; undefined takes plain values, or the first scaler. */
function fieldOf({ place }: Run, scaleId: number | undefined): Field | undefined {
  if (place.form === 'texts') return undefined;
  if (place.form === 'values') return scaleId === undefined ? { kind: place.kind, byteOffset: 0 } : undefined;
  if (scaleId === undefined) return place.scalers[0];
  return place.scalers.find((scaler) => scaler.scaleId === scaleId);
}

/** Below this size a view would keep much more memory than it shows. */
const VIEW_BYTES_MIN = 1 << 15;

/**
 * Unscaled numbers, as `numbersOf` gives them, but without a copy where they lie in what was read as they are wanted:
 * only to be looked at.
 */
export function storedNumbersOf(
  runs: readonly Run[],
  loaded: LoadedBytes,
  kind: NumberKind,
): Decoded<NumberValues> {
  const view = kind === 'bool' ? undefined : viewOf(runs, loaded);
  const isWanted = view instanceof ARRAYS[kind] && view.byteLength >= VIEW_BYTES_MIN;
  return isWanted ? { values: view } : numbersOf(runs, loaded, kind, undefined);
}

/** The numbers of a single run whose bytes are those of a typed array already. */
function viewOf(runs: readonly Run[], loaded: LoadedBytes): NumberValues | undefined {
  const [run, another] = runs;
  if (run === undefined || another !== undefined || run.place.form !== 'values' || !run.isLittle)
    return undefined;
  const { kind } = run.place;
  if (!isNumberKind(kind) || run.strideBytes !== sizeBytesOf(kind)) return undefined;
  const block = loaded.block(rangeOf(run));
  const byteOffset = block.bytes.byteOffset + run.offset - block.offset;
  if (byteOffset % run.strideBytes !== 0) return undefined;
  return new ARRAYS[kind](block.bytes.buffer as ArrayBuffer, byteOffset, run.count);
}

/**
 * The numbers of the runs, one after the other, as `kind`, in an array of its own; another kind of number is only
 * turned into float64.
 */
export function numbersOf(
  runs: readonly Run[],
  loaded: LoadedBytes,
  kind: NumberKind,
  scaleId: number | undefined,
): Decoded<NumberValues> {
  const view = kind === 'float64' && scaleId === undefined ? viewOf(runs, loaded) : undefined;
  // The engine's own conversion of a whole array is several times as fast as a loop.
  if (view !== undefined) return { values: view instanceof Float64Array ? view.slice() : asFloat64(view) };
  const rowCount = rowsOf(runs);
  const values = new ARRAYS[kind](rowCount);
  const target = targetOf(values);
  const validity = new Validity(rowCount);
  let row = 0;
  for (const run of runs) {
    const field = fieldOf(run, scaleId);
    if (field === undefined) validity.clear(row, run.count);
    else {
      const block = loaded.block(rangeOf(run));
      if (field.bit !== undefined) gatherBits(values, row, run, field, block);
      else if (field.kind === kind) gather(target, row, run, field.byteOffset, block);
      else if (values instanceof Float64Array && (isNumberKind(field.kind) || field.kind === 'float128')) {
        convert(values, row, run, field.byteOffset, field.kind, block);
      } else validity.clear(row, run.count);
    }
    row += run.count;
  }
  if (kind === 'bool') for (let i = 0; i < rowCount; i++) values[i] = values[i] === 0 ? 0 : 1;
  return { values, ...validity.found() };
}

export function asFloat64(values: NumberValues): Float64Array {
  if (values instanceof Float64Array) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const numbers = new Float64Array(values.length);
    for (let row = 0; row < values.length; row++) numbers[row] = Number(values[row]!);
    return numbers;
  }
  return new Float64Array(values);
}

/** A column under way, as the words that values are moved in. */
interface Target {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
}

const NO_HALVES = new Uint16Array(0);
const NO_WORDS = new Uint32Array(0);

function targetOf(values: NumberValues): Target {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: sizeBytes } = values;
  return {
    sizeBytes,
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
    halves: sizeBytes === 2 ? new Uint16Array(buffer, byteOffset, byteLength / 2) : NO_HALVES,
    words: sizeBytes >= 4 ? new Uint32Array(buffer, byteOffset, byteLength / 4) : NO_WORDS,
  };
}

/** Moves values of the same size from where they lie to where they belong; bytes are turned when big endian. */
function gather(target: Target, row: number, run: Run, byteOffset: number, block: Block): void {
  const { sizeBytes, bytes, halves, words } = target;
  const { count, strideBytes, isLittle } = run;
  const { view } = block;
  let from = run.offset - block.offset + byteOffset;
  if (strideBytes === sizeBytes && isLittle) {
    bytes.set(block.bytes.subarray(from, from + count * sizeBytes), row * sizeBytes);
    return;
  }
  const end = row + count;
  switch (sizeBytes) {
    case 1:
      for (let i = row; i < end; i++, from += strideBytes) bytes[i] = view.getUint8(from);
      return;
    case 2:
      for (let i = row; i < end; i++, from += strideBytes) halves[i] = view.getUint16(from, isLittle);
      return;
    case 4:
      for (let i = row; i < end; i++, from += strideBytes) words[i] = view.getUint32(from, isLittle);
      return;
    default: {
      const [low, high] = isLittle ? [0, 4] : [4, 0];
      for (let i = row; i < end; i++, from += strideBytes) {
        words[2 * i] = view.getUint32(from + low, isLittle);
        words[2 * i + 1] = view.getUint32(from + high, isLittle);
      }
    }
  }
}

/** Numbers of another kind as float64; one loop per kind, since a call per value would cost more than its work. */
function convert(
  values: Float64Array,
  row: number,
  run: Run,
  byteOffset: number,
  kind: NumberKind | 'float128',
  block: Block,
): void {
  const { strideBytes, isLittle } = run;
  const { view } = block;
  const end = row + run.count;
  let from = run.offset - block.offset + byteOffset;
  switch (kind) {
    case 'int8':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getInt8(from);
      return;
    case 'bool':
    case 'uint8':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getUint8(from);
      return;
    case 'int16':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getInt16(from, isLittle);
      return;
    case 'uint16':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getUint16(from, isLittle);
      return;
    case 'int32':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getInt32(from, isLittle);
      return;
    case 'uint32':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getUint32(from, isLittle);
      return;
    case 'int64':
      for (let i = row; i < end; i++, from += strideBytes)
        values[i] = Number(view.getBigInt64(from, isLittle));
      return;
    case 'uint64':
      for (let i = row; i < end; i++, from += strideBytes)
        values[i] = Number(view.getBigUint64(from, isLittle));
      return;
    case 'float32':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getFloat32(from, isLittle);
      return;
    case 'float64':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = view.getFloat64(from, isLittle);
      return;
    case 'float128':
      for (let i = row; i < end; i++, from += strideBytes) values[i] = float128At(view, from, isLittle);
  }
}

/** A digital line: one bit of each row. */
function gatherBits(values: NumberValues, row: number, run: Run, field: Field, block: Block): void {
  const isBig = values instanceof BigInt64Array || values instanceof BigUint64Array;
  let from = run.offset - block.offset + field.byteOffset;
  for (let i = 0; i < run.count; i++, from += run.strideBytes) {
    const bit = (block.bytes[from]! >> field.bit!) & 1;
    if (isBig) values[row + i] = BigInt(bit);
    else values[row + i] = bit;
  }
}

/** Real (0) or imaginary (1) parts. */
export function complexPartOf(runs: readonly Run[], loaded: LoadedBytes, part: 0 | 1): Decoded<Float64Array> {
  const rowCount = rowsOf(runs);
  const values = new Float64Array(rowCount);
  const validity = new Validity(rowCount);
  let row = 0;
  for (const run of runs) {
    const field = fieldOf(run, undefined);
    if (field?.kind === 'complex64') {
      convert(values, row, run, part * 4, 'float32', loaded.block(rangeOf(run)));
    } else if (field?.kind === 'complex128') {
      convert(values, row, run, part * 8, 'float64', loaded.block(rangeOf(run)));
    } else validity.clear(row, run.count);
    row += run.count;
  }
  return { values, ...validity.found() };
}

const HIGH = 2 ** 32;
/** Seconds around 1970 that int64 nanoseconds can say. */
const SECONDS_MAX = 9_223_372_036;

/** UTC nanoseconds, rounded; times that int64 nanoseconds cannot say are no values. */
export function timestampsOf(runs: readonly Run[], loaded: LoadedBytes): Decoded<BigInt64Array> {
  const rowCount = rowsOf(runs);
  const values = new BigInt64Array(rowCount);
  const words = new Uint32Array(values.buffer);
  const validity = new Validity(rowCount);
  let row = 0;
  for (const run of runs) {
    const field = fieldOf(run, undefined);
    if (field?.kind !== 'timestamp') validity.clear(row, run.count);
    else {
      const block = loaded.block(rangeOf(run));
      const { view } = block;
      const { isLittle } = run;
      const [fractionHigh, fractionLow, secondsHigh, secondsLow] = isLittle ? [4, 0, 12, 8] : [8, 12, 0, 4];
      let from = run.offset - block.offset + field.byteOffset;
      for (let i = 0; i < run.count; i++, from += run.strideBytes) {
        const seconds =
          view.getInt32(from + secondsHigh, isLittle) * HIGH +
          view.getUint32(from + secondsLow, isLittle) -
          SECONDS_1904_TO_1970;
        const fraction =
          view.getUint32(from + fractionHigh, isLittle) / HIGH +
          view.getUint32(from + fractionLow, isLittle) / (HIGH * HIGH);
        if (Math.abs(seconds) >= SECONDS_MAX) validity.clear(row + i, 1);
        else writeNanoseconds(words, row + i, seconds, Math.round(fraction * 1e9));
      }
    }
    row += run.count;
  }
  return { values, ...validity.found() };
}

/** Texts, copied together; those whose place is damaged (`undefined`) are no values. */
export function textsOf(texts: readonly (Uint8Array | undefined)[]): Decoded<VariableValues> {
  const validity = new Validity(texts.length);
  const offsets = new Uint32Array(texts.length + 1);
  const valid = texts.map((text) => (text === undefined ? undefined : validUtf8(text)));
  for (const [row, text] of valid.entries()) {
    offsets[row + 1] = offsets[row]! + (text?.length ?? 0);
    if (text === undefined) validity.clear(row, 1);
  }
  const bytes = new Uint8Array(offsets[texts.length]!);
  for (const [row, text] of valid.entries()) if (text !== undefined) bytes.set(text, offsets[row]);
  return { values: { kind: 'variable', offsets, bytes }, ...validity.found() };
}

function rowsOf(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0);
}

/** All rows are values until one is said not to be. */
class Validity {
  readonly #rowCount: number;
  #flags: Uint8Array | undefined;

  constructor(rowCount: number) {
    this.#rowCount = rowCount;
  }

  clear(row: number, count: number): void {
    this.#flags ??= new Uint8Array(this.#rowCount).fill(1);
    this.#flags.fill(0, row, row + count);
  }

  found(): { validity?: Uint8Array } {
    return this.#flags === undefined ? {} : { validity: this.#flags };
  }
}
