import type { ColumnBatch, LossCounter, Selection, TableBatch } from '../recording-reader.ts';
import { ChannelCursor, type PlannedRuns, type Run } from './channel-cursor.ts';
import type { ChannelRows, ColumnPlan } from './columns.ts';
import { sizeBytesOf } from './data-types.ts';
import type { ByteRange, LoadedBytes, PlannedBytes } from './planned-bytes.ts';
import { keptRows, rowsInTime, timeColumnOf, timesOf } from './row-times.ts';
import { keepNumbers, keepRows, nullColumn } from './rows.ts';
import { rangeOf } from './run-values.ts';
import type { Channel, ChunkSpan } from './structure.ts';
import type { TdmsTable } from './tables.ts';
import { placesOfTexts } from './texts.ts';

const BATCH_ROWS_MAX = 1 << 16;
const BATCH_BYTES = 1 << 21;
const BATCH_TEXT_BYTES = 1 << 24;
/** How far apart in the file the values of one channel in one batch may lie. */
const REACH_BYTES = 1 << 24;
const ROW_BYTES_ESTIMATE = 8;
/** Chunks from this size on are batches of their own: what lies in one piece need not be put together. */
const CHUNK_BYTES_MIN = 1 << 19;

/** What the next rows of one channel are; undefined where it has no value for them. */
interface ChannelPlan {
  readonly runs: readonly Run[];
  readonly texts: readonly (ByteRange | undefined)[];
}

interface PlannedRows {
  readonly plans: ReadonlyMap<Channel, readonly Run[]>;
  readonly rowCount: number;
  readonly isLost: boolean;
}

/** Reads one table from its first selected row to its last, batch by batch. */
export class TableWalk {
  readonly #table: TdmsTable;
  readonly #columns: readonly ColumnPlan[];
  readonly #timeColumn: ColumnPlan | undefined;
  readonly #selection: Selection;
  readonly #bytes: PlannedBytes;
  readonly #loss: LossCounter;
  readonly #cursors = new Map<Channel, ChannelCursor>();
  readonly #rowBytes: number;
  readonly #batchRows: number;
  readonly #endRow: number;
  #row: number;
  /** Of the next rows, where they have been planned already, and what holds them. */
  #planned: PlannedRows | undefined;
  #plannedRanges: readonly ByteRange[] | undefined;

