import assert from 'node:assert/strict';
import type { Json, JsonObject } from '#emulators/cosmos/json.ts';
import { patched } from '#emulators/cosmos/patch.ts';
import { CosmosRefusal } from '#emulators/cosmos/refusal.ts';

const DOCUMENT: JsonObject = {
  id: 'a',
  n: 1,
  tags: ['x', 'y'],
  nested: { state: 'Running' },
  'odd/name~': 1,
};
const apply = (patch: Json) => patched(DOCUMENT, patch, 0);

/** `status/substatus` of the refusal. */
function refusalOf(patch: Json): string {
  try {
    apply(patch);
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof CosmosRefusal, String(error));
    return error.substatus === 0 ? String(error.status) : `${error.status}/${error.substatus}`;
  }
}

describe('partial document update', () => {
  const changes: [string, Json, (document: JsonObject) => Json | undefined, Json | undefined][] = [
    ['set adds a property', [{ op: 'set', path: '/new', value: 1 }], (d) => d['new'], 1],
    ['set overwrites a property', [{ op: 'set', path: '/n', value: null }], (d) => d['n'], null],
    [
      'set overwrites an array element',
      [{ op: 'set', path: '/tags/0', value: 'z' }],
      (d) => d['tags'],
      ['z', 'y'],
    ],
    [
      'add inserts before an element',
      [{ op: 'add', path: '/tags/1', value: 'z' }],
      (d) => d['tags'],
      ['x', 'z', 'y'],
    ],
    ['add appends with -', [{ op: 'add', path: '/tags/-', value: 'z' }], (d) => d['tags'], ['x', 'y', 'z']],
    [
      'add appends at the end',
      [{ op: 'add', path: '/tags/2', value: 'z' }],
      (d) => d['tags'],
      ['x', 'y', 'z'],
    ],
    [
      'replace needs what it replaces',
      [{ op: 'replace', path: '/nested/state', value: 'Shared' }],
      (d) => d['nested'],
      { state: 'Shared' },
    ],
    ['remove takes a property away', [{ op: 'remove', path: '/nested' }], (d) => d['nested'], undefined],
    ['remove takes an element away', [{ op: 'remove', path: '/tags/0' }], (d) => d['tags'], ['y']],
    ['incr adds to a number', [{ op: 'incr', path: '/n', value: -2.5 }], (d) => d['n'], -1.5],
    ['incr begins a number', [{ op: 'incr', path: '/count', value: 3 }], (d) => d['count'], 3],
    [
      'move renames',
      [{ op: 'move', from: '/n', path: '/nested/m' }],
      (d) => d['nested'],
      { state: 'Running', m: 1 },
    ],
    ['pointers are unescaped', [{ op: 'set', path: '/odd~1name~0', value: 2 }], (d) => d['odd/name~'], 2],
    [
      'a condition that holds',
      {
        condition: "from c where c.nested.state = 'Running'",
        operations: [{ op: 'set', path: '/n', value: 7 }],
      },
      (d) => d['n'],
      7,
    ],
  ];
  for (const [name, patch, look, expected] of changes) {
    it(name, () => {
      assert.deepEqual(look(apply(patch)), expected);
    });
  }

  it('applies operations in order and leaves the original alone', () => {
    const result = apply([
      { op: 'set', path: '/a', value: {} },
      { op: 'set', path: '/a/b', value: 1 },
      { op: 'incr', path: '/a/b', value: 1 },
    ]);
    assert.deepEqual(result['a'], { b: 2 });
    assert.equal('a' in DOCUMENT, false);
  });

  const refusals: [string, Json, string][] = [
    [
      'a condition that does not hold',
      { condition: 'FROM c WHERE c.n > 1', operations: [{ op: 'set', path: '/n', value: 2 }] },
      '412/1110',
    ],
    ['replacing what is not there', [{ op: 'replace', path: '/absent', value: 1 }], '400'],
    ['removing what is not there', [{ op: 'remove', path: '/absent' }], '400'],
    ['incrementing a text', [{ op: 'incr', path: '/nested/state', value: 1 }], '400'],
    ['a path through nothing', [{ op: 'set', path: '/absent/deep', value: 1 }], '400'],
    ['an index beyond the end', [{ op: 'add', path: '/tags/3', value: 1 }], '400'],
    ['moving into itself', [{ op: 'move', from: '/nested', path: '/nested/inner' }], '400'],
    ['the id', [{ op: 'set', path: '/id', value: 'b' }], '400'],
    ['an unknown operation', [{ op: 'copy', path: '/n', value: 1 }], '400'],
    ['set without a value', [{ op: 'set', path: '/n' }], '400'],
    ['no operation', [], '400'],
    [
      'more than ten operations',
      Array.from({ length: 11 }, () => ({ op: 'incr', path: '/n', value: 1 })),
      '400',
    ],
  ];
  for (const [name, patch, status] of refusals) {
    it(`refuses ${name}`, () => {
      assert.equal(refusalOf(patch), status);
    });
  }
});
