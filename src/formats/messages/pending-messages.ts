import { GrowingBytes } from '../byte-source.ts';
import type { LossCounter, Selection, TableBatch } from '../recording-reader.ts';
import { MessageRows, type MessageTable } from './message-table.ts';

/** Messages are handed out when they are this large together, or so many: decoding them takes some milliseconds. */
const BATCH_BYTES = 1 << 20;
const BATCH_ROWS = 1 << 13;
const ROOM_BYTES_AT_FIRST = 1 << 16;

/**
 * Messages of any number of topics that wait to become batches: one behind the other in one buffer, which is used
 * again, so that memory depends on none of their numbers.
 */
export class PendingMessages {
  readonly #rows = new Map<MessageTable, MessageRows>();
  #held = new GrowingBytes(ROOM_BYTES_AT_FIRST);
  /** Where the message begins whose parts are being appended. */
  #start = 0;
  #count = 0;

  get isFull(): boolean {
    return this.#start >= BATCH_BYTES || this.#count >= BATCH_ROWS;
  }

  /** A message, or a part of it. */
  append(part: Uint8Array): void {
    this.#held.append(part);
  }

  /** What was appended since the last message: a view, good until more is. */
  appended(): Uint8Array {
    return this.#held.bytes().subarray(this.#start);
  }

  /** Forgets what was appended since the last message. */
  giveUp(): void {
    this.#held.sizeBytes = this.#start;
  }

  /**
   * What was appended is a message of `table`, or is one from `from` up to `to`. Its time are UTC nanoseconds in
   * halves of 32 bits.
   */
  take(
    table: MessageTable,
    timeLow: number,
    timeHigh: number,
    from = 0,
    to = this.#held.sizeBytes - this.#start,
  ): void {
    let rows = this.#rows.get(table);
    if (rows === undefined) {
      rows = new MessageRows();
      this.#rows.set(table, rows);
    }
    const index = rows.push(this.#start + from, this.#start + to);
    rows.timeHalves[2 * index] = timeLow;
    rows.timeHalves[2 * index + 1] = timeHigh;
    this.#start = this.#held.sizeBytes;
    this.#count += 1;
  }

  /** Hands out all messages, topic by topic. */
  *batches(selection: Selection, loss: LossCounter): Generator<TableBatch> {
    const bytes = this.#held.bytes();
    for (const [table, rows] of this.#rows) yield* table.batches(bytes, rows, selection, loss);
    this.#rows.clear();
    // The room that one huge message needed is not kept.
    if (this.#start > 2 * BATCH_BYTES) this.#held = new GrowingBytes(ROOM_BYTES_AT_FIRST);
    this.#held.sizeBytes = 0;
    this.#start = 0;
    this.#count = 0;
  }
}
