// By the examples and remarks of "Subscription Rule SQL Filter Syntax".
import assert from 'node:assert/strict';
import { compileSqlFilter } from '#emulators/service-bus/sql-filter.ts';

const SUBJECT = {
  system: { label: 'landfall.copy.v1', messageid: 'm-1', subject: 'landfall.copy.v1' },
  user: {
    color: 'red',
    size: 20,
    urgent: true,
    'odd name': 'x',
    ratio: 1.5,
    Stage: 'copy',
    quoted: "it's",
    percent: '50%',
  },
};

function matches(expression: string, parameters: Record<string, unknown> = {}): boolean {
  const compiled = compileSqlFilter(expression, parameters);
  if ('fault' in compiled) throw new Error(compiled.fault);
  return compiled.matches(SUBJECT);
}

describe('Service Bus: SQL filters', () => {
  const selected = [
    '1=1',
    "color = 'red'",
    "user.color = 'red' AND sys.Label LIKE 'landfall.%'",
    "color <> 'blue' and color != 'green'",
    'size > 10 AND size <= 20 AND NOT (size = 19)',
    'size IN (1, 20)',
    "color NOT IN ('blue', 'green')",
    "color LIKE 'r_d' AND color NOT LIKE 'b%'",
    "percent LIKE '50!%' ESCAPE '!'",
    'EXISTS(urgent) AND NOT EXISTS(missing)',
    'missing IS NULL AND color IS NOT NULL',
    'urgent = TRUE AND urgent',
    'size * 2 + 1 = 41 AND size / 8 > 2 AND size % 7 = 6 AND -size < 0',
    "[odd name] = 'x' AND \"odd name\" = 'x'",
    "quoted = 'it''s'",
    "stage = 'copy'",
    "property('color') = 'red' AND p('size') = 20",
    "sys.Subject = 'landfall.copy.v1' AND sys.MessageId = 'm-1'",
    "color = 'blue' OR color = 'green' OR size = 20",
    "color = 'red' OR missing = 1",
    '2 + 3 * 4 = 14 AND (2 + 3) * 4 = 20',
  ];
  for (const expression of selected) {
    it(`selects by ${expression}`, () => assert.equal(matches(expression), true));
  }

  const unselected = [
    '1=0',
    "color = 'Red'",
    "missing = 'red'",
    "missing <> 'red'",
    "NOT (missing = 'red')",
    "missing LIKE '%'",
    'missing IN (1, 2)',
    'missing NOT IN (1, 2)',
    "size = '20'",
    "color = 'red' AND missing = 1",
    "color LIKE 're'",
    "percent LIKE '5!%' ESCAPE '!'",
    'color',
    "size > 'a'",
  ];
  for (const expression of unselected) {
    it(`does not select by ${expression}`, () => assert.equal(matches(expression), false));
  }

  it('takes values from parameters', () => {
    assert.equal(matches('size > @limit', { '@limit': 19 }), true);
    assert.equal(matches('size > @limit', { '@limit': 20 }), false);
  });

  const unreadable = [
    ['', 'expected a value'],
    ['a = = 1', 'position 4: expected a property name'],
    ["color = 'red", 'is no value, name or operator'],
    ['color = 1 color', 'expected the end'],
    ['sys.Nonsense = 1', "no system property 'sys.Nonsense'"],
    ['order.color = 1', "'order' is no scope"],
    ['size IN ()', 'expected a property name'],
    ['(size = 1', 'expected ")" at its end'],
    ['size NOT 5', 'expected LIKE or IN'],
    ["a LIKE 'x' ESCAPE 'ab'", 'one quoted character'],
    [`${'('.repeat(100)}1=1${')'.repeat(100)}`, 'nested deeper'],
  ] as const;
  for (const [expression, fault] of unreadable) {
    it(`says what is wrong with ${expression.slice(0, 30) || 'nothing at all'}`, () => {
      const compiled = compileSqlFilter(expression);
      assert.ok('fault' in compiled && compiled.fault.includes(fault), JSON.stringify(compiled));
    });
  }
});
