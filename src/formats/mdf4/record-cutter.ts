import type { Piece } from './data-stream.ts';
import type { ChannelGroup } from './model.ts';
import { lengthAt, type RecordBuffer, type VariableStream } from './record-buffers.ts';

/** Where the records of one group go. */
export interface Slot {
  readonly group: ChannelGroup;
  readonly isWanted: boolean;
  /** Bytes of a fixed record; -1 for a VLSD group. */
  readonly sizeBytes: number;
  readonly buffer?: RecordBuffer;
  readonly stream?: VariableStream;
}

/** Why records cannot be told apart any further. */
export interface Stop {
  readonly reason: string;
  readonly bytesLeft: number;
  /** Zeros behind the last record: the rest of a preallocated file. */
  readonly isPadding: boolean;
}

const VARIABLE_BYTES_MAX = 1 << 28;

/** Walks pieces record by record; a record may go over from one piece to the next. */
export class RecordCutter {
  readonly #idBytes: number;
  readonly #slots: ReadonlyMap<number, Slot>;
  /** By record id, where it is one byte. */
  readonly #slotOf: readonly (Slot | undefined)[];
  /** The beginning of a record that goes on in the next piece. */
  #begun: Uint8Array[] = [];
  #begunBytes = 0;
  /** How many bytes of it, from its first on, tell more than those that are there. */
  #neededBytes = 0;

  constructor(idBytes: number, slots: ReadonlyMap<number, Slot>) {
    this.#idBytes = idBytes;
    this.#slots = slots;
    this.#slotOf = Array.from({ length: 256 }, (_, id) => slots.get(id));
  }

  /** Forgets a record that was begun; its bytes. */
  dropPartial(): number {
    const droppedBytes = this.#begunBytes;
    this.#begun = [];
    this.#begunBytes = 0;
    return droppedBytes;
  }

  /** Cuts all whole records; says why where it had to stop before the piece's end. */
  cut({ bytes }: Extract<Piece, { kind: 'bytes' }>): Stop | undefined {
    let at = 0;
    while (this.#begunBytes > 0) {
      const missingBytes = this.#neededBytes - this.#begunBytes;
      if (bytes.length - at < missingBytes) {
        this.#keep(bytes, at, this.#neededBytes);
        return undefined;
      }
      this.#keep(bytes.subarray(0, at + missingBytes), at, this.#neededBytes);
      at += missingBytes;
      const record = joined(this.#begun);
      this.dropPartial();
      // Why it stops depends on all that follows.
      if (this.#cutFrom(record, 0) !== undefined)
        return this.#cutFrom(joined([record, bytes.subarray(at)]), 0);
    }
    return this.#cutFrom(bytes, at);
  }

  #keep(bytes: Uint8Array, from: number, neededBytes: number): void {
    if (from < bytes.length) this.#begun.push(bytes.slice(from));
    this.#begunBytes += bytes.length - from;
    this.#neededBytes = neededBytes;
  }

  #cutFrom(bytes: Uint8Array, from: number): Stop | undefined {
    const idBytes = this.#idBytes;
    const slotOf = this.#slotOf;
    let at = from;
    let neededBytes = idBytes;
    while (at + idBytes <= bytes.length) {
      const slot = idBytes === 1 ? slotOf[bytes[at]!] : this.#slots.get(recordIdAt(bytes, at, idBytes));
      if (slot === undefined) return stopAt(bytes, at, idBytes);
      const start = at + idBytes;
      let end = start + slot.sizeBytes;
      if (slot.sizeBytes < 0) {
        neededBytes = idBytes + 4;
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
      neededBytes = end - at;
      if (end > bytes.length) break;
      if (slot.isWanted) {
        if (slot.buffer === undefined) slot.stream?.append(bytes, start, end);
        else slot.buffer.append(bytes, start, end);
      }
      at = end;
      neededBytes = idBytes;
    }
    if (at < bytes.length) this.#keep(bytes, at, neededBytes);
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

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
