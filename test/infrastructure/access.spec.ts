import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Grant } from '#composition/deployment/grant.ts';
import { ZONES } from '#domain/vocabulary.ts';
import { bicepSources, resourcesOf } from './bicep-source.ts';

const grants: readonly Grant[] = JSON.parse(readFileSync('bicep/access.json', 'utf8'));
const roles: Readonly<Record<string, string>> = JSON.parse(
  readFileSync('bicep/role-definitions.json', 'utf8'),
);

describe('role assignments', () => {
  it('are made from the table, and nowhere else but where GitHub Actions gets its own', () => {
    const places = [...bicepSources()]
      .filter(([path, text]) =>
        resourcesOf(path, text).some(({ type }) => /\/(sqlR|r)oleAssignments$/.test(type)),
      )
      .map(([path]) => path);
    assert.deepEqual(places, ['bicep/modules/access.bicep', 'bicep/modules/bootstrap-identities.bicep']);
  });

  it('each have a reason, an identity that exists, a role that is known, and a place', () => {
    const identities = bicepSources().get('bicep/modules/identity.bicep') ?? '';
    for (const grant of grants) {
      const text = JSON.stringify(grant);
      assert.match(grant.why, /^[A-Z].{10,}\.$/, text);
      assert.ok(identities.includes(`'${grant.identity}'`), text);
      assert.ok(grant.service === 'cosmos' || grant.role in roles, text);
      assert.ok(bicepSources().get('bicep/modules/access.bicep')?.includes(`'${grant.service}'`), text);
      if (grant.service === 'storage') assert.ok((grant.zones?.length ?? 0) > 0, text);
      for (const zone of grant.zones ?? []) assert.ok(['operations', ...ZONES].includes(zone), text);
    }
    const unused = Object.keys(roles).filter((role) => !grants.some((grant) => grant.role === role));
    assert.deepEqual(unused, []);
  });

  it('are made once each: their names come from resource, identity and role', () => {
    const names = grants.flatMap((grant) =>
      (grant.zones ?? [grant.queue ?? '']).map(
        (place) => `${grant.service}/${place}/${grant.identity}/${grant.role}`,
      ),
    );
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });

  it('keep recordings from those who only decode them, and keys of the bus from those who only consume', () => {
    const mayWrite = (identity: string, zone: string) =>
      grants.some(
        (grant) =>
          grant.identity === identity && grant.zones?.includes(zone) && /Contributor|Owner/.test(grant.role),
      );
    for (const zone of ['landing', 'raw', 'archive', 'error'])
      assert.equal(mayWrite('execution', zone), false);
    for (const zone of ['raw', 'archive', 'error', 'extracted']) assert.equal(mayWrite('api', zone), false);
    const owners = grants
      .filter(({ role }) => role === 'Azure Service Bus Data Owner')
      .map((grant) => grant.identity);
    assert.deepEqual(owners, ['scaler']);
    const readersOfBus = grants.filter(({ role, service }) => role === 'Reader' && service === 'serviceBus');
    assert.equal(readersOfBus.length, grants.filter(({ role }) => role === 'Reader').length);
  });
});
