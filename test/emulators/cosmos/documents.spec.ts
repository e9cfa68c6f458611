import assert from 'node:assert/strict';
import type { Container } from '@azure/cosmos';
import { type Account, signedRequest, startAccount, statusOf } from '#test/emulators/cosmos/account.ts';

describe('documents in the Cosmos DB emulator', () => {
  let account: Account;
  let container: Container;
  let nowMs = Date.UTC(2026, 0, 1);

  before(async () => {
    account = await startAccount({ now: () => nowMs });
    container = await account.container({
      id: 'measurements',
      partitionKey: { paths: ['/measurementId'] },
      defaultTtl: -1,
    });
  });
  after(() => account.close());

  it('creates a document once and reads it back with its system properties', async () => {
    const created = await container.items.create({ id: 'a', measurementId: 'm', state: 'Running' });
    assert.equal(created.statusCode, 201);
    const { resource, statusCode } = await container.item('a', 'm').read();
    assert.equal(statusCode, 200);
    assert.equal(resource.state, 'Running');
    assert.equal(resource._etag, created.etag);
    assert.equal(resource._ts, nowMs / 1000);
    assert.equal(await statusOf(container.items.create({ id: 'a', measurementId: 'm' })), '409');
    assert.equal((await container.item('a', 'other').read()).statusCode, 404);
  });

  it('replaces only the version the caller has seen', async () => {
    const { etag } = await container.items.upsert({ id: 'b', measurementId: 'm', n: 1 });
    const seen = { accessCondition: { type: 'IfMatch', condition: etag } };
    const item = container.item('b', 'm');
    assert.equal((await item.replace({ id: 'b', measurementId: 'm', n: 2 }, seen)).statusCode, 200);
    assert.equal(await statusOf(item.replace({ id: 'b', measurementId: 'm', n: 3 }, seen)), '412');
    assert.equal(await statusOf(item.delete(seen)), '412');
    assert.equal(await statusOf(item.patch([{ op: 'set', path: '/n', value: 3 }], seen)), '412');
    assert.equal(await statusOf(container.items.upsert({ id: 'b', measurementId: 'm' }, seen)), '412');
    assert.equal((await item.read()).resource.n, 2);
  });

  it('says 304 to a reader who has the current version, and not to one who has an older one', async () => {
    const { etag } = await container.items.upsert({ id: 'c', measurementId: 'm' });
    const unchanged = { accessCondition: { type: 'IfNoneMatch', condition: etag } };
    const statusOfRead = async () => (await container.item('c', 'm').read(unchanged)).statusCode;
    assert.equal(await statusOfRead(), 304);
    await container.items.upsert({ id: 'c', measurementId: 'm', n: 1 });
    assert.equal(await statusOfRead(), 200);
  });

  it('creates by upsert even when if-match names a version that never was', async () => {
    const condition = { accessCondition: { type: 'IfMatch', condition: '"never"' } };
    const upserted = await container.items.upsert({ id: 'd', measurementId: 'm' }, condition);
    assert.equal(upserted.statusCode, 201);
  });

  it('deletes, and knows nothing of the document afterwards', async () => {
    await container.items.create({ id: 'e', measurementId: 'm' });
    assert.equal((await container.item('e', 'm').delete()).statusCode, 204);
    assert.equal(await statusOf(container.item('e', 'm').delete()), '404');
    assert.equal((await container.items.create({ id: 'e', measurementId: 'm' })).statusCode, 201);
  });

  it('names the missing container, not the document, when the container is missing', async () => {
    const missing = account.database.container('missing');
    assert.equal(await statusOf(missing.items.create({ id: 'a' })), '404');
    const type = { type: 'docs', resource: 'dbs/landfall/colls/missing/docs/a' };
    const path = '/dbs/landfall/colls/missing/docs/a';
    const headers = { 'x-ms-documentdb-partitionkey': '["m"]' };
    const answer = await signedRequest(account.emulator, 'GET', path, type, headers);
    assert.equal(answer.headers.get('x-ms-substatus'), '1003');
  });

  describe('what it refuses', () => {
    const post = (body: string, partitionKey = '["m"]') =>
      signedRequest(
        account.emulator,
        'POST',
        '/dbs/landfall/colls/measurements/docs',
        { type: 'docs', resource: 'dbs/landfall/colls/measurements' },
        { 'x-ms-documentdb-partitionkey': partitionKey },
        body,
      );

    it('a document without an id, which clients other than the JavaScript SDK can send', async () => {
      const answer = await post('{"measurementId":"m"}');
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /required properties - 'id; '/);
    });

    it('ids with separators, and bodies that are no JSON object', async () => {
      for (const body of [
        '{"id":"a/b","measurementId":"m"}',
        '{"id":"a#","measurementId":"m"}',
        '[1]',
        '{',
      ]) {
        assert.equal((await post(body)).status, 400, body);
      }
    });

    it('a document whose partition key is not the one in the header', async () => {
      const answer = await post('{"id":"f","measurementId":"other"}');
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.get('x-ms-substatus'), '1001');
    });

    it('a document of more than 2 MB', async () => {
      const megabytes = (bytes: number) => ({ id: 'g', measurementId: 'm', text: 'x'.repeat(bytes) });
      assert.equal(await statusOf(container.items.create(megabytes(2 * 1024 * 1024))), '413');
      assert.equal(await statusOf(container.items.create(megabytes(2 * 1024 * 1024 - 100))), 'accepted');
    });

    it('a document of more than 128 levels', async () => {
      const nested = (levels: number) =>
        `{"id":"deep","measurementId":"m","a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      assert.equal((await post(nested(127))).status, 201);
      assert.equal((await post(nested(128))).status, 400);
      assert.equal((await post(nested(100_000))).status, 400);
    });

    it('a time to live of 0', async () => {
      assert.equal(await statusOf(container.items.create({ id: 'h', measurementId: 'm', ttl: 0 })), '400');
    });
  });

  it('answers a write that wants the minimum with headers and no body', async () => {
    const answer = await signedRequest(
      account.emulator,
      'POST',
      '/dbs/landfall/colls/measurements/docs',
      { type: 'docs', resource: 'dbs/landfall/colls/measurements' },
      {
        'x-ms-documentdb-partitionkey': '["m"]',
        'x-ms-documentdb-is-upsert': 'True',
        prefer: 'return=minimal',
      },
      '{"id":"i","measurementId":"m"}',
    );
    assert.equal(answer.status, 201);
    assert.equal(await answer.text(), '');
    assert.match(answer.headers.get('etag') ?? '', /^".+"$/);
    assert.match(answer.headers.get('x-ms-session-token') ?? '', /^0:-1#\d+$/);
  });

  it('charges about one unit per KiB read and five per KiB written', async () => {
    const written = await container.items.create({ id: 'j', measurementId: 'm', text: 'x'.repeat(10_240) });
    assert.ok(written.requestCharge > 50 && written.requestCharge < 60, String(written.requestCharge));
    const read = await container.item('j', 'm').read();
    assert.ok(read.requestCharge > 10 && read.requestCharge < 11, String(read.requestCharge));
  });

  it('keeps odd names apart: + is not a space, and percent signs survive', async () => {
    for (const id of ['a b', 'é+ü', '100%', 'x&y=z', 'a\'b"c', 'semi;colon:@']) {
      await container.items.create({ id, measurementId: 'odd +%é', name: id });
      assert.equal((await container.item(id, 'odd +%é').read()).resource?.name, id);
    }
  });

  describe('time to live', () => {
    it('ends a document after its own ttl, everywhere at once', async () => {
      await container.items.create({ id: 'lock', measurementId: 'ttl', ttl: 30 });
      await container.items.create({ id: 'kept', measurementId: 'ttl' });
      nowMs += 29_000;
      assert.equal((await container.item('lock', 'ttl').read()).statusCode, 200);
      nowMs += 1_000;
      assert.equal((await container.item('lock', 'ttl').read()).statusCode, 404);
      const { resources } = await container.items
        .query('SELECT VALUE c.id FROM c', { partitionKey: 'ttl' })
        .fetchAll();
      assert.deepEqual(resources, ['kept']);
      assert.equal((await container.items.create({ id: 'lock', measurementId: 'ttl' })).statusCode, 201);
    });

    it('starts again with every write, and can be switched off per document', async () => {
      const short = await account.container({
        id: 'short-lived',
        partitionKey: { paths: ['/pk'] },
        defaultTtl: 10,
      });
      await short.items.create({ id: 'renewed', pk: 'a' });
      await short.items.create({ id: 'eternal', pk: 'a', ttl: -1 });
      await short.items.create({ id: 'gone', pk: 'a' });
      nowMs += 8_000;
      await short.items.upsert({ id: 'renewed', pk: 'a' });
      nowMs += 8_000;
      const { resources } = await short.items
        .query('SELECT VALUE c.id FROM c', { partitionKey: 'a' })
        .fetchAll();
      assert.deepEqual(resources.sort(), ['eternal', 'renewed']);
    });

    it('frees the unique keys of what has expired', async () => {
      const unique = await account.container({
        id: 'unique-for-a-time',
        partitionKey: { paths: ['/pk'] },
        defaultTtl: 10,
        uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/slug'] }] },
      });
      await unique.items.create({ id: '1', pk: 'a', slug: 's' });
      assert.equal(await statusOf(unique.items.create({ id: '2', pk: 'a', slug: 's' })), '409');
      nowMs += 10_000;
      assert.equal(await statusOf(unique.items.create({ id: '2', pk: 'a', slug: 's' })), 'accepted');
      assert.equal(await statusOf(unique.items.create({ id: '1', pk: 'a', slug: 's' })), '409');
    });

    it('is nothing but a number in a container that has no ttl', async () => {
      const lasting = await account.container({ id: 'lasting', partitionKey: { paths: ['/pk'] } });
      await lasting.items.create({ id: 'a', pk: 'a', ttl: 1 });
      nowMs += 60_000;
      assert.equal((await lasting.item('a', 'a').read()).statusCode, 200);
    });
  });

  it('keeps unique keys within a partition, frees them by deletion, and counts an absent value as null', async () => {
    const unique = await account.container({
      id: 'unique',
      partitionKey: { paths: ['/pk'] },
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/slug'] }] },
    });
    await unique.items.create({ id: '1', pk: 'a', slug: 's' });
    assert.equal(await statusOf(unique.items.create({ id: '2', pk: 'a', slug: 's' })), '409');
    assert.equal(await statusOf(unique.items.create({ id: '2', pk: 'b', slug: 's' })), 'accepted');
    await unique.items.upsert({ id: '1', pk: 'a', slug: 't' });
    assert.equal(await statusOf(unique.items.create({ id: '3', pk: 'a', slug: 's' })), 'accepted');
    await unique.item('3', 'a').delete();
    assert.equal(await statusOf(unique.items.create({ id: '4', pk: 'a', slug: 's' })), 'accepted');
    assert.equal(await statusOf(unique.items.create({ id: '5', pk: 'a' })), 'accepted');
    assert.equal(await statusOf(unique.items.create({ id: '6', pk: 'a' })), '409');
  });

  it('places documents by every level of a hierarchical key, and by an absent one', async () => {
    const nested = await account.container({
      id: 'nested',
      partitionKey: { paths: ['/fleet', '/vehicle/vin'], kind: 'MultiHash' as never, version: 2 },
    });
    await nested.items.create({ id: '1', fleet: 'f', vehicle: { vin: 'v' } });
    await nested.items.create({ id: '1', fleet: 'f', vehicle: { vin: 'w' } });
    for (const fleet of ['fg', 'f!', 'e'])
      await nested.items.create({ id: '1', fleet, vehicle: { vin: 'v' } });
    assert.equal((await nested.item('1', ['f', 'w']).read()).resource?.vehicle.vin, 'w');
    const ofFleet = await nested.items.query('SELECT * FROM c', { partitionKey: ['f'] }).fetchAll();
    assert.equal(ofFleet.resources.length, 2);
    await container.items.create({ id: 'keyless' });
    assert.equal((await container.item('keyless', undefined).read()).resource?.id, 'keyless');
  });
});
