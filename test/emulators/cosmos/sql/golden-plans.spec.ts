// What Microsoft's own planner answered to 103 queries: our grammar accepts and refuses the same, and plans the same.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { compileQuery } from '#emulators/cosmos/sql/execute.ts';
import { planQuery, type QueryInfo } from '#emulators/cosmos/sql/query-plan.ts';
import { QueryRefusal } from '#emulators/cosmos/sql/refusal.ts';

interface Recorded {
  readonly query: string;
  readonly plan: { readonly queryInfo: QueryInfo } | null;
  readonly error: string | null;
}

const candidates = ['../shared/spikes/cosmos-golden', '../../shared/spikes/cosmos-golden'];
const folder = candidates.map((path) => resolve(path)).find((path) => existsSync(path));

describe("the service's own planner, recorded", () => {
  const recordings = ['plans-checks.jsonl', 'syntax-probes.jsonl'].flatMap((file) =>
    folder === undefined ? [] : readRecording(`${folder}/${file}`),
  );

  before(function () {
    if (recordings.length === 0) {
      console.log(`      The recorded plans are not at ${candidates[0]}; this spec needs them.`);
      this.skip();
    }
  });

  it('refuses what it refused, with the same code and place', () => {
    const refused = recordings.filter((recorded) => recorded.error !== null);
    assert.ok(refused.length > 15);
    for (const { query, error } of refused) {
      assert.throws(
        () => plan(query),
        (thrown) => {
          assert.ok(thrown instanceof QueryRefusal, `${query}: ${thrown}`);
          assert.deepEqual(JSON.parse(thrown.toJsonText()), JSON.parse(error ?? ''), query);
          return true;
        },
      );
    }
  });

  it('plans what it planned, to the letter', () => {
    const planned = recordings.filter((recorded) => recorded.plan !== null);
    assert.ok(planned.length > 70);
    for (const recorded of planned) {
      assert.deepEqual(plan(recorded.query), recorded.plan?.queryInfo, recorded.query);
    }
  });
});

function plan(text: string): QueryInfo {
  // The recording has a user-defined function, which only a container can resolve.
  const query = compileQuery(text.replace('udf.f(c)', 'LOWER(c)')).query;
  const partitionKeyPaths = text.includes('"user"') ? ['/tenant', '/user', '/s'] : ['/tenant'];
  return planQuery(query, { parameters: new Map(), partitionKeyPaths });
}

function readRecording(path: string): Recorded[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Recorded);
}
