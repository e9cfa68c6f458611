import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Container, CosmosClient } from '@azure/cosmos';
import { startCosmos } from '#emulators/cosmos/server.ts';
import {
  type Account,
  connect,
  signedRequest,
  startAccount,
  statusOf,
} from '#test/emulators/cosmos/account.ts';

describe('the gateway of the Cosmos DB emulator', () => {
  let account: Account;
  let container: Container;

  before(async () => {
    account = await startAccount();
    container = await account.container({ id: 'c', partitionKey: { paths: ['/pk'] } });
  });
  after(() => account.close());

  describe('authorization', () => {
    it('refuses another key, no key, and a signature for another resource', async () => {
      const key = Buffer.from('another key').toString('base64');
      const stranger = connect({ endpoint: account.emulator.endpoint, key });
      assert.equal(await statusOf(stranger.database('landfall').read()), '401');
      stranger.dispose();
      assert.equal((await fetch(`${account.emulator.endpoint}/dbs/landfall`)).status, 401);
      const elsewhere = { type: 'dbs', resource: 'dbs/other' };
      assert.equal((await signedRequest(account.emulator, 'GET', '/dbs/landfall', elsewhere)).status, 401);
    });

    it('accepts a bearer token over https', async function () {
      const tls = selfSigned();
      if (tls === undefined) return this.skip();
      const emulator = await startCosmos({ port: 0, tls });
      const scopes: unknown[] = [];
      const client = new CosmosClient({
        endpoint: emulator.endpoint,
        aadCredentials: {
          getToken: async (scope: string | string[]) => {
            scopes.push(scope);
            return { token: 'header.payload.signature', expiresOnTimestamp: Date.now() + 3_600_000 };
          },
        },
        agent: new https.Agent({ ca: tls.cert }),
        connectionPolicy: { enableEndpointDiscovery: false },
      });
      assert.equal((await client.databases.create({ id: 'secure' })).statusCode, 201);
      assert.match(String(scopes[0]), /^https:\/\/127\.0\.0\.1/);
      client.dispose();
      await emulator.close();
    });
  });

  describe('for .NET clients', () => {
    /** Base64 with `-` for `/`. */
    const bytesOf = (resourceId: string) => Buffer.from(resourceId.replaceAll('-', '/'), 'base64');
    const rangesByResourceId = async (headers: Record<string, string> = {}) => {
      const databaseId = String((await account.database.read()).resource?._rid);
      const containerId = String((await container.read()).resource?._rid);
      return signedRequest(
        account.emulator,
        'GET',
        `/dbs/${databaseId}/colls/${containerId}/pkranges`,
        { type: 'pkranges', resource: containerId.toLowerCase() },
        { 'a-im': 'Incremental Feed', 'x-ms-max-item-count': '-1', ...headers },
      );
    };

    it('gives resource ids that parse: database 4, container 8 with its bit, document 16 bytes', async () => {
      const databaseId = bytesOf(String((await account.database.read()).resource?._rid));
      const containerId = bytesOf(String((await container.read()).resource?._rid));
      const { resource } = await container.items.create({ id: 'rid', pk: 'a' });
      const documentId = bytesOf(String(resource?._rid));
      assert.deepEqual([databaseId.length, containerId.length, documentId.length], [4, 8, 16]);
      assert.deepEqual(containerId.subarray(0, 4), databaseId);
      assert.deepEqual(documentId.subarray(0, 8), containerId);
      assert.equal((containerId[4] ?? 0) & 0x80, 0x80);
      assert.equal((documentId[15] ?? 0xff) & 0xf0, 0);
    });

    it('serves the partition key ranges by resource id, and 304 to one who has them', async () => {
      const first = await rangesByResourceId();
      assert.equal(first.status, 200);
      const { PartitionKeyRanges } = (await first.json()) as { PartitionKeyRanges: Record<string, string>[] };
      assert.deepEqual(
        PartitionKeyRanges.map(({ id, minInclusive, maxExclusive }) => [id, minInclusive, maxExclusive]),
        [['0', '', 'FF']],
      );
      const again = await rangesByResourceId({ 'if-none-match': first.headers.get('etag') ?? '' });
      assert.equal(again.status, 304);
      assert.equal(await again.text(), '');
    });

    it('tells about the query engine at the account', async () => {
      const answer = await signedRequest(account.emulator, 'GET', '/', { type: '', resource: '' });
      const body = (await answer.json()) as Record<string, unknown>;
      assert.equal(body['id'], 'local');
      assert.ok('userConsistencyPolicy' in body && 'writableLocations' in body);
      assert.equal(typeof JSON.parse(String(body['queryEngineConfiguration'])), 'object');
    });
  });

  describe('databases and containers', () => {
    it('creates each once, lists, replaces and removes them', async () => {
      assert.equal(
        await statusOf(account.database.containers.create({ id: 'c', partitionKey: '/pk' })),
        '409',
      );
      const other = await account.container({ id: 'other', partitionKey: { paths: ['/pk'] } });
      await other.items.create({ id: 'a', pk: 'a' });
      const replaced = await other.replace({ id: 'other', partitionKey: { paths: ['/pk'] }, defaultTtl: 60 });
      assert.equal(replaced.resource?.defaultTtl, 60);
      assert.equal((await other.item('a', 'a').read()).statusCode, 200);
      const renamed = other.replace({ id: 'other', partitionKey: { paths: ['/else'] } });
      assert.equal(await statusOf(renamed), '400');
      await other.delete();
      assert.equal(await statusOf(other.read()), '404');
      const again = await account.container({ id: 'other', partitionKey: { paths: ['/pk'] } });
      assert.equal((await again.items.readAll().fetchAll()).resources.length, 0);
      const { resources } = await account.client.databases.readAll().fetchAll();
      assert.deepEqual(
        resources.map(({ id }) => id),
        ['landfall'],
      );
    });

    it('keeps the throughput that was provisioned', async () => {
      const { container: provisioned } = await account.database.containers.create({
        id: 'provisioned',
        partitionKey: '/pk',
        throughput: 1000,
      });
      const { offer } = await provisioned.readOffer();
      assert.equal((await offer?.read())?.resource?.content?.offerThroughput, 1000);
    });

    it('refuses a partition key that is no path, and too many of them', async () => {
      for (const paths of [['pk'], ['/a', '/b'], []]) {
        const body = JSON.stringify({ id: 'refused', partitionKey: { paths, kind: 'Hash' } });
        const resource = { type: 'colls', resource: 'dbs/landfall' };
        const answer = await signedRequest(
          account.emulator,
          'POST',
          '/dbs/landfall/colls',
          resource,
          {},
          body,
        );
        assert.equal(answer.status, 400, String(paths));
      }
    });
  });

  it('answers what it does not serve with an error that names the path', async () => {
    const resource = { type: 'sprocs', resource: 'dbs/landfall/colls/c' };
    const answer = await signedRequest(
      account.emulator,
      'POST',
      '/dbs/landfall/colls/c/sprocs',
      resource,
      {},
      '{}',
    );
    assert.equal(answer.status, 404);
    assert.match(await answer.text(), /\/dbs\/landfall\/colls\/c\/sprocs/);
  });

  describe('faults on demand', () => {
    const order = (fault: unknown) =>
      fetch(`${account.emulator.endpoint}/control/faults`, { method: 'POST', body: JSON.stringify(fault) });
    const onBatch = {
      method: 'POST',
      pathPattern: '/docs$',
      headerPatterns: { 'x-ms-cosmos-is-batch-request': '.' },
    };
    const batch = (id: string) =>
      container.items.batch([{ operationType: 'Create', resourceBody: { id, pk: 'faults' } }], 'faults');
    afterEach(() => account.emulator.faults.clear());

    it('throttles: the SDK waits and tries again, unseen by its caller', async () => {
      await order({ match: onBatch, kind: 'status', status: 429, retryAfterMs: 20, times: 3 });
      const { result } = await batch('throttled');
      assert.deepEqual(
        result?.map(({ statusCode }) => statusCode),
        [201],
      );
      assert.equal(account.emulator.faults.list()[0]?.hits, 3);
    });

    it('throttles without end: the caller hears 429/3200', async () => {
      await order({ kind: 'status', status: 429, retryAfterMs: 1 });
      assert.equal(await statusOf(container.item('rid', 'a').read()), '429/3200');
    });

    it('loses the answer of a batch that has happened', async () => {
      await order({ match: onBatch, kind: 'lost-answer', times: 1 });
      await assert.rejects(batch('lost'));
      assert.equal((await container.item('lost', 'faults').read()).statusCode, 200);
    });

    it('drops a batch that then has not happened', async () => {
      await order({ match: onBatch, kind: 'drop-connection', times: 1 });
      await assert.rejects(batch('dropped'));
      assert.equal((await container.item('dropped', 'faults').read()).statusCode, 404);
    });
  });
});

/** A key and certificate for 127.0.0.1, or undefined on a machine without openssl. */
function selfSigned(): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'cosmos-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  try {
    execFileSync(
      'openssl',
      ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '1', ...subject],
      {
        stdio: 'ignore',
      },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
