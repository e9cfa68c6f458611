import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { ZoneAccount } from './settings.ts';

/** Registers the accounts that are new. One that operators have drained or weighted stays as they left it. */
export async function registerAccounts(
  registry: AccountRegistry,
  zoneAccounts: readonly ZoneAccount[],
): Promise<void> {
  const known = new Set((await registry.accounts()).map(({ account }) => account));
  for (const account of zoneAccounts.filter((candidate) => !known.has(candidate.account))) {
    await registry.save({ ...account, state: 'open' });
  }
}
