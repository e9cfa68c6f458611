import type { ColumnBatch, ColumnValues } from '../recording-reader.ts';
import { gatherFixedList, gatherScalar, gatherScalarLists, gatherText, offsetsOf } from './gather.ts';
import type { MessageBatch } from './message-batch.ts';
import type { DecodedMessages, MessageDecoder, MessageSlices } from './message-decoder.ts';
import type { MessageType } from './message-type.ts';
import { PRIMITIVE_SIZE_BYTES } from './message-type.ts';
import type {
  BlockStep,
  ListStep,
  ScalarListStep,
  Step,
  StringStep,
  WireLayout,
  WireRules,
} from './wire-layout.ts';
import { wireLayoutOf } from './wire-layout.ts';

/** Compiles a decoder for one message type under the given wire rules. */
export function columnarDecoder(message: MessageType, rules: WireRules): MessageDecoder {
  const layout = wireLayoutOf(message, rules);
  return { columns: layout.columns, decode: (messages, wanted) => decode(layout, messages, wanted) };
}

function decode(layout: WireLayout, messages: MessageSlices, wanted: Uint8Array): DecodedMessages {
  const { bytes, count } = messages;
  let starts = messages.starts.slice(0, count);
  let ends = messages.ends.slice(0, count);
  let misfits: number[] = [];
  for (;;) {
    const attempt = new Attempt(layout, bytes, starts, ends, wanted);
    const bad = attempt.run();
    if (bad.length === 0) return { columns: attempt.columns(), misfits };
    // Misfits are rare, so they cost a new attempt without them rather than a check in every loop.
    misfits = mergedMisfits(misfits, bad);
    const leftOut = new Set(bad);
    starts = starts.filter((_, row) => !leftOut.has(row));
    ends = ends.filter((_, row) => !leftOut.has(row));
  }
}

/** `bad` counts rows without the earlier misfits; the result counts all. Both are ascending. */
function mergedMisfits(earlier: readonly number[], bad: readonly number[]): number[] {
  const merged: number[] = [];
  let passed = 0;
  for (const row of bad) {
    while (passed < earlier.length && earlier[passed]! <= row + passed) merged.push(earlier[passed++]!);
    merged.push(row + passed);
  }
  return [...merged, ...earlier.slice(passed)];
}

class Attempt {
  readonly #layout: WireLayout;
  readonly #batch: MessageBatch;
  readonly #wanted: Uint8Array;
  readonly #values: (ColumnValues | undefined)[];

