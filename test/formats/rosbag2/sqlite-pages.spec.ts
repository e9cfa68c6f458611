import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { byteSourceOf } from '#formats/byte-source.ts';
import { SqlitePages } from '#formats/rosbag2/sqlite-pages.ts';

type Value = bigint | string | Uint8Array | null;

const integers = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 127n, -128n, 128n, -129n, 32_767n, -32_768n, 2n ** 23n, -(2n ** 23n) - 1n),
  fc.constantFrom(2n ** 31n, -(2n ** 31n), 2n ** 47n, -(2n ** 47n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
/** Short, about as long as a page, and over many pages. */
const blobs = fc
  .oneof(fc.nat(40), fc.integer({ min: 440, max: 520 }), fc.integer({ min: 4000, max: 4100 }), fc.nat(20_000))
  .map((length) => Uint8Array.from({ length }, (_, at) => at * 7));
const values = fc.oneof(integers, fc.string(), blobs, fc.constant(null));
const tables = fc.record({
  pageSizeBytes: fc.constantFrom(512, 4096, 65_536),
  rows: fc.array(fc.tuple(values, values, values), { maxLength: 40 }),
});

describe('rows of an SQLite database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-sqlite-pages-'));
  after(() => rmSync(folder, { recursive: true }));

  function databaseOf(pageSizeBytes: number, rows: readonly (readonly Value[])[]): Buffer {
    const path = join(folder, 'some.db');
    rmSync(path, { force: true });
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = ${pageSizeBytes}; CREATE TABLE some(a, b, c)`);
    const insert = database.prepare('INSERT INTO some VALUES (?, ?, ?)');
    for (const [a = null, b = null, c = null] of rows) insert.run(a, b, c);
    database.close();
    return readFileSync(path);
  }

  /** The table is the database's only one, so its tree begins on the second page. */
  async function rowsOf(bytes: Uint8Array): Promise<{ rowId: number; values: unknown[] }[]> {
    const pages = await SqlitePages.open(byteSourceOf(bytes));
    assert.ok(pages);
    const rows = await Array.fromAsync(pages.rows(2, (what) => assert.fail(what)));
    return rows.map(({ rowId, values: read }) => ({ rowId, values: read.map(comparable) }));
  }

  it('are what SQLite itself was given: integers of every length, texts, blobs over many pages', async () => {
    await fc.assert(
      fc.asyncProperty(tables, async ({ pageSizeBytes, rows }) => {
        const expected = rows.map((row, index) => ({ rowId: index + 1, values: row.map(comparable) }));
        assert.deepEqual(await rowsOf(databaseOf(pageSizeBytes, rows)), expected);
      }),
      { numRuns: 60 },
    );
  });

  it('come with a negative or a huge row id as well', async () => {
    const path = join(folder, 'ids.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE some(a INTEGER PRIMARY KEY, b)');
    const insert = database.prepare('INSERT INTO some VALUES (?, 7)');
    const rowIds = [-(2 ** 62), -3, 5, 2 ** 40, 2 ** 62];
    for (const rowId of rowIds) insert.run(BigInt(rowId));
    database.close();
    const rows = await rowsOf(readFileSync(path));
    assert.deepEqual(
      rows.map(({ rowId }) => rowId),
      rowIds,
    );
  });
});

/** Small integers are numbers and larger ones bigints; both are the same value. */
function comparable(value: Value | number): unknown {
  return typeof value === 'number' ? BigInt(value) : value instanceof Uint8Array ? Buffer.from(value) : value;
}
