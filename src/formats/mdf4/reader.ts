import type {
  ColumnBatch,
  Loss,
  LossCounter,
  RecordingReader,
  RecordingSummary,
  Selection,
  TableBatch,
  VariableValues,
} from '../recording-reader.ts';
import { batchOf, type SelectedTable, selectColumns } from './batches.ts';
import type { ColumnPlan, Rows } from './columns.ts';
import type { StreamSource } from './data-stream.ts';
import { eventBatch, type RecordedEvent } from './events.ts';
import { fieldOf, type Records, rawValues } from './field-values.ts';
import { type Channel, type ChannelGroup, ChannelType, DataType, isStoredApart } from './model.ts';
import { applyNumeric, toFloat64 } from './physical-values.ts';
import { rowRangeOf } from './row-range.ts';
import { SignalData } from './signal-data.ts';
import { SortedRecords } from './sorted.ts';
import type { Mdf4Table, TablePart } from './tables.ts';
import { RecordSorter } from './unsorted.ts';

const BATCH_BYTES = 1 << 21;
const BATCH_ROWS_MAX = 1 << 16;
/** What all parts of a table may read before it is asked for. */
const AHEAD_BYTES_MAX = 1 << 25;
/** Values of variable length that one batch may bring with it. */
const BATCH_APART_BYTES = 1 << 24;

type Apart = Map<Channel, ColumnBatch & { readonly values: VariableValues }>;

/** What opening a file found out. */
export interface OpenedFile {
  readonly source: StreamSource;
  readonly tables: readonly Mdf4Table[];
  readonly events: readonly RecordedEvent[];
  readonly startTimeNs: bigint;
  readonly summary: RecordingSummary;
}

