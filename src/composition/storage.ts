import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Settings } from './settings.ts';

export function storageAccountsOf(settings: Pick<Settings, 'storage'>): StorageAccounts {
  return new StorageAccounts(
    Object.fromEntries(
      Object.entries(settings.storage).map(([account, storage]) => [
        account,
        { endpoint: storage.endpoint, access: accessOf(storage) },
      ]),
    ),
  );
}

export function blobStoreOf(settings: Pick<Settings, 'storage'>): BlobStore {
  return new AzureBlobStore(storageAccountsOf(settings));
}
