import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localStack, portBaseOf, portsFrom, serviceBusKeyOf } from '#composition/local-stack.ts';

describe('the local stack', () => {
  let home: string;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'landfall-local-stack-'));
  });

  after(() => rm(home, { recursive: true, force: true }));

  it('takes the well-known ports, or a block of 20 from LANDFALL_PORT_BASE', () => {
    const wellKnown = localStack({ LANDFALL_HOME: home }).ports;
    assert.deepEqual([wellKnown.serviceBus, wellKnown.serviceBusAdmin, wellKnown.cosmos], [5672, 5300, 8081]);
    const ports = Object.values(localStack({ LANDFALL_HOME: home, LANDFALL_PORT_BASE: '23000' }).ports);
    assert.ok(ports.every((port) => port >= 23_000 && port < 23_020));
    assert.equal(new Set(ports).size, ports.length, 'no port twice');
    assert.equal(new Set(Object.values(portsFrom(undefined))).size, ports.length);
  });

  for (const base of ['ssh', '80', '65516', '2300.5', '-1'])
    it(`refuses LANDFALL_PORT_BASE=${base} and says which are possible`, () => {
      assert.throws(() => portBaseOf(base), {
        name: 'SettingsError',
        message: new RegExp(`LANDFALL_PORT_BASE is ${base}; give a number from 1024 to 65515`),
      });
    });

  it('keeps its keys as long as its state folder, on whatever ports', () => {
    const once = localStack({ LANDFALL_HOME: home, LANDFALL_PORT_BASE: '23000' });
    const again = localStack({ LANDFALL_HOME: home, LANDFALL_PORT_BASE: '23020' });
    assert.deepEqual(again.accounts, once.accounts);
    assert.equal(again.environment['LANDFALL_COSMOS_KEY'], once.environment['LANDFALL_COSMOS_KEY']);
    assert.equal(serviceBusKeyOf(again), serviceBusKeyOf(once));
  });

  it('has other keys in another folder, and one key per service and account', async () => {
    const other = await mkdtemp(join(tmpdir(), 'landfall-local-stack-'));
    const keysOf = (folder: string) => {
      const { environment, accounts } = localStack({ LANDFALL_HOME: folder });
      const named = ['LANDFALL_COSMOS_KEY', 'LANDFALL_BATCH_KEY', 'LANDFALL_EVENT_GRID_KEY'];
      return [...named.map((name) => environment[name]), ...accounts.map((account) => account.key)];
    };
    const keys = [...keysOf(home), ...keysOf(other)];
    assert.equal(new Set(keys).size, keys.length);
    await rm(other, { recursive: true });
  });

  it('shows its secret to its owner only', async () => {
    localStack({ LANDFALL_HOME: home });
    assert.equal((await stat(join(home, 'secret'))).mode & 0o777, 0o600);
  });

  it('exports what scripts may rely on', () => {
    const { environment } = localStack({ LANDFALL_HOME: home });
    for (const name of [
      'SERVICE_BUS_CONNECTION_STRING',
      'SERVICE_BUS_ADMIN_ENDPOINT',
      'COSMOS_ENDPOINT',
      'COSMOS_KEY',
      'BATCH_ENDPOINT',
      'BATCH_ACCOUNT',
      'BATCH_KEY',
      'EVENT_GRID_ENDPOINT',
      'EVENT_GRID_KEY',
      'STORAGE_CONNECTION_STRINGS',
      'ZONE_ACCOUNTS',
      'API',
    ])
      assert.ok(environment[`LANDFALL_${name}`], name);
    assert.match(environment['LANDFALL_SERVICE_BUS_CONNECTION_STRING'] ?? '', /UseDevelopmentEmulator=true/);
    assert.equal(localStack({ LANDFALL_HOME: home }).accounts.filter(({ zone }) => zone === 'raw').length, 2);
  });
});