  constructor(
    table: TdmsTable,
    selection: Selection,
    source: {
      readonly spans: readonly ChunkSpan[];
      readonly bytes: PlannedBytes;
      readonly loss: LossCounter;
    },
  ) {
    const wanted = selection.columns === undefined ? undefined : new Set(selection.columns);
    this.#table = table;
    this.#columns = table.columns.filter(({ schema }) => wanted === undefined || wanted.has(schema.name));
    this.#timeColumn = timeColumnOf(table);
    this.#selection = selection;
    this.#bytes = source.bytes;
    this.#loss = source.loss;
    const { first, end } = rowsInTime(table, selection);
    this.#row = first;
    this.#endRow = end;
    const plans = this.#timeColumn === undefined ? this.#columns : [...this.#columns, this.#timeColumn];
    for (const { channel } of plans) {
      if (this.#cursors.has(channel)) continue;
      const cursor = new ChannelCursor(source.spans, channel.id, channel.valueCount);
      cursor.advance(first);
      this.#cursors.set(channel, cursor);
    }
    this.#rowBytes = ROW_BYTES_ESTIMATE * Math.max(1, this.#columns.length);
    this.#batchRows = Math.max(1, Math.min(BATCH_ROWS_MAX, Math.floor(BATCH_BYTES / this.#rowBytes)));
  }

  get isDone(): boolean {
    return this.#row >= this.#endRow;
  }

  /** Where in the file the next rows begin; tables are read in this order. */
  nextOffset(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const cursor of this.#cursors.values()) least = Math.min(least, cursor.nextOffset() ?? least);
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }

  /** What the next rows will be read from first. */
  nextRanges(): readonly ByteRange[] {
    if (this.isDone) return [];
    this.#planned = this.#plan();
    const { plans, isLost } = this.#planned;
    if (isLost) return [];
    if (this.#isSelective) return rangesOf([{ runs: plans.get(this.#timeColumn!.channel) ?? [], texts: [] }]);
    const ranges = rangesOf([...plans.values()].map((runs) => ({ runs, texts: [] })));
    const hasTexts = this.#columns.some(({ schema }) => schema.type === 'string');
    if (!hasTexts) this.#plannedRanges = ranges;
    return ranges;
  }

  /** Whether the times of rows are read before it is known whether their values are wanted. */
  get #isSelective(): boolean {
    const { startTimeNs, endTimeNs } = this.#selection;
    return this.#timeColumn !== undefined && (startTimeNs !== undefined || endTimeNs !== undefined);
  }

  /** The next rows, or undefined where none of those looked at is there and selected. Always moves on. */
  async next(): Promise<TableBatch | undefined> {
    const { plans, rowCount, isLost } = this.#planned ?? this.#plan();
    const plannedRanges = this.#plannedRanges;
    this.#planned = undefined;
    this.#plannedRanges = undefined;
    const firstRow = this.#row;
    if (isLost) {
      this.#advance(rowCount);
      return undefined;
    }
    const { channels, rows } = await this.#withTexts(plans, rowCount);
    this.#advance(rows);
    const ranges = plannedRanges ?? rangesOf(channels.values());
    const times = await this.#times(channels, ranges, firstRow, rows);
    const kept = keptRows(times, this.#selection);
    const untimed = times.unreadable?.reduce((sum, flag) => sum + flag, 0) ?? 0;
    if (untimed > 0) {
      const name = this.#table.summary.name;
      this.#loss.add(untimed, 0, `${name}: ${untimed} of the ${rows} rows from ${firstRow} on have no time`);
    }
    if (kept?.length === 0) return undefined;
    const columns = this.#decode(channels, await this.#bytes.load(ranges), firstRow, rows);
    return {
      table: this.#table.summary,
      rowCount: kept?.length ?? rows,
      timestampsNs: kept === undefined ? times.timestampsNs : keepNumbers(times.timestampsNs, kept),
      columns: kept === undefined ? columns : columns.map((column) => keepRows(column, kept)),
      columnSchemas: this.#columns.map((plan) => plan.schema),
    };
  }

  #advance(rows: number): void {
    this.#row += rows;
    for (const cursor of this.#cursors.values()) cursor.advance(rows);
  }

  /** The runs of all channels, for as many rows as all of them can be planned for. */
  #plan(): PlannedRows {
    const rowsMax = Math.min(this.#batchRows, this.#endRow - this.#row);
    const planned = new Map<Channel, PlannedRuns>();
    let rowCount = rowsMax;
    for (const [channel, cursor] of this.#cursors) {
      const plan = cursor.plan(rowsMax, REACH_BYTES);
      if (plan.rowCount === 0) continue;
      planned.set(channel, plan);
      rowCount = Math.min(rowCount, plan.rowCount);
    }
    const chunkRows = rowsInOnePiece(planned.values());
    if (chunkRows * this.#rowBytes >= CHUNK_BYTES_MIN) rowCount = Math.min(rowCount, chunkRows);
    const plans = new Map<Channel, readonly Run[]>();
    for (const [channel, plan] of planned) if (!plan.isLost) plans.set(channel, cut(plan.runs, rowCount));
    const isTimeLost = this.#timeColumn !== undefined && !plans.has(this.#timeColumn.channel);
    return { plans, rowCount, isLost: isTimeLost || (plans.size === 0 && planned.size > 0) };
  }

  /** Finds the texts, and takes as many rows as their bytes allow. */
  async #withTexts(plans: ReadonlyMap<Channel, readonly Run[]>, rowCount: number) {
    const textsByChannel = new Map<Channel, (ByteRange | undefined)[]>();
    let rows = rowCount;
    for (const { channel, schema } of this.#columns) {
      const runs = plans.get(channel);
      if (schema.type !== 'string' || runs === undefined) continue;
      const texts = await placesOfTexts(runs, this.#bytes);
      textsByChannel.set(channel, texts);
      rows = Math.min(rows, rowsWithin(texts));
    }
    const channels = new Map<Channel, ChannelPlan>();
    for (const [channel, runs] of plans) {
      const texts = textsByChannel.get(channel)?.slice(0, rows) ?? [];
      channels.set(channel, { runs: rows === rowCount ? runs : cut(runs, rows), texts });
    }
    return { channels, rows };
  }

  async #times(
    channels: ReadonlyMap<Channel, ChannelPlan>,
    ranges: readonly ByteRange[],
    firstRow: number,
    rows: number,
  ) {
    const plan = this.#timeColumn === undefined ? undefined : channels.get(this.#timeColumn.channel);
    if (plan === undefined) return timesOf(this.#table, firstRow, rows, undefined);
    // Unless rows are selected by time, the time channel is read together with the others.
    const loaded = await this.#bytes.load(this.#isSelective ? rangesOf([plan]) : ranges);
    return timesOf(this.#table, firstRow, rows, { runs: plan.runs, loaded, texts: [] });
  }

  #decode(
    channels: ReadonlyMap<Channel, ChannelPlan>,
    loaded: LoadedBytes,
    firstRow: number,
    rows: number,
  ): ColumnBatch[] {
    return this.#columns.map((column) => {
      const plan = channels.get(column.channel);
      if (plan === undefined) return nullColumn(column.schema.type, rows);
      const texts = plan.texts.map((range) => (range === undefined ? undefined : loaded.bytes(range)));
      const damaged = texts.filter((text) => text === undefined).length;
      if (damaged > 0) {
        const name = `${this.#table.summary.name}, ${column.schema.name}`;
        this.#loss.add(0, 0, `${name}: ${damaged} of the ${rows} texts from row ${firstRow} on are damaged`);
      }
      const channelRows: ChannelRows = { runs: plan.runs, loaded, texts };
      return column.decode(channelRows);
    });
  }
}

function rangesOf(plans: Iterable<ChannelPlan>): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (const { runs, texts } of plans) {
    for (const text of texts) if (text !== undefined) ranges.push(text);
    if (texts.length > 0) continue;
    for (const run of runs) if (run.place.form !== 'texts') ranges.push(rangeOf(run));
  }
  return ranges;
}

