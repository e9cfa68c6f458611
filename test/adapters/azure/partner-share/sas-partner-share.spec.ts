import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { CosmosDatabase } from '#adapters/azure/cosmos/cosmos-database.ts';
import { SasPartnerShare } from '#adapters/azure/partner-share/sas-partner-share.ts';
import type { BlobReference } from '#domain/vocabulary.ts';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { partnerShareContract } from '#test/contract/partner-share.contract.ts';

describe('offers by signed links', () => {
  const key = Buffer.from('k'.repeat(64)).toString('base64');
  const dataFolder = mkdtempSync(join(tmpdir(), 'landfall-share-'));
  let storage: RunningStorage;
  let cosmos: CosmosEmulator;
  let database: CosmosDatabase;
  let partners: SasPartnerShare;
  let pack: BlobReference;
  before(async () => {
    storage = await startStorage({ accounts: [{ name: 'labeled', key }], dataFolder });
    cosmos = await startCosmos({ port: 0 });
    const accounts = new StorageAccounts({
      labeled: { endpoint: `${storage.endpoint}/labeled`, access: { auth: 'emulator-key', key } },
    });
    database = new CosmosDatabase({
      endpoint: cosmos.endpoint,
      database: 'landfall',
      access: { auth: 'emulator-key', key: cosmos.key },
    });
    await database.create();
    partners = new SasPartnerShare(database, accounts, () => new Date());
    const location = { account: 'labeled', container: 'structured', path: 'package.tar' };
    const content = new TextEncoder().encode('frames');
    const { sha256 } = await new AzureBlobStore(accounts).write(location, content, {
      contentType: 'application/x-tar',
    });
    pack = { ...location, sha256, sizeBytes: content.length };
  });
  after(async () => {
    database.dispose();
    await Promise.all([storage.close(), cosmos.close()]);
    rmSync(dataFolder, { recursive: true, force: true });
  });

  partnerShareContract('signed links', async () => ({ partners, package: pack }));

  it('opens the package for whoever has the link', async () => {
    const [shareId, measurementId] = [randomUUID(), randomUUID()];
    const expiresAt = new Date(Date.now() + 600_000);
    await partners.offer({ shareId, partner: 'p', measurementId, package: pack, expiresAt });
    const { url } = await partners.link(measurementId, shareId, 'ada');
    assert.equal(await (await fetch(url)).text(), 'frames');
  });
});
