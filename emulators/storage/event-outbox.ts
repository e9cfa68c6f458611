// The events that Event Grid has not taken yet. An event is on disk before the client hears that its blob is there, and
// leaves when Event Grid has accepted it; so a kill of either side, or an Event Grid that is down, loses none.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { StorageEvent } from './blob-event.ts';

const EVENTS_PER_POST = 100;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
const POST_MS_MAX = 5_000;

export class EventOutbox {
  readonly #database: DatabaseSync;
  readonly #endpoint: string | undefined;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;
  readonly #advance: StatementSync;
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;

  /** `endpoint` is Event Grid's; without one, events are counted but not kept. */
  constructor(dataFolder: string, endpoint: string | undefined) {
    mkdirSync(dataFolder, { recursive: true });
    this.#database = new DatabaseSync(join(dataFolder, 'events.sqlite'));
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS pending (sequence INTEGER PRIMARY KEY, event TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL);
      INSERT OR IGNORE INTO counter VALUES (1, 0);
    `);
    this.#insert = this.#database.prepare('INSERT INTO pending VALUES (?, ?)');
    this.#oldest = this.#database.prepare('SELECT sequence, event FROM pending ORDER BY sequence LIMIT ?');
    this.#remove = this.#database.prepare('DELETE FROM pending WHERE sequence <= ?');
    this.#count = this.#database.prepare('SELECT count(*) AS pending FROM pending');
    this.#advance = this.#database.prepare(
      'UPDATE counter SET sequence = sequence + 1 WHERE one = 1 RETURNING sequence',
    );
    this.#endpoint = endpoint;
    this.#send();
  }

  /**
   * Keeps the event that `build` makes of the next sequencer (48 hexadecimal digits). Durable when it returns; sent
   * soon after.
   */
  add(build: (sequencer: string) => StorageEvent): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const { sequence } = this.#advance.get() as { sequence: number };
      const event = build(sequencerText(sequence));
      if (this.#endpoint !== undefined) this.#insert.run(sequence, JSON.stringify(event));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#send();
  }

  /** How many events Event Grid has not accepted yet. */
  pendingCount(): number {
    return (this.#count.get() as { pending: number }).pending;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#sending;
    this.#database.close();
  }

  #send(): void {
    if (this.#sending !== undefined || this.#stop.signal.aborted || this.#endpoint === undefined) return;
    this.#sending = this.#sendAll(this.#endpoint).finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendAll(endpoint: string): Promise<void> {
    let retryMs = RETRY_MS_MIN;
    while (!this.#stop.signal.aborted) {
      const rows = this.#oldest.all(EVENTS_PER_POST) as { sequence: number; event: string }[];
      const last = rows.at(-1);
      if (last === undefined) return;
      if (await this.#post(endpoint, `[${rows.map((row) => row.event).join(',')}]`)) {
        this.#remove.run(last.sequence);
        retryMs = RETRY_MS_MIN;
        continue;
      }
      // Woken early only by close().
      await delay(retryMs, undefined, { signal: this.#stop.signal }).catch(ignoreAbort);
      retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
    }
  }

  async #post(endpoint: string, body: string): Promise<boolean> {
    try {
      const answer = await fetch(`${endpoint}/internal/blob-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(POST_MS_MAX),
      });
      await answer.arrayBuffer();
      return answer.ok;
    } catch (error) {
      // fetch says TypeError when there is no connection: Event Grid is down or restarting, so the events wait.
      if (error instanceof TypeError || (error as Error).name === 'TimeoutError') return false;
      throw error;
    }
  }
}

function ignoreAbort(error: Error): void {
  if (error.name !== 'AbortError') throw error;
}

function sequencerText(sequence: number): string {
  return `${'FB71'.padStart(32, '0')}${sequence.toString(16).padStart(16, '0')}`;
}
