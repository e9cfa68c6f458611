import { createContainers } from '#adapters/azure/blob/create-containers.ts';
import { CosmosAccountRegistry } from '#adapters/azure/cosmos/cosmos-account-registry.ts';
import { cosmosOf } from './azure.module.ts';
import { registerAccounts } from './register-accounts.ts';
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
    await registerAccounts(new CosmosAccountRegistry(database), settings.zoneAccounts);
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
