import type { LossCounter, Selection, TableBatch } from '../recording-reader.ts';
import { MessageRows, type MessageTable } from './message-table.ts';

/** Rows of a topic are handed out when its messages are this large, or so many. */
const BATCH_BYTES = 1 << 22;
const BATCH_ROWS = 4096;

/** Messages of one topic that wait to become a batch. */
export class PendingMessages {
  sizeBytes = 0;
  readonly #messages: Uint8Array[] = [];
  readonly #timesNs: bigint[] = [];

  get count(): number {
    return this.#messages.length;
  }

  get isFull(): boolean {
    return this.sizeBytes >= BATCH_BYTES || this.count >= BATCH_ROWS;
  }

  add(timeNs: bigint, message: Uint8Array): void {
    this.#messages.push(message);
    this.#timesNs.push(timeNs);
    this.sizeBytes += message.length;
  }

  *batches(table: MessageTable, selection: Selection, loss: LossCounter): Generator<TableBatch> {
    const bytes = new Uint8Array(this.sizeBytes);
    const rows = new MessageRows(Math.max(1, this.count));
    const times = new BigInt64Array(rows.timeHalves.buffer);
    let at = 0;
    for (const [i, message] of this.#messages.entries()) {
      bytes.set(message, at);
      rows.push(at, at + message.length);
      times[i] = this.#timesNs[i]!;
      at += message.length;
    }
    yield* table.batches(bytes, rows, selection, loss);
  }
}
