// The local stack behind https, and no key anywhere in the adapters: what runs in Azure runs here.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { apiTokens } from '#adapters/azure/api-token.ts';
import { AzureBatchTaskRunner } from '#adapters/azure/batch/azure-batch-task-runner.ts';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { CosmosAccountRegistry } from '#adapters/azure/cosmos/cosmos-account-registry.ts';
import { CosmosDatabase } from '#adapters/azure/cosmos/cosmos-database.ts';
import { CosmosDeadlineQuery } from '#adapters/azure/cosmos/cosmos-deadline-query.ts';
import { CosmosFailedMessageStore } from '#adapters/azure/cosmos/cosmos-failed-message-store.ts';
import { CosmosLandingStore } from '#adapters/azure/cosmos/cosmos-landing-store.ts';
import { CosmosMetadataStore } from '#adapters/azure/cosmos/cosmos-metadata-store.ts';
import { CosmosOutboxFeed } from '#adapters/azure/cosmos/cosmos-outbox-feed.ts';
import { CosmosSagaStore } from '#adapters/azure/cosmos/cosmos-saga-store.ts';
import { CosmosStageRunStore } from '#adapters/azure/cosmos/cosmos-stage-run-store.ts';
import { CosmosVehicleStore } from '#adapters/azure/cosmos/cosmos-vehicle-store.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import { EventGridEventPublisher } from '#adapters/azure/event-grid/event-grid-event-publisher.ts';
import { SasPartnerShare } from '#adapters/azure/partner-share/sas-partner-share.ts';
import { QueueCounts } from '#adapters/azure/service-bus/queue-counts.ts';
import { connectServiceBus } from '#adapters/azure/service-bus/service-bus-connection.ts';
import { ServiceBusMessageSender } from '#adapters/azure/service-bus/service-bus-message-sender.ts';
import { HttpTaskReporter } from '#adapters/task-reporter/http-task-reporter.ts';
import { type RunningBatch, startBatch } from '#emulators/batch/batch.ts';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';
import { type RunningEventGrid, startEventGrid } from '#emulators/event-grid/event-grid.ts';
import { type ServiceBusEmulator, startServiceBus } from '#emulators/service-bus/service-bus.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { accountRegistryContract } from '#test/contract/account-registry.contract.ts';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
import { eventPublisherContract } from '#test/contract/event-publisher.contract.ts';
import { failedMessageStoreContract } from '#test/contract/failed-message-store.contract.ts';
import { landingStoreContract } from '#test/contract/landing-store.contract.ts';
import { messageSenderContract, outgoing } from '#test/contract/message-sender.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';
import { partnerShareContract } from '#test/contract/partner-share.contract.ts';
import { sagaStoreContract, type TestState } from '#test/contract/saga-store.contract.ts';
import { stageRunStoreContract } from '#test/contract/stage-run-store.contract.ts';
import { vehicleStoreContract } from '#test/contract/vehicle-store.contract.ts';
import { BATCH_ACCOUNT } from '#test/emulators/batch/batch-fixture.ts';
import { entitiesOf } from '#test/emulators/service-bus/local-namespace.ts';
import { ACCOUNT_KEY, removeFolder, temporaryFolder } from '#test/emulators/storage/storage-fixture.ts';
import {
  type MachineWithIdentity,
  startMachineWithIdentity,
  UNKNOWN_CLIENT_ID,
} from '#test/support/identity-endpoint.ts';

const CLIENT_ID = '22222222-2222-2222-2222-222222222222';

const toMany = () => outgoing({ destination: { kind: 'queue', name: 'many' } });

const ENTITIES = entitiesOf(
  [{ Name: 'many' }],
  [
    {
      Name: 'commands',
      Subscriptions: [
        {
          Name: 'extract',
          Rules: [{ Name: 'all', Properties: { FilterType: 'Sql', SqlFilter: { SqlExpression: '1=1' } } }],
        },
      ],
    },
  ],
);

