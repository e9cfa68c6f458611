import type { AccountRegistry, RegisteredAccount } from '#domain/ports/account-registry.ts';

/** The registry of storage accounts, in memory. */
export class MemoryAccountRegistry implements AccountRegistry {
  readonly #accounts = new Map<string, RegisteredAccount>();

  async accounts(): Promise<readonly RegisteredAccount[]> {
    return [...this.#accounts.values()];
  }

  async save(account: RegisteredAccount): Promise<void> {
    this.#accounts.set(`${account.zone} ${account.account}`, account);
  }
}
