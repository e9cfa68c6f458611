import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
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
import { RetryableFailure } from '#domain/failures.ts';
import type { SagaChange } from '#domain/ports/saga-store.ts';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';
import { accountRegistryContract } from '#test/contract/account-registry.contract.ts';
import { failedMessageStoreContract } from '#test/contract/failed-message-store.contract.ts';
import { landingStoreContract } from '#test/contract/landing-store.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';
import { sagaStoreContract, type TestState } from '#test/contract/saga-store.contract.ts';
import { stageRunStoreContract } from '#test/contract/stage-run-store.contract.ts';
import { vehicleStoreContract } from '#test/contract/vehicle-store.contract.ts';

describe('Cosmos DB', () => {
  let emulator: CosmosEmulator;
  let database: CosmosDatabase;
  let sagas: CosmosSagaStore<TestState>;
  before(async () => {
    emulator = await startCosmos({ port: 0 });
    database = new CosmosDatabase({
      endpoint: emulator.endpoint,
      database: 'landfall',
      access: { auth: 'emulator-key', key: emulator.key },
    });
    await database.create();
    await database.create();
    sagas = new CosmosSagaStore(database);
  });
  after(async () => {
    database.dispose();
    await emulator.close();
  });

  const change = (
    measurementId: string,
    more: Partial<SagaChange<TestState>> = {},
  ): SagaChange<TestState> => ({
    measurementId,
    inputId: randomUUID(),
    expectedEtag: undefined,
    state: { step: 1 },
    record: { version: 1, input: {}, events: [], at: '2026-01-01T00:00:00Z' },
    outputs: [],
    documents: [],
    ...more,
  });

  sagaStoreContract('Cosmos DB', async () => ({
    sagas,
    feed: new CosmosOutboxFeed(database),
    deadlines: new CosmosDeadlineQuery(database),
  }));
  metadataStoreContract('Cosmos DB', async () => ({
    metadata: new CosmosMetadataStore(database),
    write: async (measurementId, documents) => {
      const loaded = await sagas.load(measurementId);
      const written = await sagas.commit(change(measurementId, { expectedEtag: loaded?.etag, documents }));
      assert.equal(written, 'committed');
    },
  }));
  landingStoreContract('Cosmos DB', async () => new CosmosLandingStore(database));
  stageRunStoreContract('Cosmos DB', async () => new CosmosStageRunStore(database));
  failedMessageStoreContract('Cosmos DB', async () => new CosmosFailedMessageStore(database));
  vehicleStoreContract('Cosmos DB', async () => new CosmosVehicleStore(database));
  accountRegistryContract('Cosmos DB', async () => new CosmosAccountRegistry(database));

  describe('when the service is in trouble', () => {
    afterEach(() => emulator.faults.clear());

    it('a commit whose answer is lost is of unknown end; looking tells that it was applied', async () => {
      const measurementId = randomUUID();
      const lost = change(measurementId);
      emulator.faults.add({
        kind: 'lost-answer',
        match: { headerPatterns: { 'x-ms-cosmos-is-batch-request': 'true' } },
        times: 1,
      });
      await assert.rejects(sagas.commit(lost), (error) => error instanceof RetryableFailure);
      assert.equal(await sagas.wasHandled(measurementId, lost.inputId), true);
      assert.equal(await sagas.commit(lost), 'already-handled');
    });

    it('throttling for longer than the client waits is worth another try later', async () => {
      emulator.faults.add({ kind: 'status', status: 429, retryAfterMs: 1, times: 100 });
      await assert.rejects(sagas.load(randomUUID()), (error) => error instanceof RetryableFailure);
      await assert.rejects(sagas.commit(change(randomUUID())), (error) => error instanceof RetryableFailure);
    });

    it('a change that is too large for one batch is refused before anything is written', async () => {
      const measurementId = randomUUID();
      const documents = Array.from({ length: 98 }, (_, index) => ({
        id: String(index),
        kind: 'data-stream' as const,
        measurementId,
      }));
      await assert.rejects(
        sagas.commit(change(measurementId, { documents })),
        /101 changes; one batch holds 100/,
      );
    });
  });

  it('refuses a key for a host that is not this machine', () => {
    const access = { auth: 'emulator-key', key: emulator.key } as const;
    const settings = { endpoint: 'https://fleet.documents.azure.com', database: 'landfall', access };
    assert.throws(() => new CosmosDatabase(settings), /fleet\.documents\.azure\.com is not this machine/);
  });
});
