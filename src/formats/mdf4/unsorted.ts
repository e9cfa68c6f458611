import type { ColumnBatch, LossCounter, VariableValues } from '../recording-reader.ts';
import { type Piece, piecesOf, type StreamSource } from './data-stream.ts';
import type { Records } from './field-values.ts';
import { type ChannelGroup, type DataGroup, GROUP_IS_VLSD } from './model.ts';

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
  }

  /** The stream that a channel's values lie in; undefined where the channel names none of this data group. */
  streamOf(dataLink: number): VariableStream | undefined {
    return this.#streams.get(dataLink);
  }

  /**
   * Records as they collect, group by group, each group's in their order. `ready` says how many records of a group have
   * all their values; the others wait for the next round, except when `isFinal`.
   */
  async *records(
    ready: (group: ChannelGroup, records: Records, isFinal: boolean) => number,
  ): AsyncGenerator<SortedBatch> {
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
      if (waitingBytes >= WAITING_BYTES_MAX) yield* this.#flush(ready, waitingBytes >= OVERDUE_BYTES);
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

  *#flush(
    ready: (group: ChannelGroup, records: Records, isFinal: boolean) => number,
    isFinal: boolean,
  ): Generator<SortedBatch> {
    for (const { group, buffer } of this.#slots.values()) {
      if (buffer === undefined || buffer.count === 0) continue;
      const count = ready(group, buffer.records(), isFinal);
      if (count > 0) yield { group, records: buffer.take(count), firstRow: buffer.rowsTaken - count };
    }
    for (const stream of this.#streams.values()) stream.forget();
  }
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
const STEP_BYTES = 1 << 20;
/** Records and variable values held back together. */
const WAITING_BYTES_MAX = 1 << 22;
/** Values that have not come by then are not waited for any longer. */
const OVERDUE_BYTES = 1 << 26;

interface Slot {
  readonly group: ChannelGroup;
  readonly isWanted: boolean;
  /** Bytes of a fixed record; -1 for a VLSD group. */
  readonly sizeBytes: number;
  readonly buffer?: RecordBuffer;
  readonly stream?: VariableStream;
}

interface Stop {
  readonly reason: string;
  readonly bytesLeft: number;
  /** Zeros behind the last record: the rest of a preallocated file. */
  readonly isPadding: boolean;
}

const VARIABLE_BYTES_MAX = 1 << 28;

/** Walks pieces record by record; a record may go over from one piece to the next. */
class RecordCutter {
  readonly #idBytes: number;
  readonly #slots: ReadonlyMap<number, Slot>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(idBytes: number, slots: ReadonlyMap<number, Slot>) {
    this.#idBytes = idBytes;
    this.#slots = slots;
  }

  /** Forgets a record that was begun; its bytes. */
  dropPartial(): number {
    const dropped = this.#rest.length;
    this.#rest = new Uint8Array(0);
    return dropped;
  }

  /** Cuts all whole records; says why where it had to stop before the piece's end. */
  cut(piece: Extract<Piece, { kind: 'bytes' }>): Stop | undefined {
    const bytes = this.#rest.length === 0 ? piece.bytes : joined(this.#rest, piece.bytes);
    this.#rest = new Uint8Array(0);
    const idBytes = this.#idBytes;
    let at = 0;
    while (at + idBytes <= bytes.length) {
      const slot = this.#slots.get(idBytes === 1 ? bytes[at]! : recordIdAt(bytes, at, idBytes));
      if (slot === undefined) return stopAt(bytes, at, idBytes);
      const start = at + idBytes;
      let end = start + slot.sizeBytes;
      if (slot.sizeBytes < 0) {
        if (start + 4 > bytes.length) break;
        const length = lengthAt(bytes, start);
        if (length > VARIABLE_BYTES_MAX) {
          return {
            reason: `a value at byte ${at} of its piece claims ${length} bytes`,
            bytesLeft: bytes.length - at,
            isPadding: false,
          };
        }
        end = start + 4 + length;
      }
      if (end > bytes.length) break;
      if (slot.isWanted) {
        if (slot.buffer === undefined) slot.stream?.append(bytes, start, end);
        else slot.buffer.append(bytes, start, end);
      }
      at = end;
    }
    this.#rest = bytes.slice(at);
    return undefined;
  }
}

function recordIdAt(bytes: Uint8Array, at: number, idBytes: number): number {
  let id = 0;
  for (let byte = idBytes - 1; byte >= 0; byte--) id = id * 256 + bytes[at + byte]!;
  return id;
}

/** What follows an unknown id cannot be taken apart, up to the next block: no record says where the next begins. */
function stopAt(bytes: Uint8Array, at: number, idBytes: number): Stop {
  const rest = bytes.subarray(at);
  const isPadding = rest.every((byte) => byte === 0);
  return {
    reason: isPadding
      ? `${rest.length} zero bytes follow the last record`
      : `no channel group has record id ${recordIdAt(bytes, at, idBytes)}; the rest of the piece is skipped`,
    bytesLeft: rest.length,
    isPadding,
  };
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first, 0);
  bytes.set(second, first.length);
  return bytes;
}

