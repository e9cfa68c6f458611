import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WELL_KNOWN_KEY } from '#emulators/cosmos/authorization.ts';
import { startCosmos } from '#emulators/cosmos/server.ts';
import { connect } from '#test/emulators/cosmos/account.ts';

const MAIN = join(import.meta.dirname, '../../../emulators/cosmos/main.ts');

describe('the Cosmos DB emulator as a process', function () {
  this.timeout(30_000);
  const dataFolder = mkdtempSync(join(tmpdir(), 'cosmos-process-'));
  const children: ChildProcess[] = [];

  after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dataFolder, { recursive: true, force: true });
  });

  function start(data: string, port = 0) {
    const child = spawn(process.execPath, [MAIN, '--data', data, '--port', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    return child;
  }

  /** The first line on stdout, which says that it is ready and where. */
  async function ready(child: ChildProcess): Promise<{ ready: boolean; service: string; port: number }> {
    assert.ok(child.stdout);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return JSON.parse(line) as { ready: boolean; service: string; port: number };
  }

  const clientOf = (port: number) => connect({ endpoint: `http://127.0.0.1:${port}`, key: WELL_KNOWN_KEY });

  it('says when it is ready and where, and ends with 0 on SIGTERM', async () => {
    const child = start(join(dataFolder, 'ready'));
    const line = await ready(child);
    assert.deepEqual({ ...line, port: 0 }, { ready: true, service: 'cosmos', port: 0 });
    assert.ok(line.port > 0);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('loses no acknowledged document when it is killed in the middle of writing, and shows no half batch', async () => {
    const folder = join(dataFolder, 'killed');
    const child = start(folder);
    const client = clientOf((await ready(child)).port);
    const { database } = await client.databases.create({ id: 'landfall' });
    const { container } = await database.containers.create({ id: 'c', partitionKey: '/pk' });
    const acknowledged: string[] = [];
    let dead = false;
    const writer = async (pk: string) => {
      for (let number = 0; !dead; number++) {
        const ids = [`${pk}-${number}-a`, `${pk}-${number}-b`];
        const creates = ids.map((id) => ({ operationType: 'Create' as const, resourceBody: { id, pk } }));
        await container.items.batch(creates, pk);
        acknowledged.push(...ids);
        if (acknowledged.length > 300 && !dead) {
          dead = true;
          child.kill('SIGKILL');
        }
      }
    };
    await Promise.allSettled(['w0', 'w1', 'w2', 'w3', 'w4', 'w5'].map(writer));
    client.dispose();

    const again = start(folder);
    const reader = clientOf((await ready(again)).port);
    const { resources } = await reader
      .database('landfall')
      .container('c')
      .items.query<string>('SELECT VALUE c.id FROM c')
      .fetchAll();
    reader.dispose();
    again.kill('SIGTERM');
    const kept = new Set(resources);
    assert.ok(acknowledged.length > 300);
    assert.deepEqual(
      acknowledged.filter((id) => !kept.has(id)),
      [],
    );
    const halves = resources.filter(
      (id) => !kept.has(id.endsWith('a') ? `${id.slice(0, -1)}b` : `${id.slice(0, -1)}a`),
    );
    assert.deepEqual(halves, []);
  });

  it('keeps documents, versions, ids and the change feed over a restart', async () => {
    const folder = join(dataFolder, 'restarted');
    const first = await startCosmos({ port: 0, dataFolder: folder });
    const client = connect(first);
    const { database } = await client.databases.create({ id: 'landfall' });
    const { container } = await database.containers.create({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'gone', pk: 'a' });
    const { etag } = await container.items.create({ id: 'a', pk: 'a' });
    const last = await container.items.create({ id: 'last', pk: 'a' });
    await container.item('last', 'a').delete();
    const containerId = (await container.read()).resource?._rid;
    client.dispose();
    await first.close();

    const second = await startCosmos({ port: 0, dataFolder: folder });
    const reopened = connect(second);
    const after = reopened.database('landfall').container('c');
    assert.equal((await after.read()).resource?._rid, containerId);
    assert.equal((await after.item('a', 'a').read()).etag, etag);
    const created = await after.items.create({ id: 'new', pk: 'a' });
    assert.notEqual(created.resource?._rid, last.resource?._rid, 'resource ids are never given twice');
    const lsnOf = (token: unknown) => Number(String(token).split('#')[1]);
    assert.ok(lsnOf(created.headers['x-ms-session-token']) > lsnOf(last.headers['x-ms-session-token']));
    reopened.dispose();
    await second.close();
  });

  it('refuses to share its folder, and names it', async () => {
    const folder = join(dataFolder, 'shared');
    const first = await startCosmos({ port: 0, dataFolder: folder });
    await assert.rejects(startCosmos({ port: 0, dataFolder: folder }), /shared.*in use by another/);
    await first.close();
  });

  it('names a taken port and the remedy, and exits with 1', async () => {
    const holder = await startCosmos({ port: 0 });
    const child = start(join(dataFolder, 'taken'), holder.port);
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 1);
    assert.match(complaint, new RegExp(`Port ${holder.port} is taken.*--port.*LANDFALL_PORT_BASE`));
    await holder.close();
  });
});
