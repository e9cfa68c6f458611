import assert from 'node:assert/strict';
import { type Container, CosmosClient, type ErrorResponse } from '@azure/cosmos';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';

describe('documents in the Cosmos DB emulator, through the real SDK', () => {
  let emulator: CosmosEmulator;
  let client: CosmosClient;
  let container: Container;

  before(async () => {
    emulator = await startCosmos({ port: 0 });
    client = new CosmosClient({
      endpoint: emulator.endpoint,
      key: emulator.key,
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    const { database } = await client.databases.createIfNotExists({ id: 'landfall' });
    const created = await database.containers.createIfNotExists({
      id: 'measurements',
      partitionKey: { paths: ['/measurementId'] },
    });
    container = created.container;
  });
  after(async () => {
    client.dispose();
    await emulator.close();
  });

  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'accepted',
      (error: ErrorResponse) => error.code,
    );

  it('creates a document once and reads it back with its system properties', async () => {
    const created = await container.items.create({ id: 'a', measurementId: 'm', state: 'Running' });
    assert.equal(created.statusCode, 201);
    assert.ok(created.requestCharge >= 5);
    const { resource } = await container.item('a', 'm').read();
    assert.equal(resource.state, 'Running');
    assert.equal(resource._etag, created.etag);
    assert.equal(typeof resource._ts, 'number');
    assert.equal(await codeOf(container.items.create({ id: 'a', measurementId: 'm' })), 409);
    assert.equal((await container.item('a', 'other').read()).resource, undefined);
  });

  it('replaces only the version the caller has seen', async () => {
    const { resource, etag } = await container.items.upsert({ id: 'b', measurementId: 'm', n: 1 });
    const item = container.item('b', 'm');
    await item.replace(
      { ...resource, id: 'b', n: 2 },
      { accessCondition: { type: 'IfMatch', condition: etag } },
    );
    const stale = { accessCondition: { type: 'IfMatch', condition: etag } };
    assert.equal(await codeOf(item.replace({ id: 'b', measurementId: 'm', n: 3 }, stale)), 412);
    assert.equal(await codeOf(item.delete(stale)), 412);
    assert.equal(await codeOf(item.patch([{ op: 'set', path: '/n', value: 3 }], stale)), 412);
    assert.equal(await codeOf(container.items.upsert({ id: 'b', measurementId: 'm', n: 3 }, stale)), 412);
    assert.equal((await item.read()).resource.n, 2);
  });
});
