import assert from 'node:assert/strict';
import { bicepSources, resourcesOf } from './bicep-source.ts';
import { REQUIRED, violationsOf } from './rules.ts';

describe('Bicep sources', () => {
  const sources = bicepSources();

  it('keep every rule: no public access, TLS 1.2, no keys, everything described', () => {
    assert.deepEqual(violationsOf(sources), []);
  });

  it('hold every kind of resource a rule is for', () => {
    const types = new Set(
      [...sources].flatMap(([path, text]) => resourcesOf(path, text).map(({ type }) => type)),
    );
    assert.deepEqual(
      Object.keys(REQUIRED).filter((type) => !types.has(type)),
      [],
    );
  });

  describe('break a rule when', () => {
    for (const [type, properties] of Object.entries(REQUIRED)) {
      for (const property of Object.keys(properties)) {
        it(`${property} of ${type} is left out`, () => {
          const name = property.split('.').at(-1);
          const path = [...sources.keys()].find((candidate) =>
            resourcesOf(candidate, sources.get(candidate)!).some(
              (found) => found.type === type && !found.existing,
            ),
          )!;
          const broken = sources.get(path)!.replaceAll(new RegExp(`\\b${name}: `, 'g'), `${name}X: `);
          const said = violationsOf(new Map([[path, broken]]));
          assert.ok(
            said.some((violation) => violation.includes(`${property} is not set`)),
            said.join('\n'),
          );
        });
      }
    }

    const breakages: Readonly<Record<string, readonly [string, RegExp]>> = {
      'a key is read': ["param x string = listKeys('id', '2025-01-01').key1", /reads a key/],
      'a key is handed on': ['output k string = insights.properties.ConnectionString', /hands on a key/],
      'names differ at every deployment': ['var now = newGuid()', /different at every deployment/],
      'a module comes from a registry': [
        "module m 'br/public:avm/res/x:1.0.0' = {}",
        /module from elsewhere/,
      ],
      'a parameter is not described': ['param undescribed string', /undescribed has no description/],
      'there is a second public address': [
        "resource front 'Microsoft.Network/publicIPAddresses@2024-07-01' = { name: 'front' }",
        /front is a public address/,
      ],
      'a resource is of a type nobody has thought about': [
        "resource sql 'Microsoft.Sql/servers@2023-08-01' = { name: 'sql' }",
        /Microsoft\.Sql\/servers is in no list/,
      ],
      'a service has no private endpoint': [
        "resource vault2 'Microsoft.KeyVault/vaults@2024-11-01' = { name: 'x' }",
        /vault2 has no private endpoint/,
      ],
    };
    for (const [situation, [text, expected]] of Object.entries(breakages)) {
      it(situation, () => {
        assert.match(violationsOf(new Map([['broken.bicep', `${text}\n`]])).join('\n'), expected);
      });
    }
  });
});
