import type { Loss, RecordingReader, RecordingSummary, TableSummary } from '#formats/recording-reader.ts';
import { TimeHistogram } from './time-histogram.ts';

/** What is in a recording file, counted row by row. */
export interface Inspection {
  readonly summary: RecordingSummary;
  /** UTC nanoseconds of the earliest and latest row; absent without rows. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
  readonly tables: readonly InspectedTable[];
  readonly loss: Loss;
}

export interface InspectedTable {
  readonly table: TableSummary;
  readonly rowCount: number;
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
  /** Rows per second between the first and the last. */
  readonly rateHz?: number;
  /** The longest time between two rows, and when it began. */
  readonly longestGap?: { readonly ms: number; readonly startTimeNs: bigint };
  /** Rows earlier than the one before them. */
  readonly outOfOrderCount: number;
  readonly histogram: TimeHistogram;
}

/** Reads the times of all rows; no column is decoded, and memory does not depend on the length. */
export async function inspectRecording(reader: RecordingReader): Promise<Inspection> {
  const walks = new Map(reader.summary.tables.map((table) => [table.name, new TableWalk(table)]));
  for await (const batch of reader.read({ columns: [] })) {
    let walk = walks.get(batch.table.name);
    if (walk === undefined) {
      walk = new TableWalk(batch.table);
      walks.set(batch.table.name, walk);
    }
    for (let row = 0; row < batch.rowCount; row++) walk.add(batch.timestampsNs[row]!);
  }
  const tables = [...walks.values()].map((walk) => walk.inspected());
  const starts = tables.flatMap((table) => table.startTimeNs ?? []);
  const ends = tables.flatMap((table) => table.endTimeNs ?? []);
  return {
    summary: reader.summary,
    tables,
    loss: reader.loss(),
    ...(starts.length === 0
      ? {}
      : { startTimeNs: extreme(starts, (a, b) => a < b), endTimeNs: extreme(ends, (a, b) => a > b) }),
  };
}

function extreme(times: readonly bigint[], better: (a: bigint, b: bigint) => boolean): bigint {
  return times.reduce((best, time) => (better(time, best) ? time : best));
}

class TableWalk {
  readonly #table: TableSummary;
  readonly #histogram = new TimeHistogram();
  #rowCount = 0;
  #outOfOrderCount = 0;
  #previousNs: bigint | undefined;
  #startTimeNs: bigint | undefined;
  #endTimeNs: bigint | undefined;
  #gapNs = -1n;
  #gapStartNs = 0n;

  constructor(table: TableSummary) {
    this.#table = table;
  }

  add(timeNs: bigint): void {
    this.#rowCount += 1;
    this.#histogram.add(timeNs);
    const previousNs = this.#previousNs;
    if (previousNs !== undefined && timeNs < previousNs) this.#outOfOrderCount += 1;
    else if (previousNs !== undefined && timeNs - previousNs > this.#gapNs) {
      this.#gapNs = timeNs - previousNs;
      this.#gapStartNs = previousNs;
    }
    if (this.#startTimeNs === undefined || timeNs < this.#startTimeNs) this.#startTimeNs = timeNs;
    if (this.#endTimeNs === undefined || timeNs > this.#endTimeNs) this.#endTimeNs = timeNs;
    this.#previousNs = timeNs;
  }

  inspected(): InspectedTable {
    const common = {
      table: this.#table,
      rowCount: this.#rowCount,
      outOfOrderCount: this.#outOfOrderCount,
      histogram: this.#histogram,
    };
    const [startTimeNs, endTimeNs] = [this.#startTimeNs, this.#endTimeNs];
    if (startTimeNs === undefined || endTimeNs === undefined) return common;
    const seconds = Number(endTimeNs - startTimeNs) / 1e9;
    return {
      ...common,
      startTimeNs,
      endTimeNs,
      ...(seconds > 0 ? { rateHz: (this.#rowCount - 1) / seconds } : {}),
      ...(this.#gapNs < 0n
        ? {}
        : { longestGap: { ms: Number(this.#gapNs) / 1e6, startTimeNs: this.#gapStartNs } }),
    };
  }
}
