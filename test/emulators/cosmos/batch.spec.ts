import assert from 'node:assert/strict';
import type { Container, OperationInput } from '@azure/cosmos';
import fc from 'fast-check';
import { type Account, signedRequest, startAccount, statusOf } from '#test/emulators/cosmos/account.ts';

describe('batches in the Cosmos DB emulator', () => {
  let account: Account;
  let container: Container;

  before(async () => {
    account = await startAccount();
    container = await account.container({ id: 'measurements', partitionKey: { paths: ['/pk'] } });
  });
  after(() => account.close());

  const batch = async (operations: OperationInput[], partitionKey: string) => {
    const { code, result } = await container.items.batch(operations, partitionKey);
    return { code, statuses: result?.map(({ statusCode }) => statusCode) };
  };
  const contentOf = async (partitionKey: string) => {
    const query = 'SELECT VALUE [c.id, c.n] FROM c ORDER BY c.id';
    return (await container.items.query(query, { partitionKey }).fetchAll()).resources;
  };

  it('writes the inbox, the outbox and the saga together when the saga is the one that was read', async () => {
    const { etag } = await container.items.create({ id: 'saga', pk: 'm1', n: 1 });
    const answer = await container.items.batch(
      [
        { operationType: 'Create', resourceBody: { id: 'inbox-1', pk: 'm1' } },
        { operationType: 'Create', resourceBody: { id: 'outbox-1', pk: 'm1' } },
        { operationType: 'Replace', id: 'saga', ifMatch: etag, resourceBody: { id: 'saga', pk: 'm1', n: 2 } },
        { operationType: 'Read', id: 'saga' },
      ],
      'm1',
    );
    assert.equal(answer.code, 200);
    assert.deepEqual(
      answer.result?.map(({ statusCode }) => statusCode),
      [201, 201, 200, 200],
    );
    assert.equal(answer.result?.[3]?.resourceBody?.['n'], 2);
    assert.equal(answer.result?.[2]?.eTag, answer.result?.[3]?.eTag);
  });

  it('writes nothing when the saga has moved on: 207, the stale one 412 and all others 424', async () => {
    await container.items.create({ id: 'saga', pk: 'm2', n: 1 });
    const answer = await batch(
      [
        { operationType: 'Create', resourceBody: { id: 'inbox-1', pk: 'm2' } },
        { operationType: 'Replace', id: 'saga', ifMatch: '"stale"', resourceBody: { id: 'saga', pk: 'm2' } },
        { operationType: 'Create', resourceBody: { id: 'outbox-1', pk: 'm2' } },
      ],
      'm2',
    );
    assert.deepEqual(answer, { code: 207, statuses: [424, 412, 424] });
    assert.deepEqual(await contentOf('m2'), [['saga', 1]]);
  });

  it('writes nothing when a message was seen before: the inbox entry is 409', async () => {
    await container.items.create({ id: 'inbox-1', pk: 'm3' });
    const answer = await batch(
      [
        { operationType: 'Upsert', resourceBody: { id: 'saga', pk: 'm3', n: 5 } },
        { operationType: 'Create', resourceBody: { id: 'inbox-1', pk: 'm3' } },
      ],
      'm3',
    );
    assert.deepEqual(answer.statuses, [424, 409]);
    assert.deepEqual(await contentOf('m3'), [['inbox-1']]);
  });

  it('sees its own earlier operations', async () => {
    const answer = await batch(
      [
        { operationType: 'Create', resourceBody: { id: 'a', pk: 'm4', n: 1 } },
        {
          operationType: 'Patch',
          id: 'a',
          resourceBody: { operations: [{ op: 'incr', path: '/n', value: 2 }] },
        },
        { operationType: 'Delete', id: 'a' },
        { operationType: 'Create', resourceBody: { id: 'a', pk: 'm4', n: 9 } },
      ],
      'm4',
    );
    assert.deepEqual(answer.statuses, [201, 200, 204, 201]);
    assert.deepEqual(await contentOf('m4'), [['a', 9]]);
  });

  it('refuses a document of another partition, and undoes the rest', async () => {
    const answer = await batch(
      [
        { operationType: 'Create', resourceBody: { id: 'a', pk: 'm5' } },
        { operationType: 'Create', resourceBody: { id: 'b', pk: 'elsewhere' } },
      ],
      'm5',
    );
    assert.deepEqual(answer.statuses, [424, 400]);
    assert.deepEqual(await contentOf('m5'), []);
  });

  it('takes 100 operations of 2 MB together, and no more', async () => {
    const creates = (count: number, bytes: number): OperationInput[] =>
      Array.from({ length: count }, (_, index) => ({
        operationType: 'Create',
        resourceBody: { id: `${count}-${bytes}-${index}`, pk: 'm6', text: 'x'.repeat(bytes) },
      }));
    assert.equal((await batch(creates(100, 10), 'm6')).code, 200);
    const tooMany = await postBatch(account, creates(101, 10));
    assert.equal(tooMany, 400);
    assert.match(await statusOf(container.items.batch(creates(21, 100_000), 'm6')), /413|undefined/);
    assert.equal((await contentOf('m6')).length, 100);
  });

  it('is all or nothing, whatever the operations and wherever one fails', async function () {
    this.timeout(20_000);
    const kind = fc.constantFrom('Create', 'Upsert', 'Replace', 'Delete', 'Patch', 'Read');
    const operation = fc.record({
      kind,
      id: fc.constantFrom('a', 'b', 'c'),
      n: fc.nat(99),
      stale: fc.boolean(),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 6 }), async (operations) => {
        const pk = `property-${run++}`;
        await container.items.create({ id: 'a', pk, n: 0 });
        const model = new Map([['a', 0]]);
        const succeeds = operations.every((step) => applyToModel(model, step));
        const answer = await batch(
          operations.map((step) => inputOf(step, pk)),
          pk,
        );
        assert.equal(answer.code === 200, succeeds);
        assert.deepEqual(await contentOf(pk), succeeds ? [...model].sort() : [['a', 0]]);
        if (!succeeds) {
          assert.equal(answer.statuses?.filter((status) => status === 424).length, operations.length - 1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('executes bulk operations each for itself', async () => {
    const results = await container.items.executeBulkOperations([
      { operationType: 'Create', partitionKey: 'bulk', resourceBody: { id: 'a', pk: 'bulk' } },
      { operationType: 'Create', partitionKey: 'bulk', resourceBody: { id: 'a', pk: 'bulk' } },
      { operationType: 'Upsert', partitionKey: 'bulk', resourceBody: { id: 'b', pk: 'bulk' } },
    ]);
    const codes = results.map(({ response, error }) => response?.statusCode ?? Number(error?.code));
    assert.deepEqual(codes.sort(), [201, 201, 409]);
    assert.deepEqual(await contentOf('bulk'), [['a'], ['b']]);
  });
});

interface Step {
  readonly kind: string;
  readonly id: string;
  readonly n: number;
  readonly stale: boolean;
}

/** Applies a step to the model of one partition; false when the service has to refuse it. */
function applyToModel(model: Map<string, number>, { kind, id, n, stale }: Step): boolean {
  const exists = model.has(id);
  if (kind === 'Create') {
    if (exists) return false;
    model.set(id, n);
    return true;
  }
  if (kind === 'Upsert') {
    if (exists && stale) return false;
    model.set(id, n);
    return true;
  }
  if (!exists || (stale && kind !== 'Read')) return false;
  if (kind === 'Replace' || kind === 'Patch') model.set(id, n);
  if (kind === 'Delete') model.delete(id);
  return true;
}

function inputOf({ kind, id, n, stale }: Step, pk: string): OperationInput {
  const condition = stale ? { ifMatch: '"stale"' } : {};
  switch (kind) {
    case 'Create':
      return { operationType: 'Create', resourceBody: { id, pk, n } };
    case 'Upsert':
      return { operationType: 'Upsert', resourceBody: { id, pk, n }, ...condition };
    case 'Replace':
      return { operationType: 'Replace', id, resourceBody: { id, pk, n }, ...condition };
    case 'Delete':
      return { operationType: 'Delete', id, ...condition };
    case 'Patch': {
      const operations = [{ op: 'set' as const, path: '/n', value: n }];
      return { operationType: 'Patch', id, resourceBody: { operations }, ...condition };
    }
    default:
      return { operationType: 'Read', id };
  }
}

/** The JavaScript SDK counts the operations itself, so this one is sent by hand. */
async function postBatch(account: Account, operations: OperationInput[]): Promise<number> {
  const answer = await signedRequest(
    account.emulator,
    'POST',
    '/dbs/landfall/colls/measurements/docs',
    { type: 'docs', resource: 'dbs/landfall/colls/measurements' },
    {
      'x-ms-documentdb-partitionkey': '["m6"]',
      'x-ms-cosmos-is-batch-request': 'True',
      'x-ms-cosmos-batch-atomic': 'True',
    },
    JSON.stringify(operations),
  );
  return answer.status;
}
