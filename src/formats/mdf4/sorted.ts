import type { LossCounter } from '../recording-reader.ts';
import { type Piece, piecesOf, type StreamSource } from './data-stream.ts';
import type { Records } from './field-values.ts';
import { type Channel, type ChannelGroup, isVirtual } from './model.ts';
import type { RowRange } from './row-range.ts';
import type { TablePart } from './tables.ts';

/** Some records and, where not all of them could be read, which ones. */
export interface TakenRecords {
  readonly records: Records;
  /** 1 = the record's bytes are lost; absent when none is. */
  readonly damaged?: Uint8Array;
}

/** Rows of a group without value bytes (all channels virtual) exist only by its counter, which cannot be checked. */
const RECORDLESS_ROWS_MAX = 1 << 24;

/**
 * Lost records are stepped over one by one. A file that claims to have lost more than this, or more than its own size
 * could hold even compressed, is not followed further.
 */
const LOST_BYTES_MAX = 2 ** 31;
const INFLATION_MAX = 100;

/** How records are going to be used. */
export interface RecordUse {
  /** How many are taken at a time. */
  readonly batchRows: number;
  /** Which channels are decoded. */
  readonly channels: readonly Channel[];
  /** Memory for what is read before it is asked for. */
  readonly aheadBytesMax: number;
  /** Which rows are taken; others are not read. */
  readonly range: RowRange;
}

/** The records of a sorted data group, in order, as many at a time as are asked for. */
export class SortedRecords {
  readonly #group: ChannelGroup;
  readonly #values: ByteFlow;
  readonly #invalidation: ByteFlow | undefined;
  readonly #loss: LossCounter;
  readonly #rowsMax: number;
  #row = 0;

  constructor(
    source: StreamSource,
    { dataGroup, group, isColumnOriented }: TablePart,
    { batchRows, channels, aheadBytesMax, range }: RecordUse,
    loss: LossCounter,
  ) {
    this.#group = group;
    this.#loss = loss;
    // Column-oriented lists (4.2) keep invalidation bytes in blocks of their own.
    const apart = isColumnOriented && group.invalidationBytes > 0;
    const valueBytes = isColumnOriented ? group.dataBytes : group.dataBytes + group.invalidationBytes;
    this.#row = range.start;
    this.#rowsMax = Math.min(range.end, claimedRows(source, group, valueBytes));
    const lostBytesMax = Math.min(LOST_BYTES_MAX, source.reader.sizeBytes * INFLATION_MAX);
    this.#values = new ByteFlow(
      piecesOf(source, dataGroup.dataLink, {
        stepBytes: Math.max(1, valueBytes) * batchRows,
        aheadBytesMax,
        fromByte: range.start * valueBytes,
        toByte: range.end * valueBytes,
        wantedBytes: wantedBytesOf(channels, group, valueBytes),
      }),
      { strideBytes: valueBytes, countsRest: this.#rowsMax === Number.POSITIVE_INFINITY, lostBytesMax },
      loss,
    );
    this.#invalidation = apart
      ? new ByteFlow(
          piecesOf(source, dataGroup.dataLink, {
            kind: 'invalidation',
            aheadBytesMax,
            fromByte: range.start * group.invalidationBytes,
            toByte: range.end * group.invalidationBytes,
          }),
          { strideBytes: group.invalidationBytes, countsRest: false, lostBytesMax },
          loss,
        )
      : undefined;
  }

