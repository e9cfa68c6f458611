import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileQuery } from '#emulators/cosmos/sql/execute.ts';
import { checkQuery, planQuery } from '#emulators/cosmos/sql/query-plan.ts';
import { QueryRefusal } from '#emulators/cosmos/sql/refusal.ts';

/** `code@start` of the refusal, or `accepted`. */
function verdictOn(text: string): string {
  try {
    checkQuery(compileQuery(text).query);
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof QueryRefusal, String(error));
    const { code, location } = error.detail;
    return location === undefined ? String(code) : `${code}@${location.start}`;
  }
}

describe('the grammar of the query language', () => {
  const verdicts: [string, string][] = [
    ['SELECT * FROM c WHERE c.state = 1 AND c.n BETWEEN 1 AND 2', 'SC1001@42'],
    ['SELECT * FROM c WHERE c.n BETWEEN 1 AND 2 AND c.state = 1', 'SC1001@42'],
    ['SELECT * FROM c WHERE c.state = 1 AND (c.n BETWEEN 1 AND 2)', 'accepted'],
    ['SELECT * FROM c WHERE (c.n = 1 OR c.m = 2) AND c.k IN (1, 2)', 'accepted'],
    ['SELECT c.order FROM c', 'SC1001@9'],
    ['SELECT c["order"] FROM c', 'accepted'],
    ['SELECT c.id AS value FROM c', 'SC1001@15'],
    ["SELECT * FROM c WHERE c.a = 'it''s'", 'SC1001@32'],
    ["SELECT * FROM c WHERE c.a = 'it\\'s'", 'accepted'],
    ['SELECT * FROM c LIMIT 5', 'SC1001@16'],
    ['SELECT * FROM c OFFSET 5', 'SC1002@24'],
    ['SELECT COUNT(*) FROM c', 'SC1001@13'],
    ['SELECT * FROM c WHERE c.a IS NULL', 'SC1001@26'],
    ['SELECT * FROM c, c.tags', 'SC1001@15'],
    ['SELECT * FROM c JOIN t IN c.tags', 'SC2042@7'],
    ['SELECT * FROM c WHERE d.a = 1', 'SC2001@22'],
    ['SELECT * FROM c WHERE SOUNDEX(c.a) = 1', 'SC2005@22'],
    ['SELECT c.id, COUNT(1) FROM c', 'SC2102@7'],
    ['SELECT * FROM c ORDER BY LOWER(c.a)', '2206'],
    ['SELECT * FROM c WHERE c.a = #', 'SC1010@28'],
    ['SELECT * FROM c -- and a comment', 'accepted'],
    ['', 'SC1002@0'],
  ];
  for (const [text, verdict] of verdicts) {
    it(`${verdict === 'accepted' ? 'accepts' : 'refuses'} ${text === '' ? 'nothing at all' : text}`, () => {
      assert.equal(verdictOn(text), verdict);
    });
  }

  it('answers any text with a query or a refusal, and never with a crash', () => {
    const words = [
      'SELECT',
      'VALUE',
      '*',
      'FROM',
      'c',
      'JOIN',
      'IN',
      'WHERE',
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      ',',
      '.',
    ];
    const more = [
      "'x'",
      '1',
      'AND',
      'NOT',
      'BETWEEN',
      'LIKE',
      'ORDER',
      'BY',
      'TOP',
      'COUNT',
      '@p',
      '=',
      '?',
      ':',
      '-',
    ];
    const soup = fc.array(fc.constantFrom(...words, ...more), { maxLength: 14 });
    const text = fc.oneof(
      soup.map((tokens) => `SELECT ${tokens.join(' ')}`),
      fc.string().map((rest) => `SELECT * FROM c WHERE ${rest}`),
    );
    fc.assert(
      fc.property(text, (query) => typeof verdictOn(query) === 'string'),
      { numRuns: 2000 },
    );
  });

  it('refuses what is nested so deeply that nobody can walk it', () => {
    for (const [open, close] of [
      ['(', ')'],
      ['[', ']'],
      ['~', ''],
      ['{"a": ', '}'],
    ] as const) {
      const text = `SELECT VALUE ${open.repeat(50_000)}1${close.repeat(50_000)} FROM c`;
      assert.match(verdictOn(text), /^SC3002/, open);
    }
    const table = `${'(SELECT * FROM '.repeat(20_000)}c${')'.repeat(20_000)}`;
    assert.match(verdictOn(`SELECT * FROM ${table}`), /^SC3/);
    assert.match(verdictOn(`SELECT c${'.a'.repeat(50_000)} FROM c`), /^SC3002/);
    const chain = (length: number) => `SELECT * FROM c WHERE c.n = 0${' OR c.n = 1'.repeat(length)}`;
    assert.equal(verdictOn(chain(1999)), 'accepted');
    assert.match(verdictOn(chain(40_000)), /^SC3002/);
    assert.equal(verdictOn(`SELECT * FROM c WHERE c.n IN (${'1, '.repeat(20_000)}2)`), 'accepted');
    assert.match(verdictOn(`SELECT * FROM c WHERE c.n = '${'x'.repeat(600_000)}'`), /^SC3001/);
  });

  it('binds NOT as tightly as a sign, as the service does', () => {
    const matches = (condition: string) => {
      const query = compileQuery(`SELECT VALUE 1 FROM c WHERE ${condition}`);
      const input = { parameters: new Map(), nowMs: 0 };
      return [...query.run([{ number: 1, document: { a: 1, b: false } }], input)].length > 0;
    };
    assert.equal(matches('NOT c.a = 2'), false);
    assert.equal(matches('NOT (c.a = 2)'), true);
    assert.equal(matches('NOT c.b'), true);
    assert.equal(matches('NOT c.b AND c.a = 1'), true);
  });
});

