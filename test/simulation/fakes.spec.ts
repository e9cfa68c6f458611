import { randomUUID } from 'node:crypto';
import { COMMANDS_TOPIC } from '#domain/topology.ts';
import { accountRegistryContract } from '#test/contract/account-registry.contract.ts';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
import { eventPublisherContract } from '#test/contract/event-publisher.contract.ts';
import { failedMessageStoreContract } from '#test/contract/failed-message-store.contract.ts';
import { fleetTablesContract } from '#test/contract/fleet-tables.contract.ts';
import { landingStoreContract } from '#test/contract/landing-store.contract.ts';
import { messageSenderContract } from '#test/contract/message-sender.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';
import { partnerShareContract } from '#test/contract/partner-share.contract.ts';
import { sagaStoreContract, type TestState } from '#test/contract/saga-store.contract.ts';
import { stageRunStoreContract } from '#test/contract/stage-run-store.contract.ts';
import { tablesContract } from '#test/contract/tables.contract.ts';
import { taskRunnerContract } from '#test/contract/task-runner.contract.ts';
import { telemetryContract } from '#test/contract/telemetry.contract.ts';
import { vehicleStoreContract } from '#test/contract/vehicle-store.contract.ts';
import { MemoryAccountRegistry } from './fakes/memory-account-registry.ts';
import { MemoryBlobStore } from './fakes/memory-blob-store.ts';
import { MemoryBroker } from './fakes/memory-broker.ts';
import { MemoryEventPublisher } from './fakes/memory-event-publisher.ts';
import { MemoryFailedMessageStore } from './fakes/memory-failed-message-store.ts';
import { MemoryFleetTables } from './fakes/memory-fleet-tables.ts';
import { MemoryLandingStore } from './fakes/memory-landing-store.ts';
import { MemoryPartnerShare } from './fakes/memory-partner-share.ts';
import { MemorySagaStore } from './fakes/memory-saga-store.ts';
import { MemoryStageRunStore } from './fakes/memory-stage-run-store.ts';
import { MemoryTables } from './fakes/memory-tables.ts';
import { MemoryVehicleStore } from './fakes/memory-vehicle-store.ts';
import { QuietTelemetry } from './fakes/quiet-telemetry.ts';
import { ScriptedTaskRunner } from './fakes/scripted-task-runner.ts';

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
  vehicleStoreContract(name, async () => new MemoryVehicleStore());
  accountRegistryContract(name, async () => new MemoryAccountRegistry());
  telemetryContract(name, async () => new QuietTelemetry());
  const publisher = new MemoryEventPublisher();
  eventPublisherContract(name, async () => ({ publisher, accepted: async () => publisher.published }));
  const partnerPackage = {
    account: 'memory1',
    container: 'structured',
    path: 'package.tar',
    sha256: '0'.repeat(64),
    sizeBytes: 1,
  };
  const fleetTables = new MemoryFleetTables();
  fleetTablesContract(name, async () => ({
    tables: fleetTables,
    account: 'memory1',
    file: async () => ({ ...partnerPackage, path: randomUUID() }),
    successor: () => fleetTables,
  }));
  const tables = new MemoryTables();
  tablesContract(name, async () => ({ writer: tables, reader: tables, folder: '/tables' }));
  partnerShareContract(name, async () => ({
    partners: new MemoryPartnerShare(() => new Date()),
    package: partnerPackage,
  }));
  const broker = new MemoryBroker({
    now: () => new Date(),
    after: () => undefined,
    chance: () => 0.5,
    lockMs: 60_000,
    deliveryCountMax: 10,
    duplicateDetectionMs: 0,
    duplicateProbability: 0,
  });
  messageSenderContract(name, async () => ({
    sender: broker,
    queue: 'enrich',
    topic: COMMANDS_TOPIC,
    // A topic's messages lie in the queue its subscription forwards to.
    lyingIn: async (entity) => broker.peek(entity === COMMANDS_TOPIC ? 'extract' : entity),
  }));
  const runner = new ScriptedTaskRunner();
  taskRunnerContract(name, async () => ({
    runner,
    end: async (taskId, exitCode) =>
      runner.end(taskId, { state: exitCode === 0 ? 'succeeded' : 'failed', exitCode }),
    starts: (taskId) => runner.submitted().filter((task) => task.taskId === taskId).length,
  }));
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
