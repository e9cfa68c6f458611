import assert from 'node:assert/strict';
import { landingAccountOf } from '#composition/landing-account.ts';
import { SettingsError } from '#composition/settings.ts';

describe('the Landing account of a folder', () => {
  const account = (name: string, region = 'here') =>
    ({ account: name, zone: 'landing', region, weight: 1 }) as const;
  const raw = { account: 'raw', zone: 'raw', region: 'here', weight: 9 } as const;
  const folders = Array.from({ length: 400 }, (_, index) => `fleet/drive-${index}`);
  const placesIn = (names: readonly string[]) => {
    const zoneAccounts = [...names.map((name) => account(name)), raw, account('far', 'there')];
    return folders.map((folder) => landingAccountOf({ region: 'here', zoneAccounts }, folder));
  };

  it('is one of the zone and region, and all of them get their share', () => {
    const places = placesIn(['a', 'b', 'c', 'd']);
    for (const name of ['a', 'b', 'c', 'd']) {
      const share = places.filter((place) => place === name).length;
      assert.ok(share > 60 && share < 140, `${name} has ${share} of 400`);
    }
  });

  it('does not depend on the order of the accounts, and few folders move when one is added', () => {
    assert.deepEqual(placesIn(['a', 'b', 'c']), placesIn(['c', 'a', 'b']));
    const [before, after] = [placesIn(['a', 'b', 'c']), placesIn(['a', 'b', 'c', 'd'])];
    for (const [index, place] of after.entries()) assert.ok(place === before[index] || place === 'd');
  });

  it('says what to add where a region has none', () => {
    assert.throws(
      () => landingAccountOf({ region: 'nowhere', zoneAccounts: [raw] }, 'fleet/drive'),
      (error) =>
        error instanceof SettingsError && /no account of the zone landing in nowhere/.test(error.message),
    );
  });
});
