import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Finding, findingsExitCode, findingsText } from '#adapters/cli/findings.ts';
import { deploymentOf, examineMachine } from '#composition/commands/doctor.ts';
import { type LocalStack, localStack } from '#composition/local-stack.ts';
import type { RunningProcess } from '#composition/supervisor.ts';
import { writeUpFile } from '#composition/up-file.ts';
import { FakeApi } from '#test/support/fake-api.ts';

describe('landfall doctor', () => {
  let api: FakeApi;
  let base: string;
  let home: string;
  beforeEach(async () => {
    api = new FakeApi();
    base = await api.start();
    home = mkdtempSync(join(tmpdir(), 'doctor-'));
    api.answers.set('GET /health', { status: 200, body: { status: 'ok' } });
    api.answers.set('GET /dead-letters', { status: 200, body: { deadLetters: [] } });
  });
  afterEach(async () => {
    rmSync(home, { recursive: true });
    await api.stop();
  });

  /** A stack whose only port is the fake API's. */
  function stack(): LocalStack {
    const local = localStack({ LANDFALL_HOME: home });
    const port = Number(new URL(base).port);
    const ports = Object.fromEntries(Object.keys(local.ports).map((service) => [service, port]));
    return {
      ...local,
      ports: ports as unknown as LocalStack['ports'],
      environment: { ...local.environment, LANDFALL_API: base },
    };
  }
  /** This process stands for the one that `landfall up` is. */
  const up = (content: { readonly processes?: readonly RunningProcess[] }) =>
    writeUpFile(stack(), { ready: true, startedAt: '2026-03-01T00:00:00Z', processes: [], ...content });
  const found = async (name: string): Promise<Finding> => {
    const findings = await examineMachine(stack());
    for (const finding of findings)
      assert.equal(finding.remedy === undefined, finding.state === 'ok', `${finding.name}: a remedy`);
    const finding = findings.find((candidate) => candidate.name === name);
    assert.ok(finding, `${name} among ${findings.map((other) => other.name)}`);
    return finding;
  };

  it('names the port that another program has taken', async () => {
    const ports = await found('ports');
    assert.equal(ports.state, 'failed');
    assert.match(ports.found, new RegExp(`${new URL(base).port} \\(cosmos\\)`));
    assert.match(ports.remedy!, /LANDFALL_PORT_BASE/);
  });

  it('says how to start a stack that is not running', async () => {
    assert.deepEqual(await found('stack'), {
      name: 'stack',
      state: 'warning',
      found: 'not running',
      remedy: 'start it with: landfall up',
    });
  });

  it('tells a process that died, and one that keeps dying, from one that is well', async () => {
    const script = basename(process.argv[1] ?? '');
    up({
      processes: [
        { name: 'saga', pid: process.pid, restarts: 0, script },
        { name: 'handlers', pid: process.pid, restarts: 3, script },
        { name: 'batch', pid: 2 ** 22 + 1, restarts: 0, script },
      ],
    });
    assert.equal((await found('saga')).state, 'ok');
    assert.match((await found('handlers')).found, /restarted 3 times/);
    assert.match((await found('handlers')).remedy!, /logs\/handlers\.log/);
    assert.equal((await found('batch')).state, 'failed');
    assert.equal((await found('metadata API')).state, 'ok');
  });

  it('counts the dead letters that nobody has replayed', async () => {
    up({});
    assert.equal((await found('dead letters')).found, 'none');
    const deadLetters = ['failed', 'replayed', 'failed'].map((state) => ({ state }));
    api.answers.set('GET /dead-letters', { status: 200, body: { deadLetters } });
    assert.equal((await found('dead letters')).found, '2 messages failed for good');
  });

  it('sees an API that is ill', async () => {
    up({});
    api.answers.set('GET /health', { status: 503, body: { detail: 'Cosmos is busy.' } });
    const health = await found('metadata API');
    assert.deepEqual([health.state, health.found], ['failed', 'Cosmos is busy.']);
  });

  it('wants to be told which environment, and takes the variables for an answer', () => {
    const asked = { json: false, azure: true };
    assert.throws(() => deploymentOf(asked, {}), /Say which environment: .*--resource-group/);
    const variables = { AZURE_SUBSCRIPTION_ID: 's', AZURE_RESOURCE_GROUP: 'landfall-dev' };
    assert.deepEqual(deploymentOf({ ...asked, resourceGroup: 'landfall-test' }, variables), {
      subscriptionId: 's',
      resourceGroup: 'landfall-test',
      outside: false,
    });
    const digests = { ...variables, LANDFALL_IMAGE_DIGESTS: '{"services":"sha256:1"}' };
    assert.deepEqual(deploymentOf(asked, digests).release, { services: 'sha256:1' });
    assert.throws(() => deploymentOf(asked, { ...variables, LANDFALL_IMAGE_DIGESTS: '{' }), /not JSON/);
  });

  it('fails for what must be fixed, and only for that', () => {
    const ok: Finding = { name: 'a', state: 'ok', found: 'well' };
    const warning: Finding = { name: 'long', state: 'warning', found: 'hm', remedy: 'look' };
    const failed: Finding = { name: 'c', state: 'failed', found: 'broken', remedy: 'mend it' };
    assert.equal(findingsExitCode([ok, warning]), 0);
    assert.equal(findingsExitCode([ok, warning, failed]), 1);
    assert.equal(findingsText([ok, warning]), '✓ a     well\n! long  hm\n        → look');
  });
});
