// The hours a blob takes to come out of the Archive tier, shortened to seconds. Azurite changes the tier at once; here
// the blob stays archived, with x-ms-archive-status saying what is under way, until its time is over.
// "Blob rehydration from the archive tier", Azure Storage documentation.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AzuriteClient } from './azurite-client.ts';
import { type BlobAddress, blobAddress } from './blob-operation.ts';
import type { StorageEvents } from './storage-events.ts';

interface Rehydration {
  readonly path: string;
  readonly tier: string;
  readonly priority: string;
  readonly dueAtMs: number;
}

export class Rehydrations {
  readonly #azurite: AzuriteClient;
  readonly #events: StorageEvents;
  readonly #database: DatabaseSync;
  readonly #delayMs: number;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** `delaySeconds` 0 leaves Azurite's behaviour: the blob is online at once. */
  constructor(azurite: AzuriteClient, events: StorageEvents, dataFolder: string, delaySeconds: number) {
    this.#azurite = azurite;
    this.#events = events;
    this.#delayMs = delaySeconds * 1000;
    mkdirSync(dataFolder, { recursive: true });
    this.#database = new DatabaseSync(join(dataFolder, 'rehydrations.sqlite'));
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS rehydrations
        (path TEXT PRIMARY KEY, tier TEXT NOT NULL, priority TEXT NOT NULL, dueAtMs INTEGER NOT NULL);
    `);
  }

  /** Goes on with what was under way when the emulator stopped. Call it once Azurite answers. */
  resume(): void {
    const rows = this.#database.prepare('SELECT * FROM rehydrations').all();
    for (const row of rows as unknown as Rehydration[]) this.#schedule(row);
  }

  /** What is added to the answer about a blob that is being rehydrated. */
  headersFor(path: string): Record<string, string> | undefined {
    const pending = this.#pending(path);
    if (pending === undefined) return undefined;
    return {
      'x-ms-archive-status': `rehydrate-pending-to-${pending.tier.toLowerCase()}`,
      'x-ms-rehydrate-priority': pending.priority,
    };
  }

  isPending(path: string): boolean {
    return this.#pending(path) !== undefined;
  }

  /** True when setting this tier takes the blob out of the archive, and that takes time. */
  async isRehydration(address: BlobAddress, tier: string): Promise<boolean> {
    if (this.#delayMs === 0 || tier === 'Archive') return false;
    const facts = await this.#azurite.blobFacts(address.account, address.path);
    return facts?.accessTier === 'Archive';
  }

  /** Puts the blob, which Azurite has just set online, back into the archive for as long as it would take. */
  async begin(address: BlobAddress, tier: string, priority: string): Promise<void> {
    await this.#setTier(address, 'Archive');
    const row = { path: address.path, tier, priority, dueAtMs: Date.now() + this.#delayMs };
    this.#database
      .prepare('INSERT OR REPLACE INTO rehydrations VALUES (:path, :tier, :priority, :dueAtMs)')
      .run(row);
    this.#schedule(row);
  }

  /** The blob was deleted or replaced. */
  forget(path: string): void {
    clearTimeout(this.#timers.get(path));
    this.#timers.delete(path);
    this.#database.prepare('DELETE FROM rehydrations WHERE path = ?').run(path);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#database.close();
  }

  #pending(path: string): Rehydration | undefined {
    if (this.#delayMs === 0 && this.#timers.size === 0) return undefined;
    const row = this.#database.prepare('SELECT * FROM rehydrations WHERE path = ?').get(path);
    return row as unknown as Rehydration | undefined;
  }

  #schedule(rehydration: Rehydration): void {
    const finish = (): void => {
      this.#finish(rehydration).catch((error: unknown) =>
        console.error(`storage: could not rehydrate ${rehydration.path}:`, error),
      );
    };
    this.#timers.set(rehydration.path, setTimeout(finish, Math.max(0, rehydration.dueAtMs - Date.now())));
  }

  async #finish({ path, tier }: Rehydration): Promise<void> {
    const address = blobAddress(path);
    if (address === undefined) return this.forget(path);
    const { status, headers } = await this.#setTier(address, tier);
    // Only now: nobody may see a blob that is neither online nor on its way.
    this.forget(path);
    if (status >= 300) return;
    const requestId = headers['x-ms-request-id'] ?? '';
    await this.#events.tierChanged({ address, clientRequestId: undefined, requestId });
  }

  #setTier(address: BlobAddress, tier: string) {
    return this.#azurite.send({
      account: address.account,
      method: 'PUT',
      path: address.path,
      query: { comp: 'tier' },
      headers: { 'x-ms-access-tier': tier },
    });
  }
}
