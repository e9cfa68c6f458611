import assert from 'node:assert/strict';
import fc from 'fast-check';
import { firstObjectsOf } from '#handlers/operations/first-objects.ts';

describe('the first objects of a list in a document that was cut off', () => {
  const files = Array.from({ length: 50 }, (_, index) => ({
    path: `a "b" \\ {[}] ${index}`,
    table: { columns: [{ name: 'x' }] },
  }));
  const document = JSON.stringify({ schemaVersion: 1, parents: ['p'], files, loss: { lost: [] } }, null, 2);

  it('are all of them in a whole document, and no more than were asked for', () => {
    assert.deepEqual(firstObjectsOf(document, 'files', 1000), files);
    assert.deepEqual(firstObjectsOf(document, 'files', 7), files.slice(0, 7));
    assert.deepEqual(firstObjectsOf(document, 'frames', 7), []);
  });

  it('are whole, wherever it was cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: document.length }), (length) => {
        const found = firstObjectsOf(document.slice(0, length), 'files', 1000);
        assert.deepEqual(found, files.slice(0, found.length));
      }),
    );
    assert.ok(firstObjectsOf(document.slice(0, document.length / 2), 'files', 1000).length > 20);
  });
});
