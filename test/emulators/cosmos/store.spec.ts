import assert from 'node:assert/strict';
import { type Container, type DocumentRow, Store } from '#emulators/cosmos/store.ts';

describe('the store of the Cosmos DB emulator', () => {
  let store: Store;

  beforeEach(() => {
    store = new Store(':memory:');
    const database = store.addResource('dbs/d', undefined, () => ({ id: 'd' }));
    store.addResource('dbs/d/colls/c', database.number, () => ({
      id: 'c',
      partitionKey: { paths: ['/pk'] },
    }));
    store.commit();
  });
  afterEach(() => store.close());

  const container = (): Container => {
    const found = store.container('dbs/d', 'c');
    assert.ok(found);
    return found;
  };
  const write = (id: string): DocumentRow => {
    const lsn = ++container().lsn;
    const number = store.nextDocumentNumber();
    const row = {
      number,
      partition_key: '["p"]',
      id,
      body: `{"id":"${id}"}`,
      etag: '"e"',
      ts: 1,
      lsn,
      ttl: null,
    };
    store.putDocument(container(), row);
    return row;
  };
  const ids = () => [...store.scan(container(), { kind: 'all' })].map(({ id }) => id);

  it('forgets all writes of a turn that is rolled back, containers too', () => {
    write('kept');
    store.commit();
    write('lost');
    store.addResource('dbs/e', undefined, () => ({ id: 'e' }));
    assert.equal(store.hasUncommittedWrites, true);
    store.rollback();
    assert.deepEqual(ids(), ['kept']);
    assert.equal(store.database('e'), undefined);
    assert.equal(store.hasUncommittedWrites, false);
  });

  it('never gives a number or a log sequence number twice, even after a rollback', () => {
    const lost = write('lost');
    store.rollback();
    const next = write('next');
    assert.ok(next.number > lost.number);
    assert.ok(next.lsn > lost.lsn);
  });

  it('undoes a batch that throws, and only the batch', () => {
    write('before');
    assert.throws(() =>
      store.allOrNothing(() => {
        write('within');
        throw new RangeError('the second operation fails');
      }),
    );
    store.commit();
    assert.deepEqual(ids(), ['before']);
  });

  it('removes the documents with their container, and the containers with their database', () => {
    write('a');
    const database = store.database('d');
    assert.ok(database);
    store.removeResource(database);
    store.commit();
    assert.equal(store.container('dbs/d', 'c'), undefined);
    assert.equal(store.database('d'), undefined);
  });

  it('finds what has expired: by its own ttl, else by the container, and never with -1', () => {
    const database = store.database('d');
    assert.ok(database);
    const body = { id: 't', partitionKey: { paths: ['/pk'] }, defaultTtl: 60 };
    store.addResource('dbs/d/colls/t', database.number, () => body);
    const limited = store.container('dbs/d', 't');
    assert.ok(limited);
    for (const [id, ttl] of [
      ['by-container', null],
      ['by-itself', 10],
      ['never', -1],
    ] as const) {
      const number = store.nextDocumentNumber();
      store.putDocument(limited, {
        number,
        partition_key: '[]',
        id,
        body: '{}',
        etag: '',
        ts: 100,
        lsn: 1,
        ttl,
      });
    }
    const expiredAt = (seconds: number) => store.expired(limited, seconds).map(({ id }) => id);
    assert.deepEqual(expiredAt(109), []);
    assert.deepEqual(expiredAt(110), ['by-itself']);
    assert.deepEqual(expiredAt(160).sort(), ['by-container', 'by-itself']);
    assert.deepEqual(store.expired(container(), 1_000_000), []);
  });

  it('reads on although a reader before it stopped half-way', () => {
    for (const id of ['a', 'b', 'c']) write(id);
    for (const row of store.scan(container(), { kind: 'all' })) {
      if (row.id === 'a') break;
    }
    write('d');
    store.commit();
    assert.deepEqual(ids(), ['a', 'b', 'c', 'd']);
  });
});
