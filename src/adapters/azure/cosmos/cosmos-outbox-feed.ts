import { ChangeFeedStartFrom, type Container, StatusCodes } from '@azure/cosmos';
import type { OutboxEntry, OutboxFeed } from '#domain/ports/saga-store.ts';
import { type CosmosDatabase, idOfText, readItem, request } from './cosmos-database.ts';
import { type OutboxItem, outboxEntryOf } from './measurement-items.ts';

const PAGE_ITEMS = 200;
/** Pages without an outbox entry that one call reads past; the next call goes on. */
const PAGES_MAX = 20;

/** Outputs as they are written, from the change feed of all measurements: latest version, at least once, no deletes. */
export class CosmosOutboxFeed implements OutboxFeed {
  readonly #measurements: Container;
  readonly #leases: Container;

  constructor(database: CosmosDatabase) {
    this.#measurements = database.container('measurements');
    this.#leases = database.container('leases');
  }

  async read(
    continuation: string | undefined,
  ): Promise<{ readonly entries: readonly OutboxEntry[]; readonly continuation: string }> {
    const iterator = this.#measurements.items.getChangeFeedIterator<OutboxItem>({
      maxItemCount: PAGE_ITEMS,
      changeFeedStartFrom:
        continuation === undefined
          ? ChangeFeedStartFrom.Beginning()
          : ChangeFeedStartFrom.Continuation(continuation),
    });
    let reached = continuation;
    for (let page = 0; page < PAGES_MAX; page++) {
      const answer = await request('The change feed of the measurements could not be read', () =>
        iterator.readNext(),
      );
      reached = answer.continuationToken;
      const entries = answer.result.filter(isPending).map(outboxEntryOf);
      if (entries.length > 0 || answer.statusCode === StatusCodes.NotModified) {
        return { entries, continuation: reached };
      }
    }
    return { entries: [], continuation: reached ?? '' };
  }

  async loadContinuation(reader: string): Promise<string | undefined> {
    const id = idOfText(reader);
    return (await readItem<{ continuation: string }>(this.#leases, id, id))?.continuation;
  }

  async saveContinuation(reader: string, continuation: string): Promise<void> {
    await request(`How far ${reader} has come could not be saved`, () =>
      this.#leases.items.upsert({ id: idOfText(reader), continuation }),
    );
  }
}

function isPending(item: OutboxItem): boolean {
  return item.type === 'outbox' && !item.dispatched;
}
