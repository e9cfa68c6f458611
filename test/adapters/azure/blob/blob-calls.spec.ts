import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { blobCalls } from '#adapters/azure/blob/blob-calls.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { SaidCalls } from '#test/support/said-calls.ts';

describe('calls to Blob Storage', () => {
  const key = Buffer.from('k'.repeat(64)).toString('base64');
  const dataFolder = mkdtempSync(join(tmpdir(), 'landfall-blob-calls-'));
  const calls = new SaidCalls();
  let storage: RunningStorage;
  let accounts: StorageAccounts;
  before(async () => {
    storage = await startStorage({ accounts: [{ name: 'raw01', key }], dataFolder });
    const endpoint = `${storage.endpoint}/raw01`;
    accounts = new StorageAccounts({ raw01: { endpoint, access: { auth: 'emulator-key', key } } }, { calls });
    await accounts.container({ account: 'raw01', container: 'recordings', path: '' }).createIfNotExists();
  });
  after(async () => {
    await storage.close();
    rmSync(dataFolder, { recursive: true, force: true });
  });

  it('are said with operation, account, container, status and time, never with a path', async () => {
    const store = new AzureBlobStore(accounts);
    const location = { account: 'raw01', container: 'recordings', path: 'm/secret-vin/drive.bag' };
    calls.take();
    await store.write(location, Uint8Array.of(1, 2, 3), { contentType: 'text/plain' });
    await store.head(location);
    await store.head({ ...location, path: 'm/none' });
    await store.read(location, 10);
    await Array.fromAsync(store.list({ ...location, path: 'm/' }));
    const said = calls.take();
    assert.deepEqual(
      new Set(said.map(({ operation, target, statusCode }) => `${operation} ${target} ${statusCode}`)),
      new Set([
        'PutBlob raw01/recordings 201',
        'GetBlobProperties raw01/recordings 200',
        'GetBlobProperties raw01/recordings 404',
        'GetBlob raw01/recordings 200',
        'ListBlobs raw01/recordings 200',
      ]),
    );
    assert.ok(said.every(({ durationMs }) => durationMs > 0));
    assert.doesNotMatch(JSON.stringify(said), /secret/);
  });

  it('are named alike in Azure, where the account is in the host', async () => {
    const at = 'https://raw01.blob.core.windows.net';
    for (const [method, address, source, expected] of [
      ['PUT', '/recordings/a/b?comp=block&blockid=x', undefined, 'PutBlock raw01/recordings'],
      ['PUT', '/recordings/a?comp=block&blockid=x', 'https://other', 'PutBlockFromURL raw01/recordings'],
      ['PUT', '/recordings/a?comp=blocklist', undefined, 'PutBlockList raw01/recordings'],
      ['DELETE', '/recordings/a', undefined, 'DeleteBlob raw01/recordings'],
      ['POST', '/?restype=service&comp=userdelegationkey', undefined, 'GetUserDelegationKey raw01'],
    ] as const) {
      const headers = { get: (name: string) => (name === 'x-ms-copy-source' ? source : undefined) };
      const request = { url: `${at}${address}`, method, headers };
      type Policy = ReturnType<ReturnType<typeof blobCalls>['create']>;
      type Next = Parameters<ReturnType<typeof blobCalls>['create']>[0];
      const next = { sendRequest: async () => ({ status: 201 }) } as unknown as Next;
      const policy = blobCalls(calls, 'raw01', at).create(next, {} as never);
      await policy.sendRequest(request as unknown as Parameters<Policy['sendRequest']>[0]);
      const [said] = calls.take();
      assert.equal(`${said?.operation} ${said?.target}`, expected);
    }
  });
});
