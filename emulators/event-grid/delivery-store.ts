// The events that are accepted and not yet delivered, one row for each subscription that gets one, in SQLite: what was
// answered with 200 is there after a kill.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { PublishedEvent } from './event-schema.ts';

/** An event on its way to one subscription. Times in milliseconds since 1970. */
export interface Delivery {
  readonly sequence: number;
  /** `topic/subscription` or `account/subscription`. */
  readonly subscription: string;
  /** Stable over redelivery; becomes the MessageId. */
  readonly messageId: string;
  readonly published: PublishedEvent;
  readonly publishedAtMs: number;
  readonly attempts: number;
  readonly lastOutcome: string | undefined;
  readonly lastAttemptAtMs: number | undefined;
  /** Set when delivery is given up: why the event goes to the dead-letter container. */
  readonly deadLetterReason: string | undefined;
  /** How often it is to be delivered; more than once when duplicates were ordered. */
  readonly copiesLeft: number;
}

export interface NewDelivery {
  readonly subscription: string;
  readonly published: PublishedEvent;
  readonly dueAtMs: number;
  readonly copies: number;
}

const PUBLISHED_EVENTS_KEPT = 1_000;

export class DeliveryStore {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #claim: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #remove: StatementSync;

  constructor(dataFolder: string) {
    mkdirSync(dataFolder, { recursive: true });
    this.#database = new DatabaseSync(join(dataFolder, 'event-grid.sqlite'));
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS deliveries (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        subscription TEXT NOT NULL,
        messageId TEXT NOT NULL,
        published TEXT NOT NULL,
        publishedAtMs INTEGER NOT NULL,
        dueAtMs INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        lastOutcome TEXT,
        lastAttemptAtMs INTEGER,
        deadLetterReason TEXT,
        copiesLeft INTEGER NOT NULL,
        claimed INTEGER NOT NULL DEFAULT 0
      );
      CREATE INDEX IF NOT EXISTS due ON deliveries (claimed, dueAtMs, sequence);
      CREATE TABLE IF NOT EXISTS published (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, event TEXT NOT NULL);
      -- What a killed process was delivering may or may not have arrived: it is delivered again.
      UPDATE deliveries SET claimed = 0;
    `);
    this.#insert = this.#database.prepare(
      'INSERT INTO deliveries (subscription, messageId, published, publishedAtMs, dueAtMs, copiesLeft) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#claim = this.#database.prepare(
      `UPDATE deliveries SET claimed = 1 WHERE sequence IN
         (SELECT sequence FROM deliveries WHERE claimed = 0 AND dueAtMs <= ? ORDER BY dueAtMs, sequence LIMIT ?)
       RETURNING *`,
    );
    this.#nextDue = this.#database.prepare(
      'SELECT min(dueAtMs) AS dueAtMs FROM deliveries WHERE claimed = 0',
    );
    this.#remove = this.#database.prepare('DELETE FROM deliveries WHERE sequence = ?');
  }

  /** Keeps a publish request: all of it or, when it throws, none. */
  accept(
    topic: string | undefined,
    events: readonly PublishedEvent[],
    deliveries: readonly NewDelivery[],
    nowMs: number,
  ): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const { subscription, published, dueAtMs, copies } of deliveries)
        this.#insert.run(subscription, randomUUID(), JSON.stringify(published), nowMs, dueAtMs, copies);
      if (topic !== undefined) this.#keepPublished(topic, events);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Up to `limit` deliveries that are due and that nobody works on; they are the caller's now, oldest first. */
  claimDue(nowMs: number, limit: number): Delivery[] {
    const rows = this.#claim.all(nowMs, limit) as unknown as DeliveryRow[];
    return rows.map(deliveryOf).sort((a, b) => a.sequence - b.sequence);
  }

  /** When the next delivery that nobody works on is due; undefined when there is none. */
  nextDueAtMs(): number | undefined {
    return (this.#nextDue.get() as { dueAtMs: number | null }).dueAtMs ?? undefined;
  }

  remove(sequence: number): void {
    this.#remove.run(sequence);
  }

  /** Gives a delivery back, to be tried when it is due again. */
  postpone(
    sequence: number,
    change: Pick<
      Delivery,
      'attempts' | 'lastOutcome' | 'lastAttemptAtMs' | 'deadLetterReason' | 'copiesLeft'
    > & { readonly dueAtMs: number },
  ): void {
    this.#database
      .prepare(
        `UPDATE deliveries SET claimed = 0, attempts = ?, lastOutcome = ?, lastAttemptAtMs = ?, deadLetterReason = ?,
           copiesLeft = ?, dueAtMs = ? WHERE sequence = ?`,
      )
      .run(
        change.attempts,
        change.lastOutcome ?? null,
        change.lastAttemptAtMs ?? null,
        change.deadLetterReason ?? null,
        change.copiesLeft,
        change.dueAtMs,
        sequence,
      );
  }

  pendingCount(): number {
    return (this.#database.prepare('SELECT count(*) AS n FROM deliveries').get() as { n: number }).n;
  }

  /** The events published to a topic after a sequence number, oldest first; the last 1,000 of a topic are kept. */
  publishedAfter(topic: string, after: number): { sequence: number; event: unknown }[] {
    const rows = this.#database
      .prepare('SELECT sequence, event FROM published WHERE topic = ? AND sequence > ? ORDER BY sequence')
      .all(topic, after) as { sequence: number; event: string }[];
    return rows.map(({ sequence, event }) => ({ sequence, event: JSON.parse(event) as unknown }));
  }

  close(): void {
    this.#database.close();
  }

  #keepPublished(topic: string, events: readonly PublishedEvent[]): void {
    const insert = this.#database.prepare('INSERT INTO published (topic, event) VALUES (?, ?)');
    for (const { event } of events) insert.run(topic, JSON.stringify(event));
    this.#database
      .prepare(
        `DELETE FROM published WHERE topic = :topic AND sequence <=
           (SELECT sequence FROM published WHERE topic = :topic ORDER BY sequence DESC LIMIT 1 OFFSET ${PUBLISHED_EVENTS_KEPT})`,
      )
      .run({ topic });
  }
}

interface DeliveryRow {
  readonly sequence: number;
  readonly subscription: string;
  readonly messageId: string;
  readonly published: string;
  readonly publishedAtMs: number;
  readonly attempts: number;
  readonly lastOutcome: string | null;
  readonly lastAttemptAtMs: number | null;
  readonly deadLetterReason: string | null;
  readonly copiesLeft: number;
}

function deliveryOf(row: DeliveryRow): Delivery {
  return {
    sequence: row.sequence,
    subscription: row.subscription,
    messageId: row.messageId,
    published: JSON.parse(row.published) as PublishedEvent,
    publishedAtMs: row.publishedAtMs,
    attempts: row.attempts,
    lastOutcome: row.lastOutcome ?? undefined,
    lastAttemptAtMs: row.lastAttemptAtMs ?? undefined,
    deadLetterReason: row.deadLetterReason ?? undefined,
    copiesLeft: row.copiesLeft,
  };
}
