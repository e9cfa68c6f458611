import assert from 'node:assert/strict';
import { CosmosDatabase, collect, queryItems, readItem } from '#adapters/azure/cosmos/cosmos-database.ts';
import { type CosmosEmulator, startCosmos } from '#emulators/cosmos/server.ts';
import { SaidCalls } from '#test/support/said-calls.ts';

describe('calls to Cosmos DB', () => {
  const calls = new SaidCalls();
  let emulator: CosmosEmulator;
  let database: CosmosDatabase;
  before(async () => {
    emulator = await startCosmos({ port: 0 });
    database = new CosmosDatabase({
      endpoint: emulator.endpoint,
      database: 'landfall',
      access: { auth: 'emulator-key', key: emulator.key },
      calls,
    });
    await database.create();
  });
  after(async () => {
    database.dispose();
    await emulator.close();
  });
  beforeEach(() => {
    calls.take();
  });

  const said = () =>
    calls
      .take()
      .filter(({ operation }) => !/account|pkranges|colls|query_plan/.test(operation))
      .map(({ operation, target, statusCode }) => `${operation} ${target} ${statusCode}`);

  it('are said with operation, container, status, time and request charge', async () => {
    await database.container('vehicles').items.upsert({ id: 'one', vin: 'V' });
    const [upsert] = calls.take().filter(({ operation }) => operation === 'upsert_item');
    assert.equal(upsert?.service, 'Cosmos DB');
    assert.equal(upsert?.target, 'vehicles');
    assert.equal(upsert?.statusCode, 201);
    assert.ok((upsert?.requestCharge ?? 0) > 0);
    assert.ok((upsert?.durationMs ?? 0) > 0);
  });

  it('are told apart: reads, searches, batches, refusals', async () => {
    const container = database.container('measurements');
    await container.items.batch(
      [{ operationType: 'Create', resourceBody: { id: 'one', measurementId: 'm' } }],
      'm',
    );
    await readItem(container, 'one', 'm');
    await readItem(container, 'none', 'm');
    await collect(queryItems(container, { query: 'SELECT * FROM c' }, 'm'));
    await assert.rejects(container.items.create({ id: 'one', measurementId: 'm' }));
    assert.deepEqual(said(), [
      'execute_batch measurements 200',
      'read_item measurements 200',
      'read_item measurements 404',
      'query_items measurements 200',
      'create_item measurements 409',
    ]);
  });

  it('to the change feed are no searches', async () => {
    const feed = database.container('measurements').items.getChangeFeedIterator({ maxItemCount: 1 });
    await feed.readNext();
    assert.ok(said().some((call) => /^query_change_feed measurements (200|304)$/.test(call)));
  });

  it('that nobody answers say why', async () => {
    const gone = new CosmosDatabase({
      endpoint: 'http://127.0.0.1:1',
      database: 'landfall',
      access: { auth: 'emulator-key', key: emulator.key },
      calls,
    });
    await assert.rejects(readItem(gone.container('vehicles'), 'one', 'V'));
    gone.dispose();
    assert.match(calls.take().at(-1)?.error ?? '', /ECONNREFUSED|Error/);
  }).timeout(30_000);
});
