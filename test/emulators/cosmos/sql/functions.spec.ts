import assert from 'node:assert/strict';
import type { Json } from '#emulators/cosmos/json.ts';
import { compileQuery } from '#emulators/cosmos/sql/execute.ts';

const DOCUMENT: Json = {
  s: 'Test',
  n: -2.5,
  b: true,
  z: null,
  a: [1, 2, 3],
  o: { k: 1, m: 2 },
  t: '2026-01-01T00:00:00Z',
};

/** The value of an expression over the document; undefined when the row has none. */
function valueOfExpression(expression: string): Json | undefined {
  const query = compileQuery(`SELECT VALUE ${expression} FROM c`);
  const rows = query.run([{ number: 1, document: DOCUMENT }], { parameters: new Map(), nowMs: 1_000 });
  return [...rows][0]?.value;
}

describe('values of the query language', () => {
  const values: [string, Json | undefined][] = [
    ["UPPER(c.s) || LOWER('X')", 'TESTx'],
    ["CONTAINS(c.s, 'ES')", false],
    ["CONTAINS(c.s, 'ES', true)", true],
    ["STARTSWITH(c.s, 'Te') AND ENDSWITH(c.s, 't')", true],
    ["INDEX_OF(c.s, 's')", 2],
    ['SUBSTRING(c.s, 1, 2)', 'es'],
    ['RIGHT(c.s, 2)', 'st'],
    ["REPLACE(c.s, 'Te', 'B')", 'Bst'],
    ["CONCAT(c.s, '-', 'x')", 'Test-x'],
    ["REGEXMATCH(c.s, '^t', 'i')", true],
    ['LENGTH(c.n)', undefined],
    ['ABS(c.n)', 2.5],
    ['ROUND(c.n)', -3],
    ['FLOOR(c.n) + CEILING(c.n)', -5],
    ['POWER(2, 10)', 1024],
    ['c.n / 0', undefined],
    ['7 % 4', 3],
    ['5 & 3 | 8', 9],
    ['-c.n', 2.5],
    ['ARRAY_LENGTH(c.a)', 3],
    ['ARRAY_SLICE(c.a, 1)', [2, 3]],
    ['ARRAY_SLICE(c.a, -2, 1)', [2]],
    ['ARRAY_CONCAT(c.a, [4])', [1, 2, 3, 4]],
    ['ARRAY_CONTAINS_ANY(c.a, [9, 3])', true],
    ['ARRAY_CONTAINS_ALL(c.a, [1, 9])', false],
    ['SETINTERSECT(c.a, [3, 2])', [2, 3]],
    ['IS_DEFINED(c.nothing)', false],
    ['IS_NULL(c.z) AND IS_BOOL(c.b) AND IS_NUMBER(c.n) AND IS_OBJECT(c.o) AND IS_ARRAY(c.a)', true],
    ['IIF(c.n < 0, 1, 2)', 1],
    ['TOSTRING(c.o)', '{"k":1,"m":2}'],
    ["STRINGTONUMBER('12')", 12],
    ["STRINGTONUMBER('x')", undefined],
    ['DATETIMETOTIMESTAMP(c.t)', 1_767_225_600_000],
    ["DATETIMEADD('hh', 1, c.t)", '2026-01-01T01:00:00.0000000Z'],
    ["DATETIMEDIFF('second', c.t, '2026-01-01T00:01:00Z')", 60],
    ['GETCURRENTTIMESTAMP()', 1000],
    ['GETCURRENTDATETIME()', '1970-01-01T00:00:01.0000000Z'],
    ["c.s LIKE 'T[a-f]_t'", true],
    ["c.s LIKE 'T!%' ESCAPE '!'", false],
    ["c.s NOT LIKE '%x%'", true],
    ['c.n NOT IN (1, -2.5)', false],
    ['c.o = {"m": 2, "k": 1}', true],
    ['c.a != [1, 2]', true],
    ['c.s > 1', undefined],
    ['c.nothing = c.nothing', undefined],
    ['c.z = null', true],
    ['c.nothing OR true', true],
    ['c.nothing AND false', false],
    ['[c.nothing, 1]', [1]],
    ['{"a": c.nothing, b: 1}', { b: 1 }],
    ['c.a[1]', 2],
    ['c.o["k"]', 1],
    ['c.s.length', undefined],
    ['c.z ?? 1', null],
    ["'\\u00e9\\n\"'", 'é\n"'],
  ];
  for (const [expression, expected] of values) {
    it(`${expression} is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(valueOfExpression(expression), expected);
    });
  }
});