  constructor(
    layout: WireLayout,
    bytes: Uint8Array,
    starts: Uint32Array,
    ends: Uint32Array,
    wanted: Uint8Array,
  ) {
    this.#layout = layout;
    this.#wanted = wanted;
    this.#values = new Array(layout.columns.length);
    this.#batch = {
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      rules: layout.rules,
      count: starts.length,
      cursors: starts.slice(),
      ends,
      origins: starts,
    };
  }

  /** Rows that do not fit, found at the first step at which any does not; empty when all fit. */
  run(): readonly number[] {
    for (const step of this.#layout.steps) {
      const misfits = runStep(step, this.#batch, this.#wanted, this.#values);
      if (misfits.length > 0) return misfits;
    }
    return rowsNotAtTheirEnd(this.#batch);
  }

  columns(): ColumnBatch[] {
    const columns: ColumnBatch[] = [];
    for (const values of this.#values) if (values !== undefined) columns.push({ values });
    return columns;
  }
}

const NONE: readonly number[] = [];

function rowsNotAtTheirEnd({ count, cursors, ends, rules }: MessageBatch): readonly number[] {
  const misfits: number[] = [];
  for (let i = 0; i < count; i += 1) if (ends[i]! - cursors[i]! > rules.paddingBytesMax) misfits.push(i);
  return misfits;
}

type Out = (ColumnValues | undefined)[];

function runStep(step: Step, batch: MessageBatch, wanted: Uint8Array, out: Out): readonly number[] {
  switch (step.kind) {
    case 'block':
      return runBlock(step, batch, wanted, out);
    case 'string':
      return runString(step, batch, wanted, out);
    case 'scalars':
      return runScalarList(step, batch, wanted, out);
    case 'list':
      return runList(step, batch, wanted, out);
    case 'align':
      return runAlign(step.to, batch);
    case 'header':
      return advanceAll(4, batch);
  }
}

function runAlign(to: number, { count, cursors, ends, origins }: MessageBatch): readonly number[] {
  const misfits: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const cursor = alignedAt(cursors[i]!, origins[i]!, to);
    if (cursor > ends[i]!) misfits.push(i);
    else cursors[i] = cursor;
  }
  return misfits;
}

function alignedAt(position: number, origin: number, to: number): number {
  const over = (position - origin) & (to - 1);
  return over === 0 ? position : position + to - over;
}

function advanceAll(sizeBytes: number, { count, cursors, ends }: MessageBatch): readonly number[] {
  const misfits: number[] = [];
  for (let i = 0; i < count; i += 1) {
    if (ends[i]! - cursors[i]! < sizeBytes) misfits.push(i);
    else cursors[i] = cursors[i]! + sizeBytes;
  }
  return misfits;
}

function runBlock(step: BlockStep, batch: MessageBatch, wanted: Uint8Array, out: Out): readonly number[] {
  const misfits = advanceAll(step.sizeBytes, batch);
  if (misfits.length > 0) return misfits;
  for (const { column, offset, scalar, length } of step.leaves) {
    if (wanted[column] !== 1) continue;
    // The cursors already stand behind the block.
    const fromCursor = offset - step.sizeBytes;
    out[column] =
      length === undefined
        ? gatherScalar(batch, fromCursor, scalar)
        : gatherFixedList(batch, fromCursor, scalar, length);
  }
  return NONE;
}

function runString(step: StringStep, batch: MessageBatch, wanted: Uint8Array, out: Out): readonly number[] {
  const counts = new Uint32Array(batch.count);
  const misfits = readCounts(batch, 1, 1, counts);
  if (misfits.length > 0) return misfits;
  if (wanted[step.column] === 1) out[step.column] = gatherText(batch, counts);
  advanceBy(batch, counts, 1);
  return NONE;
}

function runScalarList(
  step: ScalarListStep,
  batch: MessageBatch,
  wanted: Uint8Array,
  out: Out,
): readonly number[] {
  const sizeBytes = PRIMITIVE_SIZE_BYTES[step.scalar];
  const counts = new Uint32Array(batch.count);
  const misfits = readCounts(batch, sizeBytes, step.align, counts);
  if (misfits.length > 0) return misfits;
  if (wanted[step.column] === 1) out[step.column] = gatherScalarLists(batch, counts, step.scalar);
  advanceBy(batch, counts, sizeBytes);
  return NONE;
}

/** Reads a count before each cursor's values, checks it against the bytes that remain, moves behind it. */
function readCounts(
  batch: MessageBatch,
  sizeBytes: number,
  align: number,
  counts: Uint32Array,
): readonly number[] {
  const { view, rules, count, cursors, ends, origins } = batch;
  const misfits: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const cursor = cursors[i]!;
    const end = ends[i]!;
    const elements = end - cursor < 4 ? -1 : view.getUint32(cursor, rules.littleEndian);
    const values =
      elements > 0 && align > 1 ? alignedAt(cursor + 4, origins[i]!, align) : Math.min(cursor + 4, end);
    if (elements < 0 || elements * sizeBytes > end - values) {
      misfits.push(i);
      continue;
    }
    counts[i] = elements;
    cursors[i] = values;
  }
  return misfits;
}

function advanceBy({ count, cursors }: MessageBatch, counts: Uint32Array, sizeBytes: number): void {
  for (let i = 0; i < count; i += 1) cursors[i] = cursors[i]! + counts[i]! * sizeBytes;
}

function runList(step: ListStep, batch: MessageBatch, wanted: Uint8Array, out: Out): readonly number[] {
  const counts = new Uint32Array(batch.count);
  if (step.length === undefined) {
    const misfits = readCounts(batch, step.strideBytes ?? 1, step.strideAlign, counts);
    if (misfits.length > 0) return misfits;
  } else {
    counts.fill(step.length);
  }
  return step.strideBytes === undefined
    ? runVariableList(step, batch, counts, wanted, out)
    : runStridedList(step, step.strideBytes, batch, counts, wanted, out);
}

function runStridedList(
  step: ListStep,
  strideBytes: number,
  batch: MessageBatch,
  counts: Uint32Array,
  wanted: Uint8Array,
  out: Out,
): readonly number[] {
  const { count, cursors, ends, origins } = batch;
  const misfits: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const first =
      step.length === undefined ? cursors[i]! : alignedAt(cursors[i]!, origins[i]!, step.strideAlign);
    if (first > ends[i]! || counts[i]! * strideBytes > ends[i]! - first) misfits.push(i);
    else cursors[i] = first;
  }
  if (misfits.length > 0) return misfits;
  if (anyWanted(step, wanted)) {
    const offsets = offsetsOf(counts, count);
    const elements = elementBatch(batch, offsets);
    let next = 0;
    for (let i = 0; i < count; i += 1) {
      let cursor = cursors[i]!;
      for (let k = counts[i]!; k > 0; k -= 1, cursor += strideBytes, next += 1)
        elements.cursors[next] = cursor;
    }
    runElements(step, elements, offsets, wanted, out);
  }
  advanceBy(batch, counts, strideBytes);
  return NONE;
}

