import type { LossCounter } from '../recording-reader.ts';
import { piecesOf, type StreamSource } from './data-stream.ts';
import type { Records } from './field-values.ts';
import { type ChannelGroup, type DataGroup, GROUP_IS_VLSD } from './model.ts';
import { RecordBuffer, VariableStream } from './record-buffers.ts';
import { RecordCutter, type Slot } from './record-cutter.ts';

/**
 * Takes apart a data group in which the records of several channel groups lie mixed, each behind the id of its group
 * (ASAM MDF 4.1.0, 4.14.2): what a logger writes as it goes. Records of a VLSD group are `u32 length, bytes`; a fixed
 * record refers to them by their place in the stream of that group.
 */
export class RecordSorter {
  readonly #source: StreamSource;
  readonly #dataGroup: DataGroup;
  readonly #loss: LossCounter;
  readonly #slots = new Map<number, Slot>();
  readonly #streams = new Map<number, VariableStream>();
  readonly #collected: readonly Collected[];

  /** Records of groups outside of `wanted` are stepped over. */
  constructor(
    source: StreamSource,
    dataGroup: DataGroup,
    wanted: ReadonlySet<ChannelGroup>,
    loss: LossCounter,
  ) {
    this.#source = source;
    this.#dataGroup = dataGroup;
    this.#loss = loss;
    const needed = new Set<number>();
    for (const group of wanted) for (const channel of group.channels) needed.add(channel.dataLink);
    for (const group of dataGroup.channelGroups) {
      if ((group.flags & GROUP_IS_VLSD) !== 0) {
        const stream = new VariableStream(!source.unfinished.variableLengthOffsets);
        this.#streams.set(group.offset, stream);
        this.#slots.set(group.recordId, { group, stream, isWanted: needed.has(group.offset), sizeBytes: -1 });
      } else {
        const sizeBytes = group.dataBytes + group.invalidationBytes;
        this.#slots.set(group.recordId, {
          group,
          buffer: new RecordBuffer(sizeBytes),
          isWanted: wanted.has(group),
          sizeBytes,
        });
      }
    }
    this.#collected = [...this.#slots.values()].flatMap(({ group, buffer, isWanted }) => {
      if (buffer === undefined || !isWanted) return [];
      const streams = group.channels.flatMap((channel) => this.#streams.get(channel.dataLink) ?? []);
      return [{ group, buffer, streams: [...new Set(streams)] }];
    });
  }

  /** The stream that a channel's values lie in; undefined where the channel names none of this data group. */
  streamOf(dataLink: number): VariableStream | undefined {
    return this.#streams.get(dataLink);
  }

  /**
   * Records as they collect, group by group, each group's in their order; good until the next ones are asked for.
   * `ready` says how many records of a group have all their values; the others wait for the next round, except when
   * `isFinal`.
   */
  async *records(ready: Ready): AsyncGenerator<SortedBatch> {
    const cutter = new RecordCutter(this.#dataGroup.recordIdBytes, this.#slots);
    let isLost = false;
    const skipped = new SkippedBytes(this.#loss);
    for await (const piece of piecesOf(this.#source, this.#dataGroup.dataLink, { stepBytes: STEP_BYTES })) {
      if (piece.kind === 'lost') {
        skipped.count();
        this.#loss.add(0, (piece.sizeBytes ?? 0) + cutter.dropPartial(), piece.reason);
        this.#breakOffStreams();
        continue;
      }
      if (isLost && !piece.startsBlock) {
        skipped.add(piece.bytes.length);
        continue;
      }
      skipped.count();
      const stopped = cutter.cut(piece);
      isLost = stopped !== undefined;
      const waitingBytes = this.#bufferedBytes();
      if (waitingBytes >= OVERDUE_BYTES) yield* this.#flush(ready, true);
      else if (waitingBytes >= WAITING_BYTES_MAX) yield* this.#flushLargest(ready);
      if (stopped?.isPadding) break;
      if (stopped !== undefined) {
        this.#loss.add(0, stopped.bytesLeft, stopped.reason);
        this.#breakOffStreams();
      }
    }
    skipped.count();
    const partial = cutter.dropPartial();
    const isCounted = !this.#source.unfinished.cycleCounters;
    if (partial > 0) {
      this.#loss.add(
        isCounted ? 0 : 1,
        partial,
        `the last record is cut short: ${partial} bytes of it are there`,
      );
    }
    yield* this.#flush(ready, true);
    if (isCounted) this.#countMissing();
  }

  /** What the counters of a finalized file claim and the data do not hold. */
  #countMissing(): void {
    for (const { group, buffer, isWanted } of this.#slots.values()) {
      const missing = buffer === undefined || !isWanted ? 0 : group.cycleCount - buffer.rowsTaken;
      if (missing <= 0) continue;
      const name = group.acquisitionName || `the channel group with record id ${group.recordId}`;
      const reason = `${name} claims ${group.cycleCount} records, ${buffer?.rowsTaken} are there`;
      this.#loss.add(Number.isSafeInteger(missing) ? missing : 0, 0, reason);
    }
  }

  /** Where a stream of variable values goes on behind a gap is not known. */
  #breakOffStreams(): void {
    for (const stream of this.#streams.values()) stream.breakOff();
  }

  #bufferedBytes(): number {
    let total = 0;
    for (const slot of this.#slots.values()) total += slot.buffer?.sizeBytes ?? slot.stream?.sizeBytes ?? 0;
    return total;
  }

  *#flush(ready: Ready, isFinal: boolean): Generator<SortedBatch> {
    for (const collected of this.#collected) yield* handedOut(collected, ready, isFinal);
    for (const stream of this.#streams.values()) stream.forget();
  }

  /** Only one group for each step that was read: all at once would hold up the event loop. */
  *#flushLargest(ready: Ready): Generator<SortedBatch> {
    const bySize = this.#collected.toSorted((first, second) => heldBytesOf(second) - heldBytesOf(first));
    for (const collected of bySize) {
      if (yield* handedOut(collected, ready, false)) break;
    }
    for (const stream of this.#streams.values()) stream.forget();
  }
}

type Ready = (group: ChannelGroup, records: Records, isFinal: boolean) => number;

/** A group that is wanted, and what is held of it. */
interface Collected {
  readonly group: ChannelGroup;
  readonly buffer: RecordBuffer;
  readonly streams: readonly VariableStream[];
}

function heldBytesOf({ buffer, streams }: Collected): number {
  return streams.reduce((sum, stream) => sum + stream.sizeBytes, buffer.sizeBytes);
}

/** @returns whether there was anything that is ready. */
function* handedOut(
  { group, buffer }: Collected,
  ready: Ready,
  isFinal: boolean,
): Generator<SortedBatch, boolean> {
  if (buffer.count === 0) return false;
  const count = ready(group, buffer.first(buffer.count), isFinal);
  if (count === 0) return false;
  yield { group, records: buffer.first(count), firstRow: buffer.rowsTaken };
  buffer.drop(count);
  return true;
}

/** What follows an unknown record id, to the end of its block: one loss, in however many pieces it is read. */
class SkippedBytes {
  readonly #loss: LossCounter;
  #sizeBytes = 0;
  #counted = 0;

  constructor(loss: LossCounter) {
    this.#loss = loss;
  }

  add(sizeBytes: number): void {
    this.#sizeBytes += sizeBytes;
  }

  count(): void {
    if (this.#sizeBytes === 0) return;
    this.#counted += 1;
    const reason = `the records of block ${this.#counted} with an unknown record id cannot be told apart to its end: ${this.#sizeBytes} bytes`;
    this.#loss.add(0, this.#sizeBytes, reason);
    this.#sizeBytes = 0;
  }
}

export interface SortedBatch {
  readonly group: ChannelGroup;
  readonly records: Records;
  readonly firstRow: number;
}

/** Taking records apart costs ten times what reading them does: small steps, so that the event loop gets its turns. */
const STEP_BYTES = 1 << 18;
/** Records and variable values held back together; above, the largest group is handed out. */
const WAITING_BYTES_MAX = 3 << 20;
/** Values that have not come by then are not waited for any longer. */
const OVERDUE_BYTES = 1 << 26;