/** How many rows come before one of the channels lies elsewhere; 0 where a channel lies in single values anyway. */
function rowsInOnePiece(planned: Iterable<PlannedRuns>): number {
  let rows = Number.POSITIVE_INFINITY;
  for (const { runs } of planned) {
    const [run] = runs;
    const { place, strideBytes, count } = run ?? {};
    if (place?.form !== 'values' || strideBytes !== sizeBytesOf(place.kind)) return 0;
    rows = Math.min(rows, count ?? 0);
  }
  return Number.isFinite(rows) ? rows : 0;
}

/** The first `rows` rows of the runs. */
function cut(runs: readonly Run[], rows: number): Run[] {
  const kept: Run[] = [];
  let left = rows;
  for (const run of runs) {
    if (left === 0) break;
    const count = Math.min(run.count, left);
    kept.push(count === run.count ? run : { ...run, count });
    left -= count;
  }
  return kept;
}

/** How many of the texts fit in one batch; at least one. */
function rowsWithin(texts: readonly (ByteRange | undefined)[]): number {
  let sizeBytes = 0;
  const end = texts.findIndex((range, row) => {
    sizeBytes += range?.lengthBytes ?? 0;
    return row > 0 && sizeBytes > BATCH_TEXT_BYTES;
  });
  return end === -1 ? texts.length : end;
}