describe('with the managed identity', () => {
  const folder = temporaryFolder();
  const access = { auth: 'managed-identity', clientId: CLIENT_ID } as const;
  let machine: MachineWithIdentity;
  let storage: RunningStorage;
  let cosmos: CosmosEmulator;
  let batch: RunningBatch;
  let eventGrid: RunningEventGrid;
  let serviceBus: ServiceBusEmulator;
  let database: CosmosDatabase;

  const accounts = () => {
    const account = (name: string) => ({ endpoint: `${storage.endpoint}/${name}`, access });
    return new StorageAccounts({ landing: account('landing'), raw01: account('raw01') });
  };
  const namespace = (port: number) => ({ ...access, fullyQualifiedNamespace: `127.0.0.1:${port}` });
  /** The resource of the last token that was asked for a service. */
  const lastResource = (service: string) =>
    machine.asked.findLast((query) => query.get('resource')?.includes(service) === true);

  before(async () => {
    machine = await startMachineWithIdentity();
    const tls = machine.certificate;
    storage = await startStorage({
      accounts: [
        { name: 'landing', key: ACCOUNT_KEY },
        { name: 'raw01', key: ACCOUNT_KEY },
      ],
      dataFolder: join(folder, 'storage'),
      tls,
      oauth: true,
    });
    cosmos = await startCosmos({ port: 0, tls });
    batch = await startBatch({ account: BATCH_ACCOUNT, dataFolder: join(folder, 'batch'), tls });
    eventGrid = await startEventGrid({
      configuration: {
        topics: [
          { name: 'landfall-events', key: 'a2V5' },
          { name: 'other-events', key: 'a2V5' },
        ],
      },
      dataFolder: join(folder, 'event-grid'),
      tls,
    });
    serviceBus = await startServiceBus({ entities: ENTITIES, port: 0, adminPort: 0, tls });
    // The containers exist in Azure; here the key makes them.
    const key = { auth: 'emulator-key', key: cosmos.key } as const;
    const creator = new CosmosDatabase({ endpoint: cosmos.endpoint, database: 'landfall', access: key });
    await creator.create();
    creator.dispose();
    database = new CosmosDatabase({ endpoint: cosmos.endpoint, database: 'landfall', access });
  });
  after(async () => {
    database.dispose();
    await Promise.all([
      storage.close(),
      cosmos.close(),
      batch.close(),
      eventGrid.close(),
      serviceBus.close(),
    ]);
    machine.close();
    removeFolder(folder);
  });

  describe('Blob Storage', () => {
    // Copies from account to account are among these; they are signed by user delegation here.
    blobStoreContract('Azure Blob Storage with the managed identity', async () => ({
      store: new AzureBlobStore(accounts()),
      accounts: ['landing', 'raw01'],
    }));

    partnerShareContract('links signed by user delegation', async () => ({
      partners: new SasPartnerShare(database, accounts(), () => new Date()),
      package: await packageIn(new AzureBlobStore(accounts())),
    }));

    it('signs a link for a partner with a user delegation key, for reading this one blob', async () => {
      const partners = new SasPartnerShare(database, accounts(), () => new Date());
      const pack = await packageIn(new AzureBlobStore(accounts()));
      const [shareId, measurementId] = [randomUUID(), randomUUID()];
      const expiresAt = new Date(Date.now() + 600_000);
      await partners.offer({ shareId, partner: 'p', measurementId, package: pack, expiresAt });
      const { url } = await partners.link(measurementId, shareId, 'ada');
      const signature = new URL(url).searchParams;
      assert.equal(signature.get('sp'), 'r');
      assert.equal(signature.get('sr'), 'b');
      assert.equal(signature.get('spr'), 'https');
      assert.ok(signature.get('skoid'), 'the signature names whose delegation key made it');
      assert.equal(await (await fetch(url)).text(), 'frames');
      assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
      assert.equal(lastResource('storage')?.get('resource'), 'https://storage.azure.com');
    });
  });

  describe('Cosmos DB', () => {
    const sagas = () => new CosmosSagaStore<TestState>(database);
    sagaStoreContract('Cosmos DB with the managed identity', async () => ({
      sagas: sagas(),
      feed: new CosmosOutboxFeed(database),
      deadlines: new CosmosDeadlineQuery(database),
    }));
    metadataStoreContract('Cosmos DB with the managed identity', async () => ({
      metadata: new CosmosMetadataStore(database),
      write: async (measurementId, documents) => {
        const loaded = await sagas().load(measurementId);
        const written = await sagas().commit({
          measurementId,
          inputId: randomUUID(),
          expectedEtag: loaded?.etag,
          state: { step: 1 },
          record: { version: 1, input: {}, events: [], at: '2026-01-01T00:00:00Z' },
          outputs: [],
          documents,
        });
        assert.equal(written, 'committed');
      },
    }));
    landingStoreContract('Cosmos DB with the managed identity', async () => new CosmosLandingStore(database));
    stageRunStoreContract(
      'Cosmos DB with the managed identity',
      async () => new CosmosStageRunStore(database),
    );
    failedMessageStoreContract(
      'Cosmos DB with the managed identity',
      async () => new CosmosFailedMessageStore(database),
    );
    vehicleStoreContract('Cosmos DB with the managed identity', async () => new CosmosVehicleStore(database));
    accountRegistryContract(
      'Cosmos DB with the managed identity',
      async () => new CosmosAccountRegistry(database),
    );
  });

  describe('Event Grid', () => {
    eventPublisherContract('Event Grid with the managed identity', async () => ({
      publisher: new EventGridEventPublisher({
        endpoint: eventGrid.topicEndpoint('landfall-events'),
        access,
      }),
      accepted: async () => {
        const answer = await fetch(`${eventGrid.endpoint}/control/topics/landfall-events/events?after=0`);
        const { events } = (await answer.json()) as { events: { event: unknown }[] };
        return events.map(({ event }) => event);
      },
    }));

    it('is asked for a token of its own', async () => {
      const endpoint = eventGrid.topicEndpoint('other-events');
      await new EventGridEventPublisher({ endpoint, access }).publish([outgoing().envelope]);
      assert.equal(lastResource('eventgrid')?.get('resource'), 'https://eventgrid.azure.net');
      assert.equal(lastResource('eventgrid')?.get('client_id'), CLIENT_ID);
    });
  });

  describe('Service Bus', () => {
    let sender: ServiceBusMessageSender;
    before(() => {
      sender = new ServiceBusMessageSender(namespace(serviceBus.port));
    });
    after(() => sender.close());

    messageSenderContract('Service Bus with the managed identity', async () => ({
      sender,
      queue: 'many',
      topic: 'commands',
      lyingIn: async (entity) => {
        const client = connectServiceBus(namespace(serviceBus.port));
        const receiver =
          entity === 'commands'
            ? client.createReceiver('commands', 'extract')
            : client.createReceiver(entity);
        const messages = await receiver.peekMessages(1000);
        await client.close();
        return messages.map(({ messageId, body }) => ({ messageId: String(messageId), body }));
      },
    }));

    it('counts what lies in a queue, over https', async () => {
      await sender.send([toMany()]);
      const { active } = await new QueueCounts(namespace(serviceBus.adminPort)).queue('many');
      assert.ok(active > 0);
      assert.match(
        lastResource('servicebus')?.get('resource') ?? '',
        /^https:\/\/servicebus\.azure\.net\/?$/,
      );
    });

    it('lets nobody in without a token for Service Bus', async () => {
      const answer = await fetch(`${serviceBus.adminEndpoint}/many?api-version=2021-05`, {
        headers: { authorization: 'Bearer e30.e30.' },
      });
      assert.equal(answer.status, 401);
      assert.match(await answer.text(), /InvalidAudience/);
    });

    it('does not fall back to anything when the machine does not have the identity', async () => {
      const stranger = new ServiceBusMessageSender({
        ...namespace(serviceBus.port),
        clientId: UNKNOWN_CLIENT_ID,
      });
      await assert.rejects(stranger.send([toMany()]), /Identity not found|ManagedIdentityCredential/);
      await stranger.close();
    });
  });

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
    // The scope https://batch.core.windows.net//.default: the resource, with its slash, and "/.default".
    assert.equal(lastResource('batch')?.get('resource'), 'https://batch.core.windows.net/');
    assert.equal(lastResource('batch')?.get('client_id'), CLIENT_ID);
    assert.equal(lastResource('management.azure.com'), undefined);
  });

  it('a task reports with a token of its node for the API, and says nothing without one', async () => {
    const seen: (string | undefined)[] = [];
    const api = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(202).end();
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const reporterOf = (clientId: string) =>
      new HttpTaskReporter(
        address,
        async () => {},
        apiTokens({ auth: 'managed-identity', clientId }, 'api-client'),
      );
    await reporterOf(CLIENT_ID).report('run-000000', { outcome: 'succeeded' });
    assert.match(seen[0] ?? '', /^Bearer ey/);
    assert.equal(lastResource('api-client')?.get('client_id'), CLIENT_ID);
    await assert.rejects(
      reporterOf(UNKNOWN_CLIENT_ID).report('run-000000', { outcome: 'succeeded' }),
      /gets no token for the metadata API/,
    );
    assert.equal(seen.length, 1, 'the API is not asked without a token');
    api.close();
    api.closeAllConnections();
  });

  it('never takes the identity where a key was promised', () => {
    assert.throws(() => accessOf({ auth: 'emulator-key' }), /configured without its key/);
    assert.deepEqual(accessOf({ auth: 'managed-identity', clientId: CLIENT_ID, key: 'ignored' }), access);
  });
});

async function packageIn(store: AzureBlobStore) {
  const location = { account: 'raw01', container: 'structured', path: `${randomUUID()}/package.tar` };
  const content = new TextEncoder().encode('frames');
  const { sha256 } = await store.write(location, content, { contentType: 'application/x-tar' });
  return { ...location, sha256, sizeBytes: content.length };
}
