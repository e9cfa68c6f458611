import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { localStack } from '#composition/local-stack.ts';
import { readSettings } from '#composition/settings.ts';
import { LAPTOP_PROCESSES } from '#composition/up.ts';
import { composeRoles, ROLE_NAMES, roleNamesOf } from '#composition/worker.ts';
import { CONSUMERS, FAILED_MESSAGES_QUEUE } from '#domain/topology.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

describe('the roles', function () {
  // The first of them loads every SDK.
  this.timeout(60_000);
  const { environment } = localStack({ LANDFALL_HOME: join(tmpdir(), 'landfall-roles-spec') });
  const settings = readSettings(environment);

  for (const name of ROLE_NAMES)
    it(`${name} has everything it needs`, () => {
      const roles = composeRoles([name], settings, new QuietTelemetry(), environment);
      assert.equal(roles.length, 1);
      assert.equal(typeof roles[0]?.start, 'function');
    });

  it('consume every queue, each one of them once', () => {
    const names = composeRoles(ROLE_NAMES, settings, new QuietTelemetry(), environment).map(
      (role) => role.name,
    );
    const queues = [...CONSUMERS, FAILED_MESSAGES_QUEUE];
    assert.deepEqual(names.filter((name) => queues.includes(name)).toSorted(), queues.toSorted());
  });

  it('of a laptop are all roles, in few processes, none of them twice', () => {
    const hosted = LAPTOP_PROCESSES.flatMap(({ roles }) => roleNamesOf(roles));
    // `landfall up` tells the registry of its accounts itself.
    assert.deepEqual([...hosted, 'accounts'].toSorted(), ROLE_NAMES.toSorted());
  });

  it('can be named alone or in groups, and twice is once', () => {
    assert.deepEqual(roleNamesOf('saga,relay,saga'), ['saga', 'relay']);
    assert.deepEqual(roleNamesOf('all'), ROLE_NAMES);
    assert.ok(roleNamesOf('road').includes('scene-detect'));
  });

  for (const name of ['extrakt', '', 'constructor', 'saga, relay'])
    it(`refuse "${name}" as a mistake in the command line, and name those that exist`, () => {
      assert.throws(() => roleNamesOf(name), {
        name: 'CommandError',
        exitCode: EXIT.usage,
        message: /^There is no role ".*"\. Roles: saga, relay, .*, api, all, road, sweeps\.$/,
      });
    });
});
