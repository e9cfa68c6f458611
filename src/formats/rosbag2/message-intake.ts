import { isCompressedMessage, uncompressedMessage } from '../messages/compressed-message.ts';
import type { MessageTable } from '../messages/message-table.ts';
import type { PendingMessages } from '../messages/pending-messages.ts';
import type { LossCounter, OpenOptions } from '../recording-reader.ts';
import type { Rosbag2Catalog } from './catalog.ts';
import type { RowGaps } from './row-gaps.ts';
import type { SqlitePages } from './sqlite-pages.ts';
import { RecordPlaces, SqlitePageError } from './sqlite-record.ts';
import { RowFront, type TreePage } from './sqlite-tree-page.ts';

/** What rows become, and who hears of those that become nothing. */
export interface IntakeConditions {
  readonly options: OpenOptions;
  readonly pages: SqlitePages;
  readonly columns: Rosbag2Catalog['messageColumns'];
  /** By the topic's id; `unwanted` for those that were not selected. */
  readonly tables: ReadonlyMap<number, MessageTable | 'unwanted'>;
  readonly pending: PendingMessages;
  readonly gaps: RowGaps;
  readonly loss: LossCounter;
}

/** Takes rows of the table of messages from where they lie into the messages that wait, without an object for each. */
export class MessageIntake {
  readonly #to: IntakeConditions;
  readonly #front = new RowFront();
  readonly #record = new RecordPlaces();

  constructor(conditions: IntakeConditions) {
    this.#to = conditions;
  }

  /** To be waited for only where a promise is returned: most rows are there whole and as they are. */
  take(leaf: TreePage, index: number): Promise<void> | undefined {
    const front = this.#front;
    try {
      front.read(leaf, index);
      if (!this.#to.pages.fitsItsPage(leaf, front)) return this.#takeLong(leaf);
      this.#record.read(leaf.bytes, front.payloadStart, front.payloadStart + front.payloadBytes);
    } catch (error) {
      this.#damage(leaf, error);
      return undefined;
    }
    const table = this.#tableOfRow();
    if (table === undefined) return undefined;
    const data = this.#to.columns.data;
    const message = leaf.bytes.subarray(this.#record.start(data), this.#record.end(data));
    if (isCompressedMessage(message)) return this.#takeCompressed(table, message);
    this.#to.pending.append(message);
    this.#took(table);
    return undefined;
  }

  /** A row that goes on in further pages is put together where messages wait. */
  async #takeLong(leaf: TreePage): Promise<void> {
    const { pages, pending, columns } = this.#to;
    try {
      await pages.appendLongPayload(leaf, this.#front, pending);
      this.#record.read(pending.appended(), 0, this.#front.payloadBytes);
    } catch (error) {
      pending.giveUp();
      this.#damage(leaf, error);
      return;
    }
    const table = this.#tableOfRow();
    if (table === undefined) {
      pending.giveUp();
      return;
    }
    const [start, end] = [this.#record.start(columns.data), this.#record.end(columns.data)];
    const message = pending.appended().subarray(start, end);
    if (isCompressedMessage(message)) await this.#takeCompressed(table, message);
    else this.#took(table, start, end);
  }

  async #takeCompressed(table: MessageTable, packed: Uint8Array): Promise<void> {
    const { options, pending, loss } = this.#to;
    const message = await uncompressedMessage(packed, options, loss);
    pending.giveUp();
    if (message === undefined) return;
    pending.append(message);
    this.#took(table);
  }

  /** Undefined for a row that is no message, which is counted, and for topics nobody asked for. */
  #tableOfRow(): MessageTable | undefined {
    const { columns, tables, gaps, loss, options } = this.#to;
    const record = this.#record;
    gaps.row(this.#front.rowId);
    const table = record.isInteger(columns.topicId) ? tables.get(record.integer(columns.topicId)) : undefined;
    if (table === undefined || !record.isBlob(columns.data) || !record.isInteger(columns.timestamp)) {
      const what = 'is a message without a known topic, a time or data';
      loss.add(1, 0, `${options.name}: row ${this.#front.rowId} ${what}`);
      return undefined;
    }
    return table === 'unwanted' ? undefined : table;
  }

  #took(table: MessageTable, from?: number, to?: number): void {
    const timestamp = this.#to.columns.timestamp;
    const [low, high] = [this.#record.integerLow(timestamp), this.#record.integerHigh(timestamp)];
    this.#to.pending.take(table, low, high, from, to);
  }

  #damage(leaf: TreePage, error: unknown): void {
    if (!(error instanceof SqlitePageError)) throw error;
    this.#to.gaps.damage(`a row on page ${leaf.page}: ${error.message}`);
  }
}