/** An open MDF 4 file. */
export class Mdf4Reader implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #source: StreamSource;
  readonly #tables: readonly Mdf4Table[];
  readonly #startTimeNs: bigint;
  readonly #events: readonly RecordedEvent[];
  readonly #loss: LossCounter;

  constructor(file: OpenedFile, loss: LossCounter) {
    this.#source = file.source;
    this.#tables = file.tables;
    this.#startTimeNs = file.startTimeNs;
    this.#events = file.events;
    this.#loss = loss;
    this.summary = file.summary;
  }

  loss(): Loss {
    return this.#loss.report();
  }

  async *read(selection: Selection = {}): AsyncGenerator<TableBatch> {
    const names = selection.tables === undefined ? undefined : new Set(selection.tables);
    const selected = this.#tables
      .filter((table) => names === undefined || names.has(table.summary.name))
      .map((table) => selectColumns(table, selection.columns));
    for (const dataGroup of new Set(selected.map(({ table }) => table.parts[0]!.dataGroup))) {
      const ofGroup = selected.filter(({ table }) => table.parts[0]!.dataGroup === dataGroup);
      if (dataGroup.recordIdBytes > 0) yield* this.#readUnsorted(ofGroup, selection);
      else for (const table of ofGroup) yield* this.#readSorted(table, selection);
    }
    const events = this.summary.tables.find((table) => table.schemaName === 'EV');
    if (events !== undefined && (names === undefined || names.has(events.name))) {
      yield eventBatch(events, this.#events, this.#startTimeNs, selection.columns);
    }
  }

  async *#readSorted(selected: SelectedTable, selection: Selection): AsyncGenerator<TableBatch> {
    const { parts } = selected.table;
    // Parts of which no column is wanted are not read, except the first, which has the master.
    const read = selected.plans.map((plans, index) => index === 0 || plans.length > 0);
    const apart = parts.map((part, index) => this.#apartReaders(part, selected.plans[index]!));
    const strideBytes = parts.reduce((sum, { group }) => sum + group.dataBytes + group.invalidationBytes, 0);
    const rowsWanted = Math.max(
      1,
      Math.min(BATCH_ROWS_MAX, Math.floor(BATCH_BYTES / Math.max(1, strideBytes))),
    );
    const { master } = selected.table;
    const range = await rowRangeOf(this.#source, selected.table, this.#startTimeNs, selection);
    const records = parts.map((part, index) => {
      const channels = selected.plans[index]!.map((plan) => plan.channel);
      if (index === 0 && master !== undefined) channels.push(master.channel);
      const use = { batchRows: rowsWanted, channels, aheadBytesMax: AHEAD_BYTES_MAX / parts.length, range };
      return new SortedRecords(this.#source, part, use, this.#loss);
    });
    try {
      yield* this.#takeSorted(selected, records, read, apart, {
        rowsWanted,
        firstRow: range.start,
        selection,
      });
      for (const [index, each] of records.entries()) if (read[index]) each.countMissing();
    } finally {
      for (const each of records) await each.close();
    }
  }

  async *#takeSorted(
    selected: SelectedTable,
    records: readonly SortedRecords[],
    read: readonly boolean[],
    apart: readonly ApartReader[][],
    {
      rowsWanted,
      firstRow: rangeStart,
      selection,
    }: { readonly rowsWanted: number; readonly firstRow: number; readonly selection: Selection },
  ): AsyncGenerator<TableBatch> {
    const { summary } = selected.table;
    let firstRow = rangeStart;
    for (;;) {
      const taken = await Promise.all(
        records.map((each, index) => (read[index] ? each.take(rowsWanted) : undefined)),
      );
      const present = taken.filter((each) => each !== undefined);
      const count = Math.min(...present.map((each) => each.records.count));
      if (count === 0) break;
      if (present.some((each) => each.records.count !== count)) {
        this.#loss.add(
          0,
          0,
          `${summary.name}: channels that share a master end at different rows, after ${count}`,
        );
      }
      const damaged = mergeFlags(present.map((each) => each.damaged));
      for (const [start, end] of this.#spans(taken[0]!.records, count, selected)) {
        const rowsByPart: Rows[] = [];
        for (const [index, each] of taken.entries()) {
          const span = each === undefined ? NO_RECORDS : slice(each.records, start, end);
          rowsByPart.push({
            records: span,
            firstRow: firstRow + start,
            apart: await apartValues(apart[index]!, span),
          });
        }
        const batch = batchOf(
          selected,
          rowsByPart,
          damaged?.subarray(start, end),
          this.#startTimeNs,
          selection,
          this.#loss,
        );
        if (batch !== undefined) yield batch;
      }
      firstRow += count;
    }
  }

  /** Rows cut so that what lies apart of one batch stays bounded: places in the stream tell how long values are. */
  #spans(records: Records, count: number, selected: SelectedTable): [number, number][] {
    const { group } = selected.table.parts[0]!;
    const channels = apartChannels(selected.plans[0]!);
    if (channels.length === 0) return [[0, count]];
    const places = channels.map((channel) => placesOf(channel, group, records));
    const spans: [number, number][] = [];
    let start = 0;
    for (let row = 1; row < count; row++) {
      const isFull = places.some((of) => Math.abs(of[row]! - of[start]!) > BATCH_APART_BYTES);
      if (!isFull) continue;
      spans.push([start, row]);
      start = row;
    }
    spans.push([start, count]);
    return spans;
  }

  #apartReaders(part: TablePart, plans: readonly ColumnPlan[]): ApartReader[] {
    return apartChannels(plans).map((channel) => {
      const data = new SignalData(this.#source, channel.dataLink, this.#loss);
      return {
        channel,
        values: (records) =>
          data.values(placesOf(channel, part.group, records), sizesOf(channel, part.group, records)),
      };
    });
  }

  async *#readUnsorted(selected: readonly SelectedTable[], selection: Selection): AsyncGenerator<TableBatch> {
    const byGroup = new Map(selected.map((table) => [table.table.parts[0]!.group, table]));
    const { dataGroup } = selected[0]!.table.parts[0]!;
    const sorter = new RecordSorter(this.#source, dataGroup, new Set(byGroup.keys()), this.#loss);
    const streamed = (group: ChannelGroup) =>
      apartChannels(byGroup.get(group)!.plans[0]!).filter(
        (channel) => sorter.streamOf(channel.dataLink) !== undefined,
      );
    const elsewhere = new Map(
      selected.map((table) => {
        const readers = this.#apartReaders(table.table.parts[0]!, table.plans[0]!);
        return [table, readers.filter(({ channel }) => sorter.streamOf(channel.dataLink) === undefined)];
      }),
    );
    // Of the group that was asked about last, whose first records come next.
    const placesOfChannel = new Map<Channel, Float64Array>();
    const ready = (group: ChannelGroup, records: Records, isFinal: boolean) => {
      const channels = streamed(group);
      for (const channel of channels) placesOfChannel.set(channel, placesOf(channel, group, records));
      if (isFinal) return records.count;
      const counts = channels.map((channel) =>
        sorter.streamOf(channel.dataLink)!.readyCount(placesOfChannel.get(channel)!),
      );
      return Math.min(records.count, ...counts);
    };
    for await (const { group, records, firstRow } of sorter.records(ready)) {
      const table = byGroup.get(group)!;
      const apart: Apart = await apartValues(elsewhere.get(table)!, records);
      for (const channel of streamed(group)) {
        const { column, missing } = sorter
          .streamOf(channel.dataLink)!
          .values(placesOfChannel.get(channel)!.subarray(0, records.count));
        if (missing > 0) {
          this.#loss.add(
            0,
            0,
            `${channel.name}: ${missing} values of the ${records.count} rows from row ${firstRow} are not there`,
          );
        }
        apart.set(channel, column);
      }
      const batch = batchOf(
        table,
        [{ records, firstRow, apart }],
        undefined,
        this.#startTimeNs,
        selection,
        this.#loss,
      );
      if (batch !== undefined) yield batch;
    }
  }
}