  /** Exactly `count` records, fewer only at the end. */
  async take(count: number): Promise<TakenRecords> {
    const wanted = Math.min(count, this.#rowsMax - this.#row);
    const { dataBytes, invalidationBytes } = this.#group;
    const taken =
      this.#values.strideBytes === 0
        ? { records: { bytes: new Uint8Array(0), strideBytes: 0, count: Math.max(0, wanted) } }
        : await this.#values.take(wanted);
    this.#row += taken.records.count;
    if (this.#invalidation === undefined || taken.records.count === 0) return taken;
    const flags = await this.#invalidation.take(taken.records.count);
    return { ...taken, records: interleave(taken.records, flags.records, dataBytes, invalidationBytes) };
  }

  /** Ends what is being read ahead. Nothing can be taken afterwards. */
  async close(): Promise<void> {
    await this.#values.close();
    await this.#invalidation?.close();
  }

  /** Counts what the file claims to have and has not. Called once, when no more records come. */
  countMissing(): void {
    if (!Number.isFinite(this.#rowsMax) || this.#row >= this.#rowsMax) return;
    const missing = this.#rowsMax - this.#row;
    this.#loss.add(
      Number.isSafeInteger(missing) ? missing : 0,
      0,
      `${this.#group.acquisitionName || 'a channel group'} claims ${this.#rowsMax} records, ${this.#row} are there`,
    );
  }
}

/** As many as the counter says; in an unfinalized file, or where it says none, as many as there are. */
function claimedRows(source: StreamSource, group: ChannelGroup, valueBytes: number): number {
  if (valueBytes === 0) {
    return group.cycleCount <= RECORDLESS_ROWS_MAX ? group.cycleCount : 0;
  }
  const isUnknown = source.unfinished.cycleCounters || group.cycleCount === 0;
  return isUnknown ? Number.POSITIVE_INFINITY : group.cycleCount;
}

/** Which bytes of a record the channels look at, invalidation bytes always. */
function wantedBytesOf(channels: readonly Channel[], group: ChannelGroup, strideBytes: number): Uint8Array {
  const wanted = new Uint8Array(strideBytes);
  wanted.fill(1, group.dataBytes);
  const all = channels.flatMap((channel) => [
    channel,
    ...(channel.sizeChannel === undefined ? [] : [channel.sizeChannel]),
  ]);
  for (const channel of all) {
    if (isVirtual(channel)) continue;
    const end = channel.byteOffset + Math.ceil((channel.bitOffset + channel.bitCount) / 8);
    // Elements of an array lie where their strides lead.
    if (channel.array === undefined) wanted.fill(1, channel.byteOffset, end);
    else wanted.fill(1);
  }
  return wanted;
}

function interleave(values: Records, flags: Records, dataBytes: number, invalidationBytes: number): Records {
  const strideBytes = dataBytes + invalidationBytes;
  const bytes = new Uint8Array(values.count * strideBytes);
  for (let row = 0; row < values.count; row++) {
    const start = row * dataBytes;
    bytes.set(values.bytes.subarray(start, start + dataBytes), row * strideBytes);
    if (row < flags.count) {
      const flag = row * invalidationBytes;
      bytes.set(flags.bytes.subarray(flag, flag + invalidationBytes), row * strideBytes + dataBytes);
    }
  }
  return { bytes, strideBytes, count: values.count };
}

/** Cuts a stream of pieces into records of one length. */
class ByteFlow {
  readonly strideBytes: number;
  readonly #pieces: AsyncGenerator<Piece>;
  readonly #loss: LossCounter;
  readonly #countsRest: boolean;
  /** The piece at hand: real bytes, or a number of lost ones. */
  #bytes: Uint8Array = new Uint8Array(0);
  #lostBytes = 0;
  #lostBytesLeft: number;
  #ended = false;

  /** `countsRest`: whether nobody else will count a record that is there only in part. */
  constructor(
    pieces: AsyncGenerator<Piece>,
    cut: { readonly strideBytes: number; readonly countsRest: boolean; readonly lostBytesMax: number },
    loss: LossCounter,
  ) {
    this.#countsRest = cut.countsRest;
    this.#lostBytesLeft = cut.lostBytesMax;
    this.#pieces = pieces;
    this.strideBytes = cut.strideBytes;
    this.#loss = loss;
  }

  async take(count: number): Promise<TakenRecords> {
    const stride = this.strideBytes;
    if (count <= 0 || !(await this.#refill()))
      return { records: { bytes: this.#bytes, strideBytes: stride, count: 0 } };
    if (this.#lostBytes === 0 && this.#bytes.length >= count * stride) {
      return { records: { bytes: this.#use(count * stride), strideBytes: stride, count } };
    }
    const collected = new Uint8Array(count * stride);
    const damaged = new Uint8Array(count);
    let damagedRows = 0;
    let filled = 0;
    while (filled < collected.length && (await this.#refill())) {
      if (this.#lostBytes > 0) {
        const size = Math.min(this.#lostBytes, collected.length - filled);
        const lastRow = Math.floor((filled + size - 1) / stride);
        for (let row = Math.floor(filled / stride); row <= lastRow; row++) {
          damagedRows += damaged[row] === 0 ? 1 : 0;
          damaged[row] = 1;
        }
        this.#lostBytes -= size;
        filled += size;
      } else {
        const bytes = this.#use(Math.min(this.#bytes.length, collected.length - filled));
        collected.set(bytes, filled);
        filled += bytes.length;
      }
    }
    const whole = Math.floor(filled / stride);
    const rest = filled - whole * stride;
    if (rest > 0)
      this.#loss.add(
        this.#countsRest ? 1 : 0,
        rest,
        `the last record has only ${rest} of its ${stride} bytes`,
      );
    const records = { bytes: collected.subarray(0, whole * stride), strideBytes: stride, count: whole };
    return damagedRows === 0 ? { records } : { records, damaged: damaged.subarray(0, whole) };
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined);
  }

  #use(size: number): Uint8Array {
    const used = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return used;
  }

  async #refill(): Promise<boolean> {
    while (this.#bytes.length === 0 && this.#lostBytes === 0 && !this.#ended) {
      const next = await this.#pieces.next();
      if (next.done) this.#ended = true;
      else if (next.value.kind === 'bytes') this.#bytes = next.value.bytes;
      else {
        this.#loss.add(0, next.value.sizeBytes ?? 0, next.value.reason);
        // Without its size, nothing behind it has a known place in a record.
        const lostBytes = next.value.sizeBytes ?? Number.POSITIVE_INFINITY;
        this.#lostBytesLeft -= lostBytes;
        if (this.#lostBytesLeft < 0) this.#ended = true;
        else this.#lostBytes = lostBytes;
      }
    }
    return this.#bytes.length > 0 || this.#lostBytes > 0;
  }
}
