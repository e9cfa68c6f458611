// The tables of docs/infrastructure/cost.md, between `<!-- table: name -->` and `<!-- end -->`.
import {
  type CostInputs,
  type Costs,
  costsPerTerabyte,
  storagePerMonth,
  sumOf,
  twelfthMonth,
} from './cost-model.ts';

/** The document with its tables made anew. @throws {Error} naming a table that the document asks for in vain. */
export function withCostTables(document: string, inputs: CostInputs): string {
  const tables: Readonly<Record<string, () => string>> = {
    prices: () => pricesTable(inputs),
    quantities: () =>
      table(
        ['quantity', 'value'],
        Object.entries(inputs.quantities).map(([name, value]) => [name, String(value)]),
      ),
    'per-terabyte': () => perTerabyte(inputs),
    storage: () => storageTable(inputs),
    'per-month': () => perMonth(inputs),
  };
  return document.replaceAll(
    /(<!-- table: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin, name, end) => {
      const make = tables[name];
      if (make === undefined)
        throw new Error(`docs/infrastructure/cost.md asks for the table ${name}; there is none.`);
      return `${begin}\n${make()}\n${end}`;
    },
  );
}

function pricesTable({ prices, currency }: CostInputs): string {
  return table(
    ['price', currency, 'per', 'meter', 'source'],
    Object.entries(prices).map(([name, { amount, unit, meter, source }]) => [
      name,
      String(amount),
      unit,
      meter,
      source,
    ]),
  );
}

function perTerabyte(inputs: CostInputs): string {
  const costs = costsPerTerabyte(inputs);
  const perMeasurement = inputs.quantities.gigabytesPerMeasurement / 1000;
  const row = (item: string, amount: number) => [item, money(amount), money(amount * perMeasurement)];
  return table(
    [
      `once, in ${inputs.currency}`,
      'per TB',
      `per measurement of ${inputs.quantities.gigabytesPerMeasurement} GB`,
    ],
    [...Object.entries(costs).map(([item, amount]) => row(item, amount)), row('**sum**', sumOf(costs))],
  );
}

function storageTable(inputs: CostInputs): string {
  const ages = [0, 1, 2, 3, 6];
  const costs = ages.map((age) => storagePerMonth(inputs, age));
  return table(
    [
      `per TB landed and month, in ${inputs.currency}`,
      ...ages.map((age) => (age === 0 ? 'first month' : `after ${age}`)),
    ],
    withSum(costs),
  );
}

function perMonth(inputs: CostInputs): string {
  const costs = inputs.scales.map((scale) => twelfthMonth(inputs, scale));
  return table(
    [`the twelfth month, in ${inputs.currency}`, ...inputs.scales.map(({ name }) => name)],
    withSum(costs),
  );
}

function withSum(costs: readonly Costs[]): readonly (readonly string[])[] {
  const items = Object.keys(costs[0] ?? {});
  return [
    ...items.map((item) => [item, ...costs.map((cost) => money(cost[item] ?? 0))]),
    ['**sum**', ...costs.map((cost) => money(sumOf(cost)))],
  ];
}

/** Two figures behind the point below a hundred, none above. */
function money(amount: number): string {
  const digits = amount < 100 ? 2 : 0;
  return amount.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** In the layout that the formatter would give it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(3, name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n');
}