interface ApartReader {
  readonly channel: Channel;
  readonly values: (records: Records) => Promise<ColumnBatch & { readonly values: VariableValues }>;
}

async function apartValues(readers: readonly ApartReader[], records: Records): Promise<Apart> {
  const apart: Apart = new Map();
  for (const { channel, values } of readers) apart.set(channel, await values(records));
  return apart;
}

function apartChannels(plans: readonly ColumnPlan[]): Channel[] {
  return [...new Set(plans.map((plan) => plan.channel))].filter(isStoredApart);
}

/** Where in their stream the values of a channel lie: the raw number that the record holds. */
function placesOf(channel: Channel, group: ChannelGroup, records: Records): Float64Array {
  const field = fieldOf({ ...channel, dataType: DataType.unsignedLittle }, channel, group.dataBytes);
  return toFloat64(rawValues(field, records));
}

function sizesOf(channel: Channel, group: ChannelGroup, records: Records): ArrayLike<number> | undefined {
  const { sizeChannel } = channel;
  if (channel.type !== ChannelType.variableLengthCompact || sizeChannel === undefined) return undefined;
  return applyNumeric(
    rawValues(fieldOf(sizeChannel, sizeChannel, group.dataBytes), records),
    sizeChannel.conversion,
  );
}

const NO_RECORDS: Records = { bytes: new Uint8Array(0), strideBytes: 0, count: 0 };

function slice(records: Records, start: number, end: number): Records {
  const { bytes, strideBytes } = records;
  return { bytes: bytes.subarray(start * strideBytes, end * strideBytes), strideBytes, count: end - start };
}

function mergeFlags(all: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const present = all.filter((flags) => flags !== undefined);
  const [first, ...others] = present;
  return first?.map((flag, row) => flag | others.reduce((sum, other) => sum | (other[row] ?? 0), 0));
}
