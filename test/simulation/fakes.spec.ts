import { randomUUID } from 'node:crypto';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
import { failedMessageStoreContract } from '#test/contract/failed-message-store.contract.ts';
import { landingStoreContract } from '#test/contract/landing-store.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';
import { sagaStoreContract, type TestState } from '#test/contract/saga-store.contract.ts';
import { stageRunStoreContract } from '#test/contract/stage-run-store.contract.ts';
import { MemoryBlobStore } from './fakes/memory-blob-store.ts';
import { MemoryFailedMessageStore } from './fakes/memory-failed-message-store.ts';
import { MemoryLandingStore } from './fakes/memory-landing-store.ts';
import { MemorySagaStore } from './fakes/memory-saga-store.ts';
import { MemoryStageRunStore } from './fakes/memory-stage-run-store.ts';

/** What the simulator runs on behaves as the adapters do. */
describe("the simulator's fakes", () => {
  const name = 'in memory';
  const sagas = new MemorySagaStore<TestState>();
  blobStoreContract(name, async () => ({
    store: new MemoryBlobStore(() => new Date()),
    accounts: ['memory1', 'memory2'],
  }));
  landingStoreContract(name, async () => new MemoryLandingStore());
  failedMessageStoreContract(name, async () => new MemoryFailedMessageStore());
  stageRunStoreContract(name, async () => new MemoryStageRunStore());
  sagaStoreContract(name, async () => ({ sagas, feed: sagas, deadlines: sagas }));
  metadataStoreContract(name, async () => ({
    metadata: sagas,
    write: async (measurementId, documents) => {
      const record = { version: 1, input: {}, events: [], at: '2026-01-01T00:00:00.000Z' };
      const change = { measurementId, inputId: randomUUID(), state: { step: 1 }, record, outputs: [] };
      const expectedEtag = (await sagas.load(measurementId))?.etag;
      await sagas.commit({ ...change, expectedEtag, documents });
    },
  }));
});
