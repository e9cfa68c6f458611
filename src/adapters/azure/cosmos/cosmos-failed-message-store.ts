import type { Container, SqlQuerySpec } from '@azure/cosmos';
import { TerminalFailure } from '#domain/failures.ts';
import type { FailedMessage, FailedMessageStore, ReplayAudit } from '#domain/ports/failed-message-store.ts';
import {
  type CosmosDatabase,
  collect,
  guardedWrite,
  idOfText,
  queryItems,
  request,
  type Stored,
} from './cosmos-database.ts';

const AUDIT_SHARD = 'audit';
const FILTERS = ['queue', 'reason', 'state'] as const;

interface FailedItem {
  readonly id: string;
  readonly queue: string;
  readonly message: FailedMessage;
  /** The replay that took it. */
  readonly operationId?: string;
}

/** Dead letters in `failedMessages`, what people did with them in `operations`. */
export class CosmosFailedMessageStore implements FailedMessageStore {
  readonly #messages: Container;
  readonly #operations: Container;

  constructor(database: CosmosDatabase) {
    this.#messages = database.container('failedMessages');
    this.#operations = database.container('operations');
  }

  async save(message: FailedMessage): Promise<void> {
    const item: FailedItem = { id: idOfText(message.failedMessageId), queue: message.queue, message };
    await guardedWrite(`Failed message ${message.failedMessageId} could not be saved`, () =>
      this.#messages.items.create(item),
    );
  }

  async get(failedMessageId: string): Promise<FailedMessage | undefined> {
    return (await this.#item(failedMessageId))?.message;
  }

  async list(
    filter: { readonly queue?: string; readonly reason?: string; readonly state?: FailedMessage['state'] },
    limit: number,
  ): Promise<readonly FailedMessage[]> {
    const given = FILTERS.filter((name) => filter[name] !== undefined);
    const where = given.map((name) =>
      name === 'queue' ? 'c.queue = @queue' : `c.message.${name} = @${name}`,
    );
    const query: SqlQuerySpec = {
      query: `SELECT * FROM c ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY c.message.failedAt DESC`,
      parameters: given.map((name) => ({ name: `@${name}`, value: filter[name] ?? null })),
    };
    const items = await collect(queryItems<FailedItem>(this.#messages, query, filter.queue), limit);
    return items.map(({ message }) => message);
  }

  async claim(failedMessageId: string, operationId: string): Promise<FailedMessage | undefined> {
    const item = await this.#item(failedMessageId);
    if (item === undefined) return undefined;
    const { message } = item;
    // The same replay, which crashed after it took the message, takes it again under the same number.
    if (message.state === 'replaying' && item.operationId === operationId) return message;
    if (message.state !== 'failed') return undefined;
    const claimed: FailedMessage = { ...message, state: 'replaying', replayCount: message.replayCount + 1 };
    return (await this.#replace(item, claimed, operationId)) ? claimed : undefined;
  }

  async markReplayed(failedMessageId: string, operationId: string): Promise<void> {
    const item = await this.#item(failedMessageId);
    if (item === undefined || item.operationId !== operationId) {
      throw new TerminalFailure(
        'not-allowed',
        `Failed message ${failedMessageId} is not in the hands of replay ${operationId}.`,
      );
    }
    if (item.message.state === 'replayed') return;
    await this.#replace(item, { ...item.message, state: 'replayed' }, operationId);
  }

  async audit(entry: ReplayAudit): Promise<void> {
    const id = `audit:${idOfText(entry.operationId)}`;
    await request(`The audit of replay ${entry.operationId} could not be written`, () =>
      this.#operations.items.upsert({ id, shard: AUDIT_SHARD, type: 'audit', entry }),
    );
  }

  async audits(limit: number): Promise<readonly ReplayAudit[]> {
    const items = await collect(
      queryItems<{ entry: ReplayAudit }>(
        this.#operations,
        { query: "SELECT * FROM c WHERE c.type = 'audit' ORDER BY c.entry.at DESC" },
        AUDIT_SHARD,
      ),
      limit,
    );
    return items.map(({ entry }) => entry);
  }

  /** The queue, which is the partition, is not known from the id alone. */
  async #item(failedMessageId: string): Promise<(FailedItem & Stored) | undefined> {
    const items = await collect(
      queryItems<FailedItem & Stored>(this.#messages, {
        query: 'SELECT * FROM c WHERE c.id = @id',
        parameters: [{ name: '@id', value: idOfText(failedMessageId) }],
      }),
    );
    return items[0];
  }

  async #replace(item: FailedItem & Stored, message: FailedMessage, operationId: string): Promise<boolean> {
    const { id, queue, _etag } = item;
    const replaced = await guardedWrite(
      `Failed message ${message.failedMessageId} could not be changed`,
      () =>
        this.#messages
          .item(id, queue)
          .replace<FailedItem>(
            { id, queue, message, operationId },
            { accessCondition: { type: 'IfMatch', condition: _etag } },
          ),
    );
    return replaced !== 'conflict';
  }
}
