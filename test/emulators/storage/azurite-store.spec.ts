import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import sinon from 'sinon';
import { type BlobCollection, type BlobDatabase, indexByName } from '#emulators/storage/azurite-store.ts';

interface LokiCollection extends BlobCollection {
  insert(document: object): object;
  findOne(query: object): { readonly name: string; readonly accountName: string } | null;
  count(query?: object): number;
  ensureAllIndexes(force?: boolean): void;
  checkAllIndexes(): readonly string[];
}

interface Loki extends BlobDatabase {
  addCollection(name: string, options: { readonly indices: readonly string[] }): LokiCollection;
}

const require = createRequire(import.meta.url);
const LokiDatabase = require('lokijs') as new (path: string, options: object) => Loki;

/** As Azurite makes it. */
function blobsOf(...names: readonly string[]): LokiCollection {
  const database = new LokiDatabase('blobs.json', { persistenceMethod: 'memory' });
  const indices = ['accountName', 'containerName', 'name', 'snapshot'];
  const blobs = database.addCollection('$BLOBS_COLLECTION$', { indices });
  for (const accountName of ['landing', 'raw'])
    for (const name of names) blobs.insert({ accountName, containerName: 'recordings', name, snapshot: '' });
  indexByName(database);
  return blobs;
}

const at = (accountName: string, name: string) => ({ accountName, containerName: 'recordings', name });

describe("Azurite's metadata of many blobs", () => {
  it('is asked for a blob by its name before its account', () => {
    const blobs = blobsOf('a.bag', 'b.bag');
    const asked: unknown[] = [];
    const chain = blobs.chain.bind(blobs);
    const results = Object.getPrototypeOf(chain()) as ReturnType<BlobCollection['chain']>;
    const find = sinon.stub(results, 'find').callsFake(function (this: unknown, query, firstOnly) {
      asked.push(query);
      return find.wrappedMethod.call(this as never, query, firstOnly);
    });
    try {
      assert.equal(blobs.findOne(at('raw', 'b.bag'))?.accountName, 'raw');
    } finally {
      find.restore();
    }
    assert.deepEqual(Object.keys(asked[0] as object), ['name', 'accountName', 'containerName']);
  });

  it('finds every blob and no other when thousands come and go', () => {
    const names = Array.from({ length: 2000 }, (_, index) => `drive/${index}.txt`);
    const blobs = blobsOf(...names);
    const sorted = sinon.spy(blobs, 'ensureAllIndexes');
    for (const name of names.slice(0, 1999)) blobs.findAndRemove(at('landing', name));
    sinon.assert.notCalled(sorted);
    assert.equal(blobs.count({ accountName: 'landing' }), 1);
    assert.equal(blobs.findOne(at('landing', 'drive/0.txt')), null);
    assert.equal(blobs.findOne(at('landing', 'drive/1999.txt'))?.name, 'drive/1999.txt');
    assert.equal(names.filter((name) => blobs.findOne(at('raw', name)) === null).length, 0);
    assert.deepEqual(blobs.checkAllIndexes(), []);
  });
});
