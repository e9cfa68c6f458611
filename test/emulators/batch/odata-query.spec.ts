import assert from 'node:assert/strict';
import { listPage, parseFilter } from '#emulators/batch/odata-query.ts';

const task = {
  id: "m1-o'clock",
  state: 'completed',
  creationTime: '2026-03-01T10:00:00.000Z',
  executionInfo: { exitCode: 3 },
};

describe('filters of Batch lists', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ["startswith(id,'m1-')", true],
    ["startswith(id, 'm2-')", false],
    ["id eq 'm1-o''clock'", true],
    ["state eq 'completed' and executionInfo/exitCode ne 0", true],
    ["state eq 'active' or (executionInfo/exitCode eq 3 and startswith(id,'m1'))", true],
    ["state eq 'active' or executionInfo/exitCode lt 3", false],
    ["creationTime gt DateTime'2026-02-28T00:00:00.000Z'", true],
    ["creationTime gt datetime'2026-03-01T10:00:00.000Z'", false],
    ['executionInfo/exitCode ge 3', true],
    ["nodeInfo/nodeId eq 'x'", false],
  ];
  for (const [filter, expected] of cases)
    it(`${filter} is ${expected}`, () => assert.equal(parseFilter(filter)(task), expected));

  it('are refused when they cannot be understood', () => {
    for (const filter of ["state eq 'a' and", "state like 'a'", "(state eq 'a'", "startswith(id 'a')", '#'])
      assert.throws(() => parseFilter(filter), { code: 'InvalidQueryParameterValue' }, filter);
  });
});

describe('pages of Batch lists', () => {
  it('give every document once, whatever the size of the page', () => {
    const documents = Array.from({ length: 10 }, (_, n) => ({ id: `t${n}`, even: n % 2 === 0 }));
    for (const size of [1, 2, 3, 5, 100]) {
      const found: object[] = [];
      let url: string | undefined = `http://127.0.0.1/x?$filter=even eq true&$select=id&maxresults=${size}`;
      while (url !== undefined) {
        const page = listPage(documents, new URL(url));
        assert.ok(page.value.length <= size);
        found.push(...page.value);
        url = page.nextLink;
      }
      assert.deepEqual(
        found,
        [0, 2, 4, 6, 8].map((n) => ({ id: `t${n}` })),
      );
    }
  });
});
