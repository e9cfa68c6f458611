import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';

describe('Azure Blob Storage', () => {
  const key = Buffer.from('k'.repeat(64)).toString('base64');
  const dataFolder = mkdtempSync(join(tmpdir(), 'landfall-blob-store-'));
  let storage: RunningStorage;
  let store: AzureBlobStore;

  before(async () => {
    storage = await startStorage({
      accounts: [
        { name: 'landing', key, hierarchical: true },
        { name: 'raw01', key },
      ],
      dataFolder,
      archiveRehydrateSeconds: 0.2,
    });
    const account = (name: string) => ({
      endpoint: `${storage.endpoint}/${name}`,
      access: { auth: 'emulator-key', key } as const,
    });
    store = new AzureBlobStore(new StorageAccounts({ landing: account('landing'), raw01: account('raw01') }));
  });
  after(async () => {
    await storage.close();
    rmSync(dataFolder, { recursive: true, force: true });
  });

  blobStoreContract('Azure Blob Storage with the account key', async () => ({
    store,
    accounts: ['landing', 'raw01'],
  }));

  it('serves the signed URL to anyone, for reading only', async () => {
    const location = { account: 'raw01', container: 'recordings', path: 'signed.txt' };
    await store.write(location, new TextEncoder().encode('for you'), { contentType: 'text/plain' });
    const url = await store.readUrl(location, new Date(Date.now() + 60_000));
    assert.equal(await (await fetch(url)).text(), 'for you');
    assert.equal((await fetch(url.replace('signed.txt', 'other.txt'))).status, 403);
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  });

  it('says that trying again may help when the service is out of order', async () => {
    storage.faults.add({ kind: 'status', status: 503, times: 20 });
    try {
      await assert.rejects(
        new AzureBlobStore(
          new StorageAccounts({
            raw01: { endpoint: `${storage.endpoint}/raw01`, access: { auth: 'emulator-key', key } },
          }),
        ).head({ account: 'raw01', container: 'c00', path: 'p' }),
        (error) =>
          error instanceof RetryableFailure && /raw01\/c00\/p could not be looked at/.test(error.message),
      );
    } finally {
      storage.faults.clear();
    }
  }).timeout(20_000);

  it('refuses a key for a host that is not this machine', () => {
    assert.throws(
      () =>
        new StorageAccounts({
          raw01: { endpoint: 'https://raw01.blob.core.windows.net', access: { auth: 'emulator-key', key } },
        }),
      /raw01\.blob\.core\.windows\.net is not this machine/,
    );
  });
});
