import type { LossCounter, Selection, TableBatch, TableSummary } from '../recording-reader.ts';
import type { MessageDecoder } from './message-decoder.ts';

/** Where messages of one table lie in the bytes at hand, and when they were recorded. */
export class MessageRows {
  count = 0;
  starts: Uint32Array<ArrayBuffer>;
  ends: Uint32Array<ArrayBuffer>;
  /** UTC nanoseconds as 32-bit halves: low, high. */
  timeHalves: Uint32Array<ArrayBuffer>;

  /** Grows by itself; `capacity` is a guess that saves growing. */
  constructor(capacity = 256) {
    this.starts = new Uint32Array(capacity);
    this.ends = new Uint32Array(capacity);
    this.timeHalves = new Uint32Array(2 * capacity);
  }

  /** Makes room for one more; the caller writes its time at `timeHalves[2 * index]`. */
  push(start: number, end: number): number {
    const index = this.count;
    if (index === this.starts.length) this.#grow();
    this.starts[index] = start;
    this.ends[index] = end;
    this.count = index + 1;
    return index;
  }

  #grow(): void {
    this.starts = grown(this.starts);
    this.ends = grown(this.ends);
    this.timeHalves = grown(this.timeHalves);
  }
}

function grown(values: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(values.length * 2);
  larger.set(values);
  return larger;
}

/** No batch has more rows, however small the messages of a chunk are. */
const BATCH_ROWS_MAX = 32_768;

/** One topic of a recording: messages in, batches of columns out. */
export class MessageTable {
  readonly summary: TableSummary;
  readonly #decoder: MessageDecoder;

  constructor(summary: TableSummary, decoder: MessageDecoder) {
    this.summary = summary;
    this.#decoder = decoder;
  }

  /** The batches of `rows`, whose messages lie in `bytes`, in order; messages that do not fit count as loss. */
  *batches(
    bytes: Uint8Array,
    rows: MessageRows,
    selection: Selection,
    loss: LossCounter,
  ): Generator<TableBatch> {
    const inTime = selectTimes(rows, selection);
    for (let from = 0; from < inTime.count; from += BATCH_ROWS_MAX) {
      const to = Math.min(inTime.count, from + BATCH_ROWS_MAX);
      const batch = this.#batch(bytes, inTime, from, to, selection, loss);
      if (batch.rowCount > 0) yield batch;
    }
  }

  #batch(
    bytes: Uint8Array,
    rows: MessageRows,
    from: number,
    to: number,
    selection: Selection,
    loss: LossCounter,
  ): TableBatch {
    const columns = this.summary.columns;
    const wanted = Uint8Array.from(columns, ({ name }) =>
      (selection.columns?.includes(name) ?? true) ? 1 : 0,
    );
    const starts = rows.starts.subarray(from, to);
    const ends = rows.ends.subarray(from, to);
    const decoded = this.#decoder.decode({ bytes, starts, ends, count: to - from }, wanted);
    const timestampsNs = timesWithout(rows.timeHalves.slice(2 * from, 2 * to), decoded.misfits);
    this.#countMisfits(decoded.misfits, starts, ends, loss);
    return {
      table: this.summary,
      rowCount: timestampsNs.length,
      timestampsNs,
      columns: decoded.columns,
      columnSchemas: columns.filter((_, i) => wanted[i] === 1),
    };
  }

  #countMisfits(misfits: readonly number[], starts: Uint32Array, ends: Uint32Array, loss: LossCounter): void {
    if (misfits.length === 0) return;
    let sizeBytes = 0;
    for (const i of misfits) sizeBytes += ends[i]! - starts[i]!;
    const { name, schemaName } = this.summary;
    const what = misfits.length === 1 ? '1 message' : `${misfits.length} messages`;
    loss.add(
      misfits.length,
      sizeBytes,
      `${name}: ${what} left out, because the bytes do not fit the definition of ${schemaName || 'its schema'}`,
    );
  }
}

function selectTimes(rows: MessageRows, selection: Selection): MessageRows {
  const { startTimeNs, endTimeNs } = selection;
  if (startTimeNs === undefined && endTimeNs === undefined) return rows;
  const times = new BigInt64Array(rows.timeHalves.buffer);
  const selected = new MessageRows();
  for (let i = 0; i < rows.count; i += 1) {
    const time = times[i]!;
    if (startTimeNs !== undefined && time < startTimeNs) continue;
    if (endTimeNs !== undefined && time >= endTimeNs) continue;
    const index = selected.push(rows.starts[i]!, rows.ends[i]!);
    selected.timeHalves[2 * index] = rows.timeHalves[2 * i]!;
    selected.timeHalves[2 * index + 1] = rows.timeHalves[2 * i + 1]!;
  }
  return selected;
}

function timesWithout(halves: Uint32Array<ArrayBuffer>, misfits: readonly number[]): BigInt64Array {
  const times = new BigInt64Array(halves.buffer);
  if (misfits.length === 0) return times;
  const leftOut = new Set(misfits);
  return times.filter((_, i) => !leftOut.has(i));
}

/** Rows of several channels that feed one table, by their place in the bytes. */
export function inFileOrder(parts: readonly MessageRows[]): MessageRows {
  const [only, ...others] = parts;
  if (only !== undefined && others.length === 0) return only;
  const merged = new MessageRows();
  const cursors = parts.map(() => 0);
  for (;;) {
    let next = -1;
    for (const [i, rows] of parts.entries()) {
      if (cursors[i]! >= rows.count) continue;
      if (next < 0 || rows.starts[cursors[i]!]! < parts[next]!.starts[cursors[next]!]!) next = i;
    }
    const rows = parts[next];
    if (rows === undefined) return merged;
    const from = cursors[next]!;
    cursors[next] = from + 1;
    const index = merged.push(rows.starts[from]!, rows.ends[from]!);
    merged.timeHalves[2 * index] = rows.timeHalves[2 * from]!;
    merged.timeHalves[2 * index + 1] = rows.timeHalves[2 * from + 1]!;
  }
}
