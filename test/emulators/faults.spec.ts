import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { commitFaultBeforeExecution, FaultPlan, serveFaultControl } from '#emulators/faults.ts';

describe('faults on demand', () => {
  const plan = new FaultPlan();
  let executed = 0;
  const server = http.createServer(async (request, response) => {
    if (await serveFaultControl(plan, request, response)) return;
    const fault = plan.next(request);
    if (fault && (await commitFaultBeforeExecution(fault, response))) return;
    executed += 1;
    if (fault?.kind === 'lost-answer') response.destroy();
    else response.end('done');
  });
  let endpoint: string;
  const order = (fault: unknown) =>
    fetch(`${endpoint}/control/faults`, { method: 'POST', body: JSON.stringify(fault) });

  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    plan.clear();
    executed = 0;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it('answers the ordered status, as often as ordered, then serves again', async () => {
    const added = await order({ match: {}, kind: 'status', status: 429, retryAfterMs: 1500, times: 2 });
    assert.equal(added.status, 201);
    assert.match(((await added.json()) as { id: string }).id, /^[0-9a-f-]{36}$/);
    const statuses = [];
    for (let request = 0; request < 3; request++) {
      const answer = await fetch(`${endpoint}/x`);
      statuses.push([
        answer.status,
        answer.headers.get('x-ms-retry-after-ms'),
        answer.headers.get('retry-after'),
      ]);
    }
    assert.deepEqual(statuses, [
      [429, '1500', '2'],
      [429, '1500', '2'],
      [200, null, null],
    ]);
    assert.equal(executed, 1);
  });

  it('executes a request whose answer is lost, and not one whose connection is dropped', async () => {
    await order({ kind: 'lost-answer', times: 1 });
    await assert.rejects(fetch(`${endpoint}/x`));
    assert.equal(executed, 1);
    await order({ kind: 'drop-connection', times: 1 });
    await assert.rejects(fetch(`${endpoint}/x`));
    assert.equal(executed, 1);
  });

  it('hits only requests that fit by method, path and header, and lets the skipped ones pass', async () => {
    plan.add({
      match: { method: 'post', pathPattern: '/docs$', headerPatterns: { 'x-batch': '^true$' } },
      kind: 'status',
      skip: 1,
    });
    const send = async (method: string, path: string, batch: string) =>
      (await fetch(endpoint + path, { method, headers: { 'x-batch': batch } })).status;
    assert.equal(await send('POST', '/docs', 'true'), 200);
    assert.equal(await send('GET', '/docs', 'true'), 200);
    assert.equal(await send('POST', '/docs/1', 'true'), 200);
    assert.equal(await send('POST', '/docs', 'false'), 200);
    assert.equal(await send('POST', '/docs', 'true'), 503);
    assert.equal(plan.list()[0]?.hits, 1);
  });

  it('answers late when latency is ordered', async () => {
    plan.add({ kind: 'latency', latencyMs: 60 });
    const startedAt = performance.now();
    assert.equal((await fetch(`${endpoint}/x`)).status, 200);
    assert.ok(performance.now() - startedAt >= 55);
  });

  it('refuses a fault it does not understand and says why', async () => {
    for (const fault of [
      { kind: 'explode' },
      { kind: 'status', match: { pathPattern: '(' } },
      { kind: 'status', sometimes: 1 },
    ]) {
      const answer = await order(fault);
      assert.equal(answer.status, 400);
      assert.match(((await answer.json()) as { error: string }).error, /kind|regular expression|sometimes/);
    }
    assert.deepEqual(plan.list(), []);
  });

  it('lists and forgets the faults', async () => {
    await order({ kind: 'latency', latencyMs: 1 });
    const listed = (await (await fetch(`${endpoint}/control/faults`)).json()) as unknown[];
    assert.equal(listed.length, 1);
    assert.equal((await fetch(`${endpoint}/control/faults`, { method: 'DELETE' })).status, 204);
    assert.deepEqual(plan.list(), []);
  });
});
