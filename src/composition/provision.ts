import { createContainers } from '#adapters/azure/blob/create-containers.ts';
import { CosmosAccountRegistry } from '#adapters/azure/cosmos/cosmos-account-registry.ts';
import { cosmosOf } from './azure.module.ts';
import type { Settings } from './settings.ts';
import { storageAccountsOf } from './storage.ts';
import { createPools } from './tasks.ts';
import { containersOfZone, OPERATIONS_CONTAINERS } from './zone-containers.ts';

/** Creates on the local stack what Bicep creates in Azure. Running it again changes nothing. */
export async function provision(settings: Settings): Promise<void> {
  const database = cosmosOf(settings);
  try {
    await Promise.all([
      database.create(),
      createContainers(storageAccountsOf(settings), containersOf(settings)),
      createPools(settings),
    ]);
    const registry = new CosmosAccountRegistry(database);
    const known = new Set((await registry.accounts()).map(({ account }) => account));
    // An account that operators have drained or weighted stays as they left it.
    for (const account of settings.zoneAccounts.filter((candidate) => !known.has(candidate.account))) {
      await registry.save({ ...account, state: 'open' });
    }
  } finally {
    database.dispose();
  }
}

function containersOf({ zoneAccounts, operationsAccount }: Settings) {
  return [
    ...zoneAccounts.flatMap(({ account, zone }) =>
      containersOfZone(zone).map((container) => ({ account, container })),
    ),
    ...OPERATIONS_CONTAINERS.map((container) => ({ account: operationsAccount, container })),
  ];
}
