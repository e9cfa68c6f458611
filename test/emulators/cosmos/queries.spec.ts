import assert from 'node:assert/strict';
import type { Container, FeedOptions, OperationInput, SqlQuerySpec } from '@azure/cosmos';
import fc from 'fast-check';
import { type Account, signedRequest, startAccount, statusOf } from '#test/emulators/cosmos/account.ts';

/** 25 documents in three partitions; every second one odd. */
const DOCUMENTS = Array.from({ length: 25 }, (_, n) => ({
  id: `i${n}`,
  tenant: `t${n % 3}`,
  n,
  g: n % 4,
  tags: n % 2 === 0 ? ['even', 'x'] : ['odd'],
  items: [{ q: n }, { q: n + 1 }],
  nested: { deep: { value: n % 5 } },
  ...(n % 5 === 0 ? { x: n } : {}),
}));

describe('queries in the Cosmos DB emulator', () => {
  let account: Account;
  let container: Container;

  before(async () => {
    account = await startAccount();
    container = await account.container({
      id: 'c',
      partitionKey: { paths: ['/tenant'] },
      indexingPolicy: {
        compositeIndexes: [
          [
            { path: '/g', order: 'ascending' },
            { path: '/n', order: 'descending' },
          ],
        ],
      },
    });
    for (const document of DOCUMENTS) await container.items.create(document);
  });
  after(() => account.close());

  const all = async (query: string | SqlQuerySpec, options: FeedOptions = {}) =>
    (await container.items.query(query, options).fetchAll()).resources;

  const ids = (wanted: (document: (typeof DOCUMENTS)[number]) => boolean) =>
    DOCUMENTS.filter(wanted).map(({ id }) => id);

  it('stays within the partition that the caller names', async () => {
    const query = {
      query: 'SELECT VALUE c.id FROM c WHERE c.n > @n',
      parameters: [{ name: '@n', value: 15 }],
    };
    assert.deepEqual(await all(query, { partitionKey: 't0' }), ['i18', 'i21', 'i24']);
    assert.deepEqual(
      await all(query),
      ids(({ n }) => n > 15),
    );
  });

  const answers: [string, unknown[]][] = [
    ['SELECT VALUE c.n FROM c WHERE c.n < 3 ORDER BY c.n DESC', [2, 1, 0]],
    ['SELECT TOP 3 VALUE c.n FROM c ORDER BY c.n DESC', [24, 23, 22]],
    ['SELECT VALUE c.id FROM c ORDER BY c.n OFFSET 2 LIMIT 3', ['i2', 'i3', 'i4']],
    ['SELECT VALUE COUNT(1) FROM c', [25]],
    ['SELECT VALUE SUM(c.n) FROM c', [300]],
    ['SELECT VALUE AVG(c.n) FROM c', [12]],
    ['SELECT VALUE MIN(c.n) FROM c', [0]],
    ['SELECT VALUE MAX(c.x) FROM c', [20]],
    [
      'SELECT c.tenant, COUNT(1) AS k FROM c GROUP BY c.tenant',
      [
        { tenant: 't0', k: 9 },
        { tenant: 't1', k: 8 },
        { tenant: 't2', k: 8 },
      ],
    ],
    ['SELECT COUNT(1) AS k, MAX(c.n) AS m, AVG(c.n) AS a FROM c', [{ k: 25, m: 24, a: 12 }]],
    ['SELECT DISTINCT VALUE c.tenant FROM c', ['t0', 't1', 't2']],
    // The SDK's own merging loses a 0 here, so the smallest value is left out.
    ['SELECT DISTINCT VALUE c.g FROM c WHERE c.g > 0 ORDER BY c.g DESC', [3, 2, 1]],
    [
      'SELECT VALUE {"id": c.id, tag: t} FROM c JOIN t IN c.tags WHERE c.n = 2',
      [
        { id: 'i2', tag: 'even' },
        { id: 'i2', tag: 'x' },
      ],
    ],
    ['SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE i FROM i IN c.items WHERE i.q = 7)', ['i6', 'i7']],
    ['SELECT VALUE ARRAY(SELECT VALUE i.q * 10 FROM i IN c.items) FROM c WHERE c.n = 3', [[30, 40]]],
    ['SELECT VALUE (SELECT VALUE SUM(i.q) FROM i IN c.items) FROM c WHERE c.n = 3', [7]],
    ["SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, 'odd') AND c.n < 4", ['i1', 'i3']],
    ['SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.items, {"q": 1}, true)', ['i0', 'i1']],
    ["SELECT VALUE c.id FROM c WHERE c.id LIKE 'i2_' AND c.tenant IN ('t0', 't1')", ['i21', 'i22', 'i24']],
    ['SELECT VALUE c.id FROM c WHERE (c.n BETWEEN 3 AND 4) AND NOT IS_DEFINED(c.x)', ['i3', 'i4']],
    ['SELECT VALUE c.nested.deep["value"] FROM c WHERE c.n = 7', [2]],
    ['SELECT VALUE c.x ?? -1 FROM c WHERE c.n < 2', [0, -1]],
    ['SELECT c.id, c.x FROM c WHERE c.n = 1', [{ id: 'i1' }]],
    ["SELECT VALUE c.n % 2 = 0 ? 'even' : 'odd' FROM c WHERE c.n < 2", ['even', 'odd']],
    [
      'SELECT VALUE root FROM root JOIN (SELECT VALUE EXISTS(SELECT VALUE i FROM root JOIN i IN root["items"] WHERE i["q"] = 99)) AS v WHERE v',
      [],
    ],
    ['SELECT VALUE t FROM c JOIN t IN (SELECT VALUE i FROM i IN c.items WHERE i.q > 24)', [{ q: 25 }]],
  ];
  for (const [query, expected] of answers) {
    it(`answers ${query}`, async () => {
      assert.deepEqual(await all(query), expected);
    });
  }

  it('orders by two paths when a composite index serves that order or its reverse, and only then', async () => {
    const order = (by: string) =>
      all(`SELECT VALUE c.n FROM c WHERE c.n < 6 ORDER BY ${by}`, { partitionKey: 't0' });
    assert.deepEqual(await order('c.g ASC, c.n DESC'), [0, 3]);
    assert.deepEqual(await order('c.g DESC, c.n ASC'), [3, 0]);
    assert.equal(await statusOf(order('c.g ASC, c.n ASC')), '400');
    assert.equal(await statusOf(order('c.n ASC, c.g DESC')), '400');
  });

  it('does not order by a path that the container excludes from its index', async () => {
    const partial = await account.container({
      id: 'partial',
      partitionKey: { paths: ['/pk'] },
      indexingPolicy: {
        includedPaths: [{ path: '/*' }, { path: '/bulk/name/?' }],
        excludedPaths: [{ path: '/bulk/*' }],
      },
    });
    const order = (by: string) =>
      statusOf(partial.items.query(`SELECT * FROM c ORDER BY ${by}`, { partitionKey: 'a' }).fetchAll());
    assert.equal(await order('c.n'), 'accepted');
    assert.equal(await order('c.bulk.size'), '400');
    assert.equal(await order('c.bulk.name'), 'accepted');
  });

  it('sorts values of all types, absent ones first, as the service ranks them', async () => {
    const mixed = await account.container({ id: 'mixed', partitionKey: { paths: ['/pk'] } });
    const values = [[1], 'b', 2, true, null, undefined, { a: 1 }, 'a', false, -1];
    for (const [index, v] of values.entries()) await mixed.items.create({ id: `${index}`, pk: 'a', v });
    const { resources } = await mixed.items
      .query('SELECT VALUE c.id FROM c ORDER BY c.v', { partitionKey: 'a' })
      .fetchAll();
    assert.deepEqual(
      resources.map((id: string) => values[Number(id)]),
      [undefined, null, false, true, -1, 2, 'a', 'b', [1], { a: 1 }],
    );
  });

  it('pages without losing or repeating a row, whatever the page size and the shape of the query', async () => {
    const queries = [
      'SELECT VALUE c.n FROM c WHERE c.n >= 3',
      'SELECT VALUE i.q FROM c JOIN i IN c.items',
      'SELECT VALUE c.n FROM c ORDER BY c.g',
      'SELECT VALUE i.q FROM c JOIN i IN c.items ORDER BY c.g DESC',
      'SELECT DISTINCT VALUE c.g FROM c',
      'SELECT VALUE c.n FROM c ORDER BY c.x DESC OFFSET 2 LIMIT 5',
      'SELECT TOP 4 VALUE c.n FROM c',
      'SELECT VALUE c.n FROM c OFFSET 1 LIMIT 6',
      'SELECT c.g, COUNT(1) AS k FROM c GROUP BY c.g',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...queries), fc.integer({ min: 1, max: 9 }), async (query, size) => {
        const whole = await all(query, { partitionKey: 't1' });
        assert.ok(whole.length > 0);
        const paged: unknown[] = [];
        let continuationToken: string | undefined;
        do {
          const page = await container.items
            .query(query, {
              partitionKey: 't1',
              maxItemCount: size,
              ...(continuationToken === undefined ? {} : { continuationToken }),
            })
            .fetchNext();
          assert.ok(page.resources.length <= size);
          paged.push(...page.resources);
          continuationToken = page.continuationToken;
        } while (continuationToken);
        assert.deepEqual(paged, whole);
      }),
      { numRuns: 40 },
    );
  });

  it('goes on behind the last row although documents were added and removed meanwhile', async () => {
    const moving = await account.container({ id: 'moving', partitionKey: { paths: ['/pk'] } });
    for (const id of ['b', 'd', 'f', 'h']) await moving.items.create({ id, pk: 'a' });
    const query = 'SELECT VALUE c.id FROM c ORDER BY c.id';
    const options = { partitionKey: 'a', maxItemCount: 2 };
    const first = await moving.items.query(query, options).fetchNext();
    await moving.item('b', 'a').delete();
    await moving.items.create({ id: 'a', pk: 'a' });
    await moving.items.create({ id: 'e', pk: 'a' });
    const continuationToken = first.continuationToken;
    const rest = await moving.items
      .query(query, { ...options, continuationToken, maxItemCount: 10 })
      .fetchNext();
    assert.deepEqual(first.resources, ['b', 'd']);
    assert.deepEqual(rest.resources, ['e', 'f', 'h']);
  });

  it('finds the same in a large container, where it indexes what queries compare', async function () {
    this.timeout(20_000);
    const large = await account.container({ id: 'large', partitionKey: { paths: ['/pk'] } });
    const values = ['1', 1, '{"a":1}', { a: 1 }, true, 'true', null, 'null', 'é', undefined];
    for (let batch = 0; batch < 11; batch++) {
      const creates = Array.from({ length: 100 }, (_, index) => ({
        operationType: 'Create' as const,
        resourceBody: {
          id: `${batch}-${index}`,
          pk: `${batch}`,
          deep: { kind: values[index % values.length] },
        },
      }));
      await large.items.batch(creates as OperationInput[], `${batch}`);
    }
    for (const value of ['1', '{"a":1}', 'true', 'null', 'é', 'none']) {
      const query = {
        query: 'SELECT VALUE c.deep.kind FROM c WHERE c.pk != "x" AND c.deep.kind = @value',
        parameters: [{ name: '@value', value }],
      };
      const { resources } = await large.items.query(query).fetchAll();
      assert.deepEqual(new Set(resources), new Set(value === 'none' ? [] : [value]));
      assert.equal(resources.length, value === 'none' ? 0 : 110);
    }
  });

  it('refuses a continuation token that is not one of its own', async () => {
    const options = { partitionKey: 't0', continuationToken: 'nonsense' };
    assert.equal(await statusOf(container.items.query('SELECT * FROM c', options).fetchNext()), '400');
  });

  it('reads all documents page by page', async () => {
    const { resources } = await container.items.readAll({ maxItemCount: 4 }).fetchAll();
    assert.equal(resources.length, DOCUMENTS.length);
  });

  it('lists databases and containers by query', async () => {
    const named = {
      query: 'SELECT VALUE c.id FROM c WHERE c.id = @id',
      parameters: [{ name: '@id', value: 'c' }],
    };
    assert.deepEqual((await account.database.containers.query(named).fetchAll()).resources, ['c']);
  });

  describe('over the wire', () => {
    const post = (body: unknown, headers: Record<string, string>) =>
      signedRequest(
        account.emulator,
        'POST',
        '/dbs/landfall/colls/c/docs',
        { type: 'docs', resource: 'dbs/landfall/colls/c' },
        { 'content-type': 'application/query+json', ...headers },
        JSON.stringify(body),
      );
    const cross = { 'x-ms-documentdb-isquery': 'True', 'x-ms-documentdb-query-enablecrosspartition': 'True' };
    const range = { ...cross, 'x-ms-documentdb-partitionkeyrangeid': '0' };

    it('wants a partition key or the word that the query may cross partitions', async () => {
      const answer = await post({ query: 'SELECT * FROM c' }, { 'x-ms-documentdb-isquery': 'True' });
      assert.equal(`${answer.status}/${answer.headers.get('x-ms-substatus')}`, '400/1004');
    });

    it('hands a query that must be merged back to the client, with its plan', async () => {
      const answer = await post({ query: 'SELECT * FROM c ORDER BY c.n' }, cross);
      assert.equal(answer.status, 400);
      const { additionalErrorInfo } = (await answer.json()) as { additionalErrorInfo: string };
      const plan = JSON.parse(additionalErrorInfo) as { queryInfo: { orderBy: string[] } };
      assert.deepEqual(plan.queryInfo.orderBy, ['Ascending']);
      const pinned = await post({ query: "SELECT * FROM c WHERE c.tenant = 't0' ORDER BY c.n" }, cross);
      assert.equal(pinned.status, 200);
    });

    it('names the features that a client lacks', async () => {
      const headers = {
        'x-ms-cosmos-is-query-plan-request': 'True',
        'x-ms-cosmos-supported-query-features': 'OrderBy, Top',
      };
      const query = 'SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.g FROM c)';
      const answer = await post({ query }, headers);
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /does not support: DCount/);
      assert.equal((await post({ query: 'SELECT TOP 1 * FROM c ORDER BY c.n' }, headers)).status, 200);
    });

    it('resumes an ordered query behind a value, at a value, or at a document', async () => {
      const query = 'SELECT c._rid, c.n AS payload FROM c WHERE c.n < 8 ORDER BY c.g';
      const resumed = async (resumeFilter: unknown) => {
        const answer = await post({ query, resumeFilter }, range);
        return ((await answer.json()) as { Documents: { payload: number; _rid: string }[] }).Documents;
      };
      const payloads = (rows: { payload: number }[]) => rows.map(({ payload }) => payload);
      assert.deepEqual(payloads(await resumed({ value: [2], exclude: true })), [3, 7]);
      const atValue = await resumed({ value: [2], exclude: false });
      assert.deepEqual(payloads(atValue), [2, 6, 3, 7]);
      const rid = atValue[1]?._rid;
      assert.deepEqual(payloads(await resumed({ value: [2], rid, exclude: false })), [6, 3, 7]);
    });

    it('takes a prefix of a hierarchical key as a range of hashes', async () => {
      const paths = { paths: ['/fleet', '/vin'], kind: 'MultiHash' as never, version: 2 };
      const nested = await account.container({ id: 'nested', partitionKey: paths });
      for (const fleet of ['t1', 't2']) {
        for (const vin of ['v', 'w']) await nested.items.create({ id: fleet + vin, fleet, vin });
      }
      const answer = await signedRequest(
        account.emulator,
        'POST',
        '/dbs/landfall/colls/nested/docs',
        { type: 'docs', resource: 'dbs/landfall/colls/nested' },
        {
          'content-type': 'application/query+json',
          'x-ms-documentdb-isquery': 'True',
          'x-ms-documentdb-partitionkeyrangeid': '0',
          'x-ms-read-key-type': 'EffectivePartitionKeyRange',
          'x-ms-start-epk': '3D48BB14DA9D090D22112C96695028B6',
          'x-ms-end-epk': '3D48BB14DA9D090D22112C96695028B6FF',
        },
        JSON.stringify({ query: 'SELECT VALUE c.id FROM c' }),
      );
      assert.deepEqual(((await answer.json()) as { Documents: string[] }).Documents, ['t1v', 't1w']);
    });

    it('sends a client with an unknown range back to the ranges', async () => {
      const answer = await post(
        { query: 'SELECT * FROM c' },
        { ...range, 'x-ms-documentdb-partitionkeyrangeid': '7' },
      );
      assert.equal(`${answer.status}/${answer.headers.get('x-ms-substatus')}`, '410/1002');
    });
  });
});