/** Elements of varying size are walked once to find where each begins, which also proves that they fit. */
function runVariableList(
  step: ListStep,
  batch: MessageBatch,
  counts: Uint32Array,
  wanted: Uint8Array,
  out: Out,
): readonly number[] {
  const { count, cursors, ends, origins } = batch;
  const misfits: number[] = [];
  const collect = anyWanted(step, wanted);
  const starts: number[] = [];
  for (let i = 0; i < count; i += 1) {
    let cursor = cursors[i]!;
    for (let k = counts[i]!; k > 0 && cursor >= 0; k -= 1) {
      if (collect) starts.push(cursor);
      cursor = walk(step.element, batch, cursor, ends[i]!, origins[i]!);
    }
    if (cursor < 0) misfits.push(i);
    else cursors[i] = cursor;
  }
  if (misfits.length > 0) return misfits;
  if (!collect) return NONE;
  const offsets = offsetsOf(counts, count);
  const elements = elementBatch(batch, offsets);
  elements.cursors.set(starts);
  runElements(step, elements, offsets, wanted, out);
  return NONE;
}

function anyWanted(step: ListStep, wanted: Uint8Array): boolean {
  return wanted.subarray(step.from, step.to).includes(1);
}

/** The elements of all lists as messages of their own; the cursors are still to be set. */
function elementBatch(batch: MessageBatch, offsets: Uint32Array): MessageBatch {
  const count = offsets[batch.count]!;
  const ends = new Uint32Array(count);
  const origins = new Uint32Array(count);
  for (let i = 0; i < batch.count; i += 1) {
    ends.fill(batch.ends[i]!, offsets[i]!, offsets[i + 1]!);
    origins.fill(batch.origins[i]!, offsets[i]!, offsets[i + 1]!);
  }
  return { ...batch, count, cursors: new Uint32Array(count), ends, origins };
}

function runElements(
  step: ListStep,
  elements: MessageBatch,
  offsets: Uint32Array,
  wanted: Uint8Array,
  out: Out,
): void {
  for (const inner of step.element) {
    const misfits = runStep(inner, elements, wanted, out);
    if (misfits.length > 0) throw new Error('an element that was measured to fit does not fit');
  }
  for (let column = step.from; column < step.to; column += 1) {
    const items = out[column];
    if (items !== undefined) out[column] = { kind: 'list', offsets, items };
  }
}

/** Where the steps of one message end that begins at `from`, or -1 when it does not fit before `end`. */
function walk(
  steps: readonly Step[],
  batch: MessageBatch,
  from: number,
  end: number,
  origin: number,
): number {
  let cursor = from;
  for (const step of steps) {
    if (step.kind === 'block') cursor += step.sizeBytes;
    else if (step.kind === 'align') cursor = alignedAt(cursor, origin, step.to);
    else if (step.kind === 'header') cursor += 4;
    else cursor = walkCounted(step, batch, cursor, end, origin);
    if (cursor < 0 || cursor > end) return -1;
  }
  return cursor;
}

function walkCounted(
  step: StringStep | ScalarListStep | ListStep,
  batch: MessageBatch,
  from: number,
  end: number,
  origin: number,
): number {
  let cursor = from;
  let elements = step.kind === 'list' ? step.length : undefined;
  if (elements === undefined) {
    if (end - cursor < 4) return -1;
    elements = batch.view.getUint32(cursor, batch.rules.littleEndian);
    cursor += 4;
  }
  if (step.kind === 'string') return cursor + elements;
  const align = step.kind === 'list' ? step.strideAlign : step.align;
  if (elements > 0 && align > 1) cursor = alignedAt(cursor, origin, align);
  if (step.kind === 'scalars') return cursor + elements * PRIMITIVE_SIZE_BYTES[step.scalar];
  if (step.strideBytes !== undefined) return cursor + elements * step.strideBytes;
  if (elements > end - cursor) return -1;
  for (let k = elements; k > 0 && cursor >= 0; k -= 1)
    cursor = walk(step.element, batch, cursor, end, origin);
  return cursor;
}
