/**
 * The durable side: one SQLite file (write-ahead log, synchronous=NORMAL, which survives the death of the process).
 * Changes are collected and written in one transaction per turn of the event loop; whoever must not answer before
 * that waits with `whenStored`.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { encodeContent, parseMessage } from './message-codec.ts';
import type { StoredMessage } from './message-queue.ts';

const SCHEMA_VERSION = 1;
/** SQLite's result code for a database that somebody else has locked. */
const SQLITE_BUSY = 5;
/** A message's key is queue · 2^36 + sequence number, which keeps a queue's messages together and in order. */
const SEQUENCE_RANGE = 2 ** 36;
const MAX_QUEUE_ID = 2 ** 17 - 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entities (
    path TEXT PRIMARY KEY COLLATE NOCASE,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS queues (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE COLLATE NOCASE,
    last_sequence_number INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    enqueued_sequence_number INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    expires_at INTEGER,
    scheduled_for INTEGER,
    dead_letter_source TEXT,
    hop_count INTEGER NOT NULL,
    delivery_count INTEGER NOT NULL,
    content BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS seen_message_ids (
    path TEXT NOT NULL COLLATE NOCASE,
    message_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (path, message_id)
  ) WITHOUT ROWID;
`;

export interface StoredEntity {
  readonly path: string;
  readonly kind: 'queue' | 'topic' | 'subscription';
  /** JSON text of the description. */
  readonly description: string;
  readonly createdAt: number;
}

export interface StoredQueue {
  readonly queueId: number;
  readonly lastSequenceNumber: number;
}

export class DataFolderInUseError extends Error {
  override readonly name = 'DataFolderInUseError';
}

export class MessageStore {
  readonly #database: DatabaseSync;
  readonly #statements: Record<'put' | 'remove' | 'sequence' | 'seen', StatementSync>;
  readonly #changed = new Map<number, StoredMessage | undefined>();
  readonly #sequenceNumbers = new Map<number, number>();
  readonly #seen: [path: string, messageId: string, expiresAt: number][] = [];
  #waiting: (() => void)[] = [];
  #isFlushPlanned = false;
  #isClosed = false;

  /** Without a folder the same database lives in memory and dies with the process. */
  constructor(dataFolder: string | undefined) {
    if (dataFolder !== undefined) mkdirSync(dataFolder, { recursive: true });
    this.#database = new DatabaseSync(
      dataFolder === undefined ? ':memory:' : join(dataFolder, 'service-bus.sqlite'),
    );
    this.#claim(dataFolder);
    this.#checkVersion(dataFolder);
    this.#database.exec(SCHEMA);
    this.#statements = {
      put: this.#database.prepare('INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
      remove: this.#database.prepare('DELETE FROM messages WHERE id = ?'),
      sequence: this.#database.prepare('UPDATE queues SET last_sequence_number = ? WHERE id = ?'),
      seen: this.#database.prepare('INSERT OR REPLACE INTO seen_message_ids VALUES (?, ?, ?)'),
    };
  }

  /** Finds or makes the row of a queue of messages. */
  openQueue(path: string): StoredQueue {
    const found = this.#database
      .prepare('SELECT id, last_sequence_number FROM queues WHERE path = ?')
      .get(path);
    if (found !== undefined) {
      return { queueId: Number(found['id']), lastSequenceNumber: Number(found['last_sequence_number']) };
    }
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO queues (path, last_sequence_number) VALUES (?, 0)')
      .run(path);
    if (Number(lastInsertRowid) > MAX_QUEUE_ID) {
      throw new Error(
        `The data folder holds more than ${MAX_QUEUE_ID} queues. Delete the data folder to start afresh.`,
      );
    }
    return { queueId: Number(lastInsertRowid), lastSequenceNumber: 0 };
  }

  dropQueue(queueId: number): void {
    this.flush();
    const [from, to] = [queueId * SEQUENCE_RANGE, (queueId + 1) * SEQUENCE_RANGE];
    this.#database.prepare('DELETE FROM messages WHERE id >= ? AND id < ?').run(from, to);
    this.#database.prepare('DELETE FROM queues WHERE id = ?').run(queueId);
  }

  /** Also those of this turn: what has been collected is written first. Nobody is told of that before the turn ends. */
  *messagesOf(queueId: number): Generator<StoredMessage> {
    if (this.#changed.size > 0) this.#write();
    const [from, to] = [queueId * SEQUENCE_RANGE, (queueId + 1) * SEQUENCE_RANGE];
    const rows = this.#database.prepare('SELECT * FROM messages WHERE id >= ? AND id < ? ORDER BY id');
    for (const row of rows.iterate(from, to)) yield messageOf(row, from);
  }

  entities(): StoredEntity[] {
    return this.#database
      .prepare('SELECT path, kind, description, created_at FROM entities ORDER BY rowid')
      .all()
      .map((row) => ({
        path: String(row['path']),
        kind: row['kind'] as StoredEntity['kind'],
        description: String(row['description']),
        createdAt: Number(row['created_at']),
      }));
  }

  putEntity(entity: StoredEntity): void {
    this.#database
      .prepare(
        `INSERT INTO entities VALUES (?, ?, ?, ?)
         ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, description = excluded.description`,
      )
      .run(entity.path, entity.kind, entity.description, entity.createdAt);
  }

  dropEntity(path: string): void {
    this.#database.prepare('DELETE FROM entities WHERE path = ?').run(path);
    this.#database.prepare('DELETE FROM seen_message_ids WHERE path = ?').run(path);
  }

  /** Message ids still within their window, oldest first; the others are forgotten. */
  seenMessageIds(path: string, now: number): { messageId: string; expiresAt: number }[] {
    this.#database.prepare('DELETE FROM seen_message_ids WHERE expires_at <= ?').run(now);
    return this.#database
      .prepare('SELECT message_id, expires_at FROM seen_message_ids WHERE path = ? ORDER BY expires_at')
      .all(path)
      .map((row) => ({ messageId: String(row['message_id']), expiresAt: Number(row['expires_at']) }));
  }

  put(queueId: number, message: StoredMessage): void {
    this.#changed.set(queueId * SEQUENCE_RANGE + message.sequenceNumber, message);
    this.#planFlush();
  }

  remove(queueId: number, message: StoredMessage): void {
    this.#changed.set(queueId * SEQUENCE_RANGE + message.sequenceNumber, undefined);
    this.#planFlush();
  }

  setLastSequenceNumber(queueId: number, sequenceNumber: number): void {
    this.#sequenceNumbers.set(queueId, sequenceNumber);
    this.#planFlush();
  }

  rememberMessageId(path: string, messageId: string, expiresAt: number): void {
    this.#seen.push([path, messageId, expiresAt]);
    this.#planFlush();
  }

  /** Calls back once every change made so far is on disk; at once when there is none under way. */
  whenStored(callback: () => void): void {
    if (this.#isFlushPlanned) this.#waiting.push(callback);
    else callback();
  }

  /** Writes what was collected and lets the waiting go on. A failed write is thrown: nothing may be acknowledged. */
  flush(): void {
    while (this.#isFlushPlanned) {
      this.#isFlushPlanned = false;
      this.#write();
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const callback of waiting) callback();
    }
  }

  close(): void {
    this.flush();
    this.#isClosed = true;
    this.#database.close();
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      if (!this.#isClosed) this.flush();
    });
  }

  #write(): void {
    this.#database.exec('BEGIN');
    for (const [id, message] of this.#changed) {
      if (message === undefined) this.#statements.remove.run(id);
      else this.#statements.put.run(...rowOf(id, message));
    }
    for (const [queueId, sequenceNumber] of this.#sequenceNumbers) {
      this.#statements.sequence.run(sequenceNumber, queueId);
    }
    for (const seen of this.#seen) this.#statements.seen.run(...seen);
    this.#database.exec('COMMIT');
    this.#changed.clear();
    this.#sequenceNumbers.clear();
    this.#seen.length = 0;
  }

  /** One process at a time: two would each hold, and hand out, the same messages. */
  #claim(dataFolder: string | undefined): void {
    try {
      this.#database.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ' +
          'BEGIN IMMEDIATE; COMMIT;',
      );
    } catch (error) {
      this.#database.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new DataFolderInUseError(
        `The data folder ${dataFolder} is in use by another process: a Service Bus emulator is running already. ` +
          'Stop it, or choose another --data and --port (the local stack: set LANDFALL_PORT_BASE).',
      );
    }
  }

  #checkVersion(dataFolder: string | undefined): void {
    const version = Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version !== 0 && version !== SCHEMA_VERSION) {
      this.#database.close();
      throw new Error(
        `The Service Bus data in ${dataFolder} has version ${version}, this program reads ${SCHEMA_VERSION}. ` +
          'Delete the folder to start afresh, or use the program that wrote it.',
      );
    }
    this.#database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }
}

function rowOf(id: number, message: StoredMessage): SQLInputValue[] {
  return [
    id,
    message.state,
    message.enqueuedSequenceNumber,
    message.enqueuedAt,
    message.expiresAt === Number.POSITIVE_INFINITY ? null : message.expiresAt,
    message.scheduledFor ?? null,
    message.deadLetterSource ?? null,
    message.hopCount,
    message.deliveryCount,
    encodeContent(message.content),
  ];
}

function messageOf(row: Readonly<Record<string, unknown>>, firstId: number): StoredMessage {
  return {
    sequenceNumber: Number(row['id']) - firstId,
    enqueuedSequenceNumber: Number(row['enqueued_sequence_number']),
    enqueuedAt: Number(row['enqueued_at']),
    expiresAt: row['expires_at'] === null ? Number.POSITIVE_INFINITY : Number(row['expires_at']),
    scheduledFor: row['scheduled_for'] === null ? undefined : Number(row['scheduled_for']),
    deadLetterSource: row['dead_letter_source'] === null ? undefined : String(row['dead_letter_source']),
    hopCount: Number(row['hop_count']),
    content: parseMessage(bytesOf(row['content'] as Uint8Array)),
    deliveryCount: Number(row['delivery_count']),
    state: row['state'] as StoredMessage['state'],
    lock: undefined,
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
