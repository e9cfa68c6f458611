import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { AzureBatchTaskRunner } from '#adapters/azure/batch/azure-batch-task-runner.ts';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { CosmosDatabase } from '#adapters/azure/cosmos/cosmos-database.ts';
import { CosmosDeadlineQuery } from '#adapters/azure/cosmos/cosmos-deadline-query.ts';
import { CosmosOutboxFeed } from '#adapters/azure/cosmos/cosmos-outbox-feed.ts';
import { CosmosSagaStore } from '#adapters/azure/cosmos/cosmos-saga-store.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import { type RunningBatch, startBatch } from '#emulators/batch/batch.ts';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
import { sagaStoreContract, type TestState } from '#test/contract/saga-store.contract.ts';
import { BATCH_ACCOUNT } from '#test/emulators/batch/batch-fixture.ts';
import { ACCOUNT_KEY, removeFolder, temporaryFolder } from '#test/emulators/storage/storage-fixture.ts';
import { selfSignedCertificate } from '#test/support/self-signed-certificate.ts';

const CLIENT_ID = '22222222-2222-2222-2222-222222222222';

/** The local identity endpoint of App Service and Container Apps (protocol 2019-08-01). */
async function startIdentityEndpoint(asked: URLSearchParams[]): Promise<Server> {
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://127.0.0.1').searchParams;
    asked.push(query);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const claims = {
      aud: query.get('resource')?.replace(/\/$/, ''),
      iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
      iat: nowSeconds - 60,
      nbf: nowSeconds - 60,
      exp: nowSeconds + 3600,
      oid: '11111111-1111-1111-1111-111111111111',
      tid: '00000000-0000-0000-0000-000000000000',
    };
    const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
    const token = `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ access_token: token, expires_on: String(claims.exp), token_type: 'Bearer' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe('with the managed identity', () => {
  const folder = temporaryFolder();
  const certificates = tls.getCACertificates('default');
  const certificate = selfSignedCertificate();
  const access = { auth: 'managed-identity', clientId: CLIENT_ID } as const;
  const asked: URLSearchParams[] = [];
  const environment = { ...process.env };
  let identity: Server;
  let storage: RunningStorage;
  let cosmos: CosmosEmulator;
  let batch: RunningBatch;
  let database: CosmosDatabase;

  before(async () => {
    tls.setDefaultCACertificates([...certificates, certificate.cert]);
    identity = await startIdentityEndpoint(asked);
    process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${(identity.address() as AddressInfo).port}/token`;
    process.env['IDENTITY_HEADER'] = 'secret';
    storage = await startStorage({
      accounts: [
        { name: 'landing', key: ACCOUNT_KEY },
        { name: 'raw01', key: ACCOUNT_KEY },
      ],
      dataFolder: join(folder, 'storage'),
      tls: certificate,
      oauth: true,
    });
    cosmos = await startCosmos({ port: 0, tls: certificate });
    batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder: join(folder, 'batch'),
      tls: certificate,
    });
    // The containers exist in Azure; here the key makes them.
    const key = { auth: 'emulator-key', key: cosmos.key } as const;
    const creator = new CosmosDatabase({ endpoint: cosmos.endpoint, database: 'landfall', access: key });
    await creator.create();
    creator.dispose();
    database = new CosmosDatabase({ endpoint: cosmos.endpoint, database: 'landfall', access });
  });
  after(async () => {
    database.dispose();
    await Promise.all([storage.close(), cosmos.close(), batch.close()]);
    identity.close();
    tls.setDefaultCACertificates(certificates);
    for (const name of ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']) {
      if (environment[name] === undefined) delete process.env[name];
      else process.env[name] = environment[name];
    }
    removeFolder(folder);
  });

  // Copies between accounts and links for others are signed with a user delegation key here.
  blobStoreContract('Azure Blob Storage with the managed identity', async () => {
    const account = (name: string) => ({ endpoint: `${storage.endpoint}/${name}`, access });
    const accounts = new StorageAccounts({ landing: account('landing'), raw01: account('raw01') });
    return { store: new AzureBlobStore(accounts), accounts: ['landing', 'raw01'] };
  });

  sagaStoreContract('Cosmos DB with the managed identity', async () => ({
    sagas: new CosmosSagaStore<TestState>(database),
    feed: new CosmosOutboxFeed(database),
    deadlines: new CosmosDeadlineQuery(database),
  }));

  it('asks for a token of the data plane of Batch, as the identity it is told to be', async () => {
    const runner = new AzureBatchTaskRunner({
      endpoint: batch.endpoint,
      account: BATCH_ACCOUNT.name,
      access,
      pools: { orchestrator: 'o', execution: 'e' },
      images: {},
      environment: {},
      now: () => new Date(),
    });
    assert.deepEqual(await runner.outcomes('no-such-job', 'run', ['run-000000']), [
      { taskId: 'run-000000', state: 'lost' },
    ]);
    const last = asked.find((query) => query.get('resource')?.includes('batch') === true);
    assert.equal(last?.get('resource'), 'https://batch.core.windows.net/');
    assert.equal(last?.get('client_id'), CLIENT_ID);
  });

  it('never takes the identity where a key was promised', () => {
    assert.throws(() => accessOf({ auth: 'emulator-key' }), /configured without its key/);
    assert.deepEqual(accessOf({ auth: 'managed-identity', clientId: CLIENT_ID, key: 'ignored' }), access);
  });
});