describe('query plans', () => {
  const plan = (text: string) =>
    planQuery(compileQuery(text).query, { parameters: new Map([['@n', 3]]), partitionKeyPaths: ['/tenant'] });

  it('has clients merge sorted pages by the values they are sorted by', () => {
    const { orderBy, orderByExpressions, rewrittenQuery } = plan(
      'SELECT c.id FROM c WHERE c.n < 9 ORDER BY c.g DESC',
    );
    assert.deepEqual([orderBy, orderByExpressions], [['Descending'], ['c.g']]);
    assert.equal(
      rewrittenQuery,
      'SELECT c._rid, [{"item": c.g}] AS orderByItems, {"id": c.id} AS payload\nFROM c\nWHERE ((c.n < 9) AND ({documentdb-formattableorderbyquery-filter}))\nORDER BY c.g DESC',
    );
  });

  it('has every partition give the rows up to the end of the window', () => {
    const { offset, limit, rewrittenQuery } = plan('SELECT * FROM c OFFSET @n LIMIT 4');
    assert.deepEqual([offset, limit], [3, 4]);
    assert.equal(rewrittenQuery, 'SELECT *\nFROM c\nOFFSET 0 LIMIT 7');
  });

  it('has averages merged from sums and counts', () => {
    const { aggregates, rewrittenQuery } = plan('SELECT VALUE AVG(c.n) FROM c');
    assert.deepEqual(aggregates, ['Average']);
    assert.equal(rewrittenQuery, 'SELECT VALUE [{"item": {"sum": SUM(c.n), "count": COUNT(c.n)}}]\nFROM c');
  });

  it('leaves nothing to merge when WHERE pins the partition key', () => {
    assert.deepEqual(plan("SELECT * FROM c WHERE c.tenant = 't' AND c.n > 1 ORDER BY c.n").orderBy, []);
    assert.deepEqual(plan("SELECT * FROM c WHERE c.tenant = 't' OR c.n > 1 ORDER BY c.n").orderBy, [
      'Ascending',
    ]);
  });

  it('wants whole numbers for TOP, OFFSET and LIMIT', () => {
    for (const text of [
      'SELECT TOP 1.5 * FROM c',
      'SELECT TOP @unknown * FROM c',
      'SELECT * FROM c OFFSET 0 LIMIT @unknown',
    ]) {
      assert.throws(() => plan(text), QueryRefusal);
    }
  });
});
