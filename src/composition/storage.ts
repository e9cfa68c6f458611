import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import type { Settings } from './settings.ts';

/** `calls` is told of every request. */
export function storageAccountsOf(
  settings: Pick<Settings, 'storage'>,
  calls?: ServiceCalls,
): StorageAccounts {
  return new StorageAccounts(
    Object.fromEntries(
      Object.entries(settings.storage).map(([account, storage]) => [
        account,
        { endpoint: storage.endpoint, access: accessOf(storage) },
      ]),
    ),
    calls === undefined ? {} : { calls },
  );
}

export function blobStoreOf(settings: Pick<Settings, 'storage'>, calls?: ServiceCalls): BlobStore {
  return new AzureBlobStore(storageAccountsOf(settings, calls));
}
