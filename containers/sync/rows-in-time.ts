import { numbersOf, timesOf } from '#domain/column-values.ts';
import type { TableReader } from '#domain/ports/table-reader.ts';
import type { NullableColumn } from '#domain/scene-intervals.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import { RecordedTimes, type Signal, type Stretch } from '#domain/timeline.ts';

/** Rows of a table, batch by batch in order of time; of the file they come from, no more is in memory. */

export interface TimedRows {
  /** Ascending. */
  readonly timestampsNs: BigInt64Array;
  readonly columns: readonly NullableColumn[];
}

/** When the rows of a file were recorded, and whether in order. Reads its times only, a second time where not. */
export async function recordedTimesOf(
  reader: TableReader,
  localPath: string,
  gapNsMax: bigint,
): Promise<{ readonly ascending: boolean; readonly stretches: readonly Stretch[] }> {
  const asWritten = new RecordedTimes(gapNsMax);
  for await (const rows of reader.read(localPath, [TIME_COLUMN.name])) asWritten.add(timesOf([rows], 0));
  if (asWritten.ascending) return asWritten;
  const inOrder = new RecordedTimes(gapNsMax);
  for await (const { timestampsNs } of rowsInTime(reader, { localPath, ascending: false }, []))
    inOrder.add(timestampsNs);
  return { ascending: false, stretches: inOrder.stretches };
}

/**
 * The columns of one file in order of time. Recorders write late messages late: a file that is not in order is sorted
 * by the reader, rows of one time staying in the order of the file.
 */
export async function* rowsInTime(
  reader: TableReader,
  file: { readonly localPath: string; readonly ascending: boolean },
  columns: readonly string[],
): AsyncGenerator<TimedRows> {
  const options = file.ascending ? {} : { orderedBy: TIME_COLUMN.name };
  for await (const rows of reader.read(file.localPath, [TIME_COLUMN.name, ...columns], options)) {
    yield {
      timestampsNs: timesOf([rows], 0),
      columns: columns.map((_, index) => numbersOf([rows], index + 1)),
    };
  }
}

/** Several parts of one table as one; among rows of one time those of earlier parts come first. */
export async function* mergedInTime(parts: readonly AsyncIterable<TimedRows>[]): AsyncGenerator<TimedRows> {
  const iterators = parts.map((part) => part[Symbol.asyncIterator]());
  const next = async (index: number): Promise<TimedRows | undefined> => {
    for (;;) {
      const { done, value } = await iterators[index]!.next();
      if (done === true) return undefined;
      if (value.timestampsNs.length > 0) return value;
    }
  };
  try {
    const heads: (TimedRows | undefined)[] = [];
    for (let index = 0; index < parts.length; index++) heads.push(await next(index));
    for (;;) {
      const first = earliestOf(heads);
      if (first === undefined) return;
      const head = heads[first]!;
      const count = rowsBeforeOthers(heads, first);
      yield sliceOf(head, 0, count);
      heads[first] =
        count < head.timestampsNs.length ? sliceOf(head, count, head.timestampsNs.length) : await next(first);
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.();
  }
}

function earliestOf(heads: readonly (TimedRows | undefined)[]): number | undefined {
  let earliest: number | undefined;
  for (const [index, head] of heads.entries()) {
    if (head === undefined) continue;
    if (earliest === undefined || head.timestampsNs[0]! < heads[earliest]!.timestampsNs[0]!) earliest = index;
  }
  return earliest;
}

/** How many rows of a head come before the first rows of all others; at least one of the earliest. */
function rowsBeforeOthers(heads: readonly (TimedRows | undefined)[], first: number): number {
  const { timestampsNs } = heads[first]!;
  let count = timestampsNs.length;
  for (const [index, head] of heads.entries()) {
    if (head === undefined || index === first) continue;
    const otherNs = head.timestampsNs[0]!;
    count = Math.min(
      count,
      index < first ? rowsUntil(timestampsNs, otherNs - 1n) : rowsUntil(timestampsNs, otherNs),
    );
  }
  return count;
}

/** How many of the ascending times are at or before a time. */
function rowsUntil(timestampsNs: BigInt64Array, timeNs: bigint): number {
  let [low, high] = [0, timestampsNs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timestampsNs[middle]! <= timeNs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sliceOf(rows: TimedRows, start: number, end: number): TimedRows {
  return {
    timestampsNs: rows.timestampsNs.subarray(start, end),
    columns: rows.columns.map(({ values, validity }) => ({
      values: values.subarray(start, end),
      validity: validity.subarray(start, end),
    })),
  };
}

/** A window that moves over the rows of a table, forward only. */
export class MovingWindow {
  readonly #rows: AsyncIterator<TimedRows>;
  readonly #columnCount: number;
  #held: TimedRows[] = [];
  #latestNs: bigint | undefined;
  #ended = false;

  constructor(rows: AsyncIterable<TimedRows>, columnCount: number) {
    this.#rows = rows[Symbol.asyncIterator]();
    this.#columnCount = columnCount;
  }

  /** The signals from `fromNs` to `toNs`, both included. Neither may be earlier than the time before. */
  async between(fromNs: bigint, toNs: bigint): Promise<readonly Signal[]> {
    while (!this.#ended && (this.#latestNs === undefined || this.#latestNs <= toNs)) await this.#hold(fromNs);
    this.#held = this.#held.filter((rows) => rows.timestampsNs.at(-1)! >= fromNs);
    const parts = this.#held
      .map((rows) =>
        sliceOf(rows, rowsUntil(rows.timestampsNs, fromNs - 1n), rowsUntil(rows.timestampsNs, toNs)),
      )
      .filter((rows) => rows.timestampsNs.length > 0);
    return signalsOf(parts, this.#columnCount);
  }

  async close(): Promise<void> {
    this.#held = [];
    await this.#rows.return?.();
  }

  async #hold(fromNs: bigint): Promise<void> {
    const { done, value } = await this.#rows.next();
    if (done === true) {
      this.#ended = true;
      return;
    }
    const latestNs = value.timestampsNs.at(-1);
    if (latestNs === undefined) return;
    this.#latestNs = latestNs;
    if (latestNs >= fromNs) this.#held.push(value);
  }
}

function signalsOf(parts: readonly TimedRows[], columnCount: number): readonly Signal[] {
  const [only] = parts;
  if (only !== undefined && parts.length === 1)
    return only.columns.map((column) => ({ timestampsNs: only.timestampsNs, ...column }));
  const rowCount = parts.reduce((sum, part) => sum + part.timestampsNs.length, 0);
  const timestampsNs = new BigInt64Array(rowCount);
  const columns = Array.from({ length: columnCount }, () => ({
    values: new Float64Array(rowCount),
    validity: new Uint8Array(rowCount),
  }));
  let offset = 0;
  for (const part of parts) {
    timestampsNs.set(part.timestampsNs, offset);
    for (const [index, column] of columns.entries()) {
      column.values.set(part.columns[index]!.values, offset);
      column.validity.set(part.columns[index]!.validity, offset);
    }
    offset += part.timestampsNs.length;
  }
  return columns.map((column) => ({ timestampsNs, ...column }));
}
