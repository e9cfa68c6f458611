import assert from 'node:assert/strict';
import { ChangeFeedStartFrom, type Container, type JSONObject } from '@azure/cosmos';
import { type Account, signedRequest, startAccount } from '#test/emulators/cosmos/account.ts';

describe('the change feed of the Cosmos DB emulator', () => {
  let account: Account;
  let container: Container;
  let nowMs = Date.UTC(2026, 0, 1);
  let made = 0;

  before(async () => {
    account = await startAccount({ now: () => nowMs });
  });
  beforeEach(async () => {
    container = await account.container({
      id: `c${++made}`,
      partitionKey: { paths: ['/pk'] },
      defaultTtl: -1,
    });
  });
  after(() => account.close());

  /** Reads until nothing is new; returns the pages and where to go on. */
  async function drain(changeFeedStartFrom: ChangeFeedStartFrom, maxItemCount = 100) {
    const iterator = container.items.getChangeFeedIterator<JSONObject>({ changeFeedStartFrom, maxItemCount });
    const pages: JSONObject[][] = [];
    for (;;) {
      const page = await iterator.readNext();
      if (page.statusCode === 304) {
        return { pages, documents: pages.flat(), continuation: page.continuationToken };
      }
      pages.push(page.result);
    }
  }

  const namesOf = (documents: JSONObject[]) => documents.map((document) => document['id']);

  it('shows every document once, at its latest version, in the order of the last writes', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await container.items.create({ id, pk: id, n: 0 });
    await container.items.upsert({ id: 'b', pk: 'b', n: 1 });
    await container.items.upsert({ id: 'a', pk: 'a', n: 1 });
    await container.item('c', 'c').delete();
    const { documents } = await drain(ChangeFeedStartFrom.Beginning(), 2);
    assert.deepEqual(namesOf(documents), ['d', 'b', 'a']);
    assert.deepEqual(
      documents.map((document) => document['n']),
      [0, 1, 1],
    );
    const lsns = documents.map((document) => Number(document['_lsn']));
    assert.deepEqual(
      lsns,
      lsns.toSorted((left, right) => left - right),
    );
  });

  it('goes on where it stopped, and shows a document again when it changes again', async () => {
    await container.items.create({ id: 'a', pk: 'a' });
    await container.items.create({ id: 'b', pk: 'a' });
    const first = await drain(ChangeFeedStartFrom.Beginning());
    assert.deepEqual(namesOf(first.documents), ['a', 'b']);
    await container.items.upsert({ id: 'a', pk: 'a', n: 2 });
    const second = await drain(ChangeFeedStartFrom.Continuation(first.continuation));
    assert.deepEqual(namesOf(second.documents), ['a']);
    const third = await drain(ChangeFeedStartFrom.Continuation(second.continuation));
    assert.deepEqual(third.documents, []);
  });

  it('follows one partition only when asked to', async () => {
    for (const pk of ['x', 'y', 'x']) await container.items.create({ id: `${made++}`, pk });
    const first = await drain(ChangeFeedStartFrom.Beginning('x'));
    assert.deepEqual(
      first.documents.map((document) => document['pk']),
      ['x', 'x'],
    );
    await container.items.create({ id: 'late', pk: 'y' });
    await container.items.create({ id: 'later', pk: 'x' });
    const second = await drain(ChangeFeedStartFrom.Continuation(first.continuation));
    assert.deepEqual(namesOf(second.documents), ['later']);
  });

  it('follows a feed range, of which there is one', async () => {
    for (const pk of ['x', 'y']) await container.items.create({ id: pk, pk });
    const ranges = await container.getFeedRanges();
    assert.equal(ranges.length, 1);
    const [range] = ranges;
    assert.ok(range);
    const first = await drain(ChangeFeedStartFrom.Beginning(range));
    assert.deepEqual(namesOf(first.documents), ['x', 'y']);
    await container.items.upsert({ id: 'z', pk: 'z' });
    const second = await drain(ChangeFeedStartFrom.Continuation(first.continuation));
    assert.deepEqual(namesOf(second.documents), ['z']);
  });

  it('starts now, or at a point in time', async () => {
    await container.items.create({ id: 'before', pk: 'a' });
    const fromNow = await drain(ChangeFeedStartFrom.Now());
    assert.deepEqual(fromNow.documents, []);
    nowMs += 60_000;
    const since = new Date(nowMs);
    await container.items.create({ id: 'after', pk: 'a' });
    assert.deepEqual(namesOf((await drain(ChangeFeedStartFrom.Time(since))).documents), ['after']);
    const resumed = await drain(ChangeFeedStartFrom.Continuation(fromNow.continuation));
    assert.deepEqual(namesOf(resumed.documents), ['after']);
  });

  it('never cuts a page within a batch', async () => {
    await container.items.create({ id: 'alone', pk: 'a' });
    const creates = Array.from({ length: 5 }, (_, index) => ({
      operationType: 'Create' as const,
      resourceBody: { id: `batch-${index}`, pk: 'a' },
    }));
    await container.items.batch(creates, 'a');
    const { pages } = await drain(ChangeFeedStartFrom.Beginning(), 2);
    assert.deepEqual(pages.map(namesOf), [['alone', 'batch-0', 'batch-1', 'batch-2', 'batch-3', 'batch-4']]);
  });

  it('does not show what has expired', async () => {
    await container.items.create({ id: 'short', pk: 'a', ttl: 5 });
    await container.items.create({ id: 'long', pk: 'a' });
    nowMs += 5_000;
    assert.deepEqual(namesOf((await drain(ChangeFeedStartFrom.Beginning())).documents), ['long']);
  });

  it('counts 0 items beside 304, without which .NET clients fail', async () => {
    const resource = `dbs/landfall/colls/${container.id}`;
    const answer = await signedRequest(
      account.emulator,
      'GET',
      `/${resource}/docs`,
      { type: 'docs', resource },
      { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0', 'if-none-match': '*' },
    );
    assert.equal(answer.status, 304);
    assert.equal(answer.headers.get('x-ms-item-count'), '0');
    assert.match(answer.headers.get('etag') ?? '', /^"\d+"$/);
  });
});
