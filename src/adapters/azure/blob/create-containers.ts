import type { StorageAccounts } from './storage-accounts.ts';

/** Creates what Bicep creates in Azure. For the local stack; containers that exist are left as they are. */
export async function createContainers(
  accounts: StorageAccounts,
  containers: readonly { readonly account: string; readonly container: string }[],
): Promise<void> {
  await Promise.all(
    containers.map(({ account, container }) =>
      accounts.container({ account, container, path: '' }).createIfNotExists(),
    ),
  );
}
