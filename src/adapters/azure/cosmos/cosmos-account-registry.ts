import type { Container } from '@azure/cosmos';
import type { AccountRegistry, RegisteredAccount } from '#domain/ports/account-registry.ts';
import { type CosmosDatabase, collect, queryItems, request } from './cosmos-database.ts';

/** A few dozen documents: read whole. */
export class CosmosAccountRegistry implements AccountRegistry {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('accounts');
  }

  async accounts(): Promise<readonly RegisteredAccount[]> {
    const items = await collect(
      queryItems<{ account: RegisteredAccount }>(this.#container, { query: 'SELECT c.account FROM c' }),
    );
    return items
      .map(({ account }) => account)
      .toSorted((a, b) => `${a.zone} ${a.account}`.localeCompare(`${b.zone} ${b.account}`));
  }

  async save(account: RegisteredAccount): Promise<void> {
    await request(`Account ${account.account} could not be registered for ${account.zone}`, () =>
      this.#container.items.upsert({ id: account.account, zone: account.zone, account }),
    );
  }
}
