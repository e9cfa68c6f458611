import assert from 'node:assert/strict';
import fc from 'fast-check';
import { folderOf, folderTemplateProblem, type PlacementAccount, pickAccount } from '#domain/placement.ts';

function account(name: string, part: Partial<PlacementAccount> = {}): PlacementAccount {
  return { account: name, zone: 'raw', region: 'west', weight: 1, state: 'open', ...part };
}

const FACTS = {
  region: 'west',
  zone: 'raw',
  measurementId: 'm-1',
  dataStreamId: 'd-1',
  vin: 'VIN1',
  date: new Date('2026-03-04T23:59:59Z'),
} as const;

describe('placement', () => {
  it('uses open accounts of the zone and region only', () => {
    const accounts = [
      account('full', { state: 'full' }),
      account('draining', { state: 'draining' }),
      account('elsewhere', { region: 'east' }),
      account('archive', { zone: 'archive' }),
      account('right'),
    ];
    for (let key = 0; key < 50; key++) assert.equal(pickAccount(accounts, 'raw', 'west', `${key}`), 'right');
    assert.equal(pickAccount(accounts.slice(0, 4), 'raw', 'west', 'k'), undefined);
  });

  it('spreads data streams in proportion to the weights', () => {
    const accounts = [account('one'), account('three', { weight: 3 })];
    const keys = Array.from({ length: 4000 }, (_, index) => `stream-${index}`);
    const three = keys.filter((key) => pickAccount(accounts, 'raw', 'west', key) === 'three').length;
    assert.ok(Math.abs(three / keys.length - 0.75) < 0.03, `${three} of ${keys.length}`);
  });

  it('moves a data stream, when an account is added, to the new one or nowhere', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const before = pickAccount([account('a'), account('b')], 'raw', 'west', key);
        const after = pickAccount([account('b'), account('c'), account('a')], 'raw', 'west', key);
        assert.ok(after === before || after === 'c');
      }),
    );
  });

  it('fills the template, by measurement or by day and vehicle', () => {
    const standard = '{region}/{zone}/{measurementId}/{dataStreamId}/{yyyy}/{mm}/{dd}';
    assert.equal(folderOf(standard, FACTS), 'west/raw/m-1/d-1/2026/03/04/');
    const byVehicle = '{zone}/{yyyy}/{mm}/{dd}/{vin}/{measurementId}/{dataStreamId}';
    assert.equal(folderOf(byVehicle, FACTS), 'raw/2026/03/04/VIN1/m-1/d-1/');
  });

  it('lets no vehicle number break out of its folder', () => {
    const template = '{vin}/{measurementId}/{dataStreamId}';
    assert.equal(folderOf(template, { ...FACTS, vin: '../../x' }), '.._.._x/m-1/d-1/');
    assert.equal(folderOf(template, { ...FACTS, vin: '..' }), '_/m-1/d-1/');
  });

  it('refuses a template in which data streams would share a folder, or with unknown words', () => {
    assert.match(folderTemplateProblem('{zone}/{measurementId}') ?? '', /must contain \{dataStreamId\}/);
    assert.match(
      folderTemplateProblem('{measurementId}/{dataStreamId}/{car}') ?? '',
      /contains \{car\}; it may contain/,
    );
    assert.equal(folderTemplateProblem('{measurementId}/{dataStreamId}'), undefined);
  });
});
