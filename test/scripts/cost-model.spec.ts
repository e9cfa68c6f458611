import assert from 'node:assert/strict';
import {
  costsPerTerabyte,
  fixedPerMonth,
  metadataStorePerMonth,
  readCostInputs,
  storagePerMonth,
  sumOf,
  twelfthMonth,
} from '../../scripts/cost-model.ts';
import { withCostTables } from '../../scripts/cost-tables.ts';

describe('the cost model', () => {
  const inputs = readCostInputs();
  const [small, , large] = inputs.scales;
  const near = (actual: number | undefined, expected: number) =>
    assert.ok(
      Math.abs((actual ?? Number.NaN) - expected) < expected * 1e-9 + 1e-9,
      `${actual} instead of ${expected}`,
    );

  it('says of every price what it is for, and where it comes from', () => {
    for (const [name, { amount, unit, meter, source }] of Object.entries(inputs.prices)) {
      assert.ok(amount > 0 && unit !== '' && meter !== '', name);
      assert.match(source, /API|price page/, name);
    }
    assert.match(inputs.recorded, /^\d{4}-\d\d$/);
  });

  it('follows from its inputs: core hours over cores and use, bytes over endpoints', () => {
    const { node, privateTraffic } = inputs.prices;
    const costs = costsPerTerabyte(inputs);
    near(costs['Batch nodes'], (14 / 8 / 0.7) * (node?.amount ?? 0));
    near(costs['private endpoints, bytes'], 5 * 1000 * (privateTraffic?.amount ?? 0));
  });

  it('moves what is stored through the tiers as the lifecycle rules do', () => {
    const raw = (age: number) => storagePerMonth(inputs, age)['raw'];
    const price = (name: string) => 1000 * (inputs.prices[name]?.amount ?? 0);
    for (const [age, name] of [
      [0, 'storageHotZrs'],
      [1, 'storageCoolZrs'],
      [2, 'storageCoolZrs'],
      [3, 'storageColdZrs'],
      [11, 'storageColdZrs'],
    ] as const)
      near(raw(age), price(name));
  });

  it('grows with what lands, and only that part does', () => {
    const month = twelfthMonth(inputs, { ...small!, terabytesPerDay: 2 });
    const half = twelfthMonth(inputs, small!);
    near(month['stored: raw'], 2 * (half['stored: raw'] ?? 0));
    near(month['Batch nodes'], 2 * (half['Batch nodes'] ?? 0));
    near(month['Service Bus'], half['Service Bus'] ?? 0);
    near(
      sumOf(fixedPerMonth(inputs, small!)),
      sumOf(fixedPerMonth(inputs, { ...small!, terabytesPerDay: 2 })),
    );
  });

  it('charges the metadata store its minimum when little happens, and three times the average when much does', () => {
    const hours = (requestUnits: number) => (requestUnits / 100) * 730 * 0.012 * 1.25;
    near(metadataStorePerMonth(inputs, small!), hours(1000));
    near(metadataStorePerMonth(inputs, large!), 2 * hours((3 * 20_000 * 20_000) / 86_400));
  });

  it('refuses a table that nobody makes, and puts the others in place', () => {
    const page = (name: string) => `a\n<!-- table: ${name} -->\nold\n<!-- end -->\nb`;
    assert.throws(() => withCostTables(page('nothing'), inputs), /asks for the table nothing/);
    const made = withCostTables(page('per-month'), inputs);
    assert.doesNotMatch(made, /old/);
    assert.match(made, /\| \*\*sum\*\* /);
    assert.equal(withCostTables(made, inputs), made, 'making them again changes nothing');
  });
});