/** Records and payloads are short: for them a loop is faster than a view and a copy. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, place: number): void {
  if (end - start > 64) to.set(from.subarray(start, end), place);
  else for (let at = start, into = place; at < end; at++, into++) to[into] = from[at]!;
}

/** Fixed records of one group, growing at the end and taken from the front. */
class RecordBuffer {
  readonly #strideBytes: number;
  #bytes = new Uint8Array(0);
  #end = 0;
  count = 0;
  /** Records handed out so far. */
  rowsTaken = 0;

  constructor(strideBytes: number) {
    this.#strideBytes = strideBytes;
  }

  get sizeBytes(): number {
    return this.#end;
  }

  append(from: Uint8Array, start: number, end: number): void {
    if (this.#end + end - start > this.#bytes.length) this.#grow(end - start);
    copy(from, start, end, this.#bytes, this.#end);
    this.#end += end - start;
    this.count += 1;
  }

  records(): Records {
    return { bytes: this.#bytes.subarray(0, this.#end), strideBytes: this.#strideBytes, count: this.count };
  }

  /** The first records, with bytes of their own. */
  take(count: number): Records {
    const size = count * this.#strideBytes;
    const records = { bytes: this.#bytes.slice(0, size), strideBytes: this.#strideBytes, count };
    this.#bytes.copyWithin(0, size, this.#end);
    this.#end -= size;
    this.count -= count;
    this.rowsTaken += count;
    return records;
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(this.#end + bytes, this.#bytes.length * 2, 1 << 12));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}

/** Values that no record asks for are not collected without end. */
const UNREAD_BYTES_MAX = 1 << 29;

/** The values of one VLSD group: a window on the stream that they form, lengths included. */
export class VariableStream {
  /** False where the file's offsets were never written: then value i belongs to record i. */
  readonly #hasOffsets: boolean;
  #bytes = new Uint8Array(0);
  #end = 0;
  #base = 0;
  #read = 0;
  #isBroken = false;

  constructor(hasOffsets: boolean) {
    this.#hasOffsets = hasOffsets;
  }

  get sizeBytes(): number {
    return this.#end;
  }

  append(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#isBroken || this.#end + size > UNREAD_BYTES_MAX) {
      this.#isBroken = true;
      return;
    }
    if (this.#end + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#end + size, this.#bytes.length * 2, 1 << 12));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    copy(from, start, end, this.#bytes, this.#end);
    this.#end += size;
  }

  /** Behind a gap in the data no place in the stream is known any more. */
  breakOff(): void {
    this.#isBroken = true;
  }

  /** How many of these places can be read now. */
  readyCount(places: ArrayLike<number>): number {
    if (this.#isBroken) return places.length;
    if (!this.#hasOffsets) return this.#countSequential(places.length);
    for (let row = 0; row < places.length; row++) {
      if (places[row]! >= this.#base && this.#valueEnd(places[row]!) === undefined) return row;
    }
    return places.length;
  }

  /** The values at these places; null, and counted in `missing`, where there is none. */
  values(places: ArrayLike<number>): {
    column: ColumnBatch & { readonly values: VariableValues };
    missing: number;
  } {
    const count = places.length;
    const starts = new Uint32Array(count);
    const offsets = new Uint32Array(count + 1);
    let validity: Uint8Array | undefined;
    let missing = 0;
    for (let row = 0; row < count; row++) {
      const place = this.#hasOffsets ? places[row]! : this.#base + this.#read;
      const end = this.#valueEnd(place);
      let length = 0;
      if (end === undefined) {
        validity ??= new Uint8Array(count).fill(1);
        validity[row] = 0;
        missing += 1;
      } else {
        starts[row] = place - this.#base + 4;
        length = end - starts[row]!;
        this.#read = Math.max(this.#read, end);
      }
      offsets[row + 1] = offsets[row]! + length;
    }
    const bytes = new Uint8Array(offsets[count]!);
    for (let row = 0; row < count; row++) {
      const start = starts[row]!;
      copy(this.#bytes, start, start + offsets[row + 1]! - offsets[row]!, bytes, offsets[row]!);
    }
    const values: VariableValues = { kind: 'variable', offsets, bytes };
    return { column: validity === undefined ? { values } : { values, validity }, missing };
  }

  /** Drops what has been read. */
  forget(): void {
    this.#bytes.copyWithin(0, this.#read, this.#end);
    this.#end -= this.#read;
    this.#base += this.#read;
    this.#read = 0;
  }

  /** Where in the window the value at a place of the stream ends; undefined while it is not there. */
  #valueEnd(place: number): number | undefined {
    const at = place - this.#base;
    if (!(at >= 0 && at + 4 <= this.#end)) return undefined;
    const end = at + 4 + lengthAt(this.#bytes, at);
    return end <= this.#end ? end : undefined;
  }

  #countSequential(wanted: number): number {
    let at = this.#read;
    for (let row = 0; row < wanted; row++) {
      if (at + 4 > this.#end) return row;
      at += 4 + lengthAt(this.#bytes, at);
      if (at > this.#end) return row;
    }
    return wanted;
  }
}
