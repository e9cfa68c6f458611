import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';

/** Specs of how files are read; each proves something that somebody would look for in the table. */
const PROOFS = ['test/formats/**/*.spec.ts', 'test/conformance/{mdf4,rosbag,tdms}/*.spec.ts'];

describe('docs/formats.md', () => {
  const text = readFileSync('docs/formats.md', 'utf8');
  const named = new Set([...text.matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1]!));

  it('names no spec that is not there', () => {
    assert.ok(named.size > 20);
    for (const path of named) assert.ok(existsSync(path), `docs/formats.md names ${path}`);
  });

  it('names every spec of a format', () => {
    const proofs = globSync(PROOFS).map((path) => path.replaceAll('\\', '/'));
    assert.ok(proofs.length > 20);
    assert.deepEqual(
      proofs.filter((path) => !named.has(path)),
      [],
    );
  });

  it('says of every feature whether it is read and how that is checked', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('| ') && !/^\| (-|feature )/.test(line));
    assert.ok(rows.length > 40);
    for (const row of rows) {
      const cells = row.split('|').map((cell) => cell.trim());
      assert.equal(cells.length, 5, row);
      assert.ok(cells[2] !== '' && /`test\/|^none/.test(cells[3]!), row);
    }
  });
});
