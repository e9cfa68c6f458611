import type { Container } from '@azure/cosmos';
import type { AccountRegistry, RegisteredAccount } from '#domain/ports/account-registry.ts';
import { type CosmosDatabase, collect, queryItems, request } from './cosmos-database.ts';

/** Every stage of every measurement asks, and the answer changes when somebody adds or drains an account. */
const REMEMBERED_MS = 5_000;

/** A few dozen documents: read whole, and remembered for a moment. */
export class CosmosAccountRegistry implements AccountRegistry {
  readonly #container: Container;
  #remembered: { readonly accounts: readonly RegisteredAccount[]; readonly readAtMs: number } | undefined;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('accounts');
  }

  /** As they were at most 5 s ago; what this process saves is seen at once. */
  async accounts(): Promise<readonly RegisteredAccount[]> {
    const nowMs = performance.now();
    if (this.#remembered !== undefined && nowMs - this.#remembered.readAtMs < REMEMBERED_MS)
      return this.#remembered.accounts;
    const accounts = await this.#read();
    this.#remembered = { accounts, readAtMs: nowMs };
    return accounts;
  }

  async #read(): Promise<readonly RegisteredAccount[]> {
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
    this.#remembered = undefined;
  }
}
