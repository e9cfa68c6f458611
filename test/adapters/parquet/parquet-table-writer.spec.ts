import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { ParquetTableReader } from '#adapters/parquet/parquet-table-reader.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import { textValues } from '#domain/column-values.ts';
import type { TableColumn, TableDefinition, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import {
  allRows,
  EVERY_TYPE,
  EVERY_TYPE_ROWS,
  EVERY_TYPE_TABLE,
  tablesContract,
} from '#test/contract/tables.contract.ts';

function bytesOf(values: readonly Uint8Array[]): TableValues {
  const offsets = Uint32Array.from([0, ...values].map((_, index) => sumOf(values.slice(0, index))));
  return { kind: 'variable', offsets, bytes: new Uint8Array(Buffer.concat(values)) };
}

/** Of lists that are 0, 1 or 2 long. */
function sumOfLengths(rows: readonly number[]): number {
  return rows.reduce((sum, row) => sum + (row % 3), 0);
}

function sumOf(values: readonly Uint8Array[]): number {
  return values.reduce((sum, value) => sum + value.length, 0);
}

describe('a table in Parquet', () => {
  let folder: string;
  const writer = new ParquetTableWriter();
  const reader = new ParquetTableReader();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-parquet-'));
  });
  after(async () => {
    await writer.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  tablesContract('Parquet files', async () => ({ writer, reader, folder }));

  async function query(sql: string): Promise<Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
    const connection = await instance.connect();
    try {
      await connection.run("SET TimeZone = 'UTC'");
      return (await connection.runAndReadAll(sql)).getRowObjectsJson() as Record<string, unknown>[];
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  async function write(name: string, definition: TableDefinition, rows: readonly TableRows[]) {
    const table = await writer.open(join(folder, name), definition);
    for (const batch of rows) await table.append(batch);
    return table.close();
  }

  it('opens elsewhere with the right types: UTC microseconds, nanoseconds beside them, lists, unsigned numbers', async () => {
    const written = await write('types.parquet', EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS]);
    const types = await query(
      `SELECT column_name || ' ' || column_type AS t FROM (DESCRIBE SELECT * FROM '${written.localPath}')`,
    );
    assert.deepEqual(
      types.map((row) => row['t']),
      [
        'time TIMESTAMP WITH TIME ZONE',
        'flag BOOLEAN',
        'i8 TINYINT',
        'u8 UTINYINT',
        'i16 SMALLINT',
        'u16 USMALLINT',
        'i32 INTEGER',
        'u32 UINTEGER',
        'i64 BIGINT',
        'u64 UBIGINT',
        'f32 FLOAT',
        'speed DOUBLE',
        'waited BIGINT',
        'gear VARCHAR',
        'raw BLOB',
        'ranges FLOAT[]',
        'names VARCHAR[]',
        'stamps TIMESTAMP WITH TIME ZONE[]',
        'nested SMALLINT[][]',
        'time_ns BIGINT',
        'stamps_ns BIGINT[]',
      ].toSorted((a, b) => order(a) - order(b)),
    );
    const [time] = await query(
      `SELECT logical_type, converted_type FROM parquet_schema('${written.localPath}') WHERE name = 'time'`,
    );
    assert.match(String(time?.['logical_type']), /isAdjustedToUTC=1.*MICROS/);
    assert.deepEqual(
      await query(
        `SELECT time::VARCHAR AS t, time_ns, flag, u64, raw::VARCHAR AS raw, ranges, stamps_ns, nested FROM '${written.localPath}'`,
      ),
      [
        {
          t: '2018-08-02 16:14:48.123456+00',
          time_ns: '1533226488123456789',
          flag: true,
          u64: '0',
          raw: '\\x00\\xFF',
          ranges: [1, 2],
          stamps_ns: ['1999'],
          nested: [[1], [2, 3]],
        },
        {
          t: '1969-12-31 23:59:59.999999+00',
          time_ns: '-1',
          flag: false,
          u64: '1',
          raw: '',
          ranges: [],
          stamps_ns: [],
          nested: [],
        },
        {
          t: '1970-01-01 00:00:00+00',
          time_ns: '0',
          flag: true,
          u64: '18446744073709551615',
          raw: '\\x03'.repeat(99),
          ranges: [3, 4, 5],
          stamps_ns: ['-1001'],
          nested: [[4]],
        },
      ],
    );
  });

  /** A time's nanoseconds follow it. */
  function order(entry: string): number {
    const name = entry.split(' ')[0]!;
    const index = EVERY_TYPE.findIndex(({ column }) => column.name === name.replace(/_ns$/, ''));
    return index * 2 + (name.endsWith('_ns') ? 1 : 0);
  }

  it('keeps nulls where they were, over the borders of DuckDB chunks', async () => {
    const count = 5000;
    const validity = Uint8Array.from({ length: count }, (_, row) => (row % 3 === 0 ? 0 : 1));
    const values = Int32Array.from({ length: count }, (_, row) => row);
    const words = textValues(Array.from({ length: count }, (_, row) => `text number ${row}`));
    const { localPath } = await write(
      'nulls.parquet',
      {
        columns: [
          { name: 'n', type: 'int32' },
          { name: 's', type: 'string' },
        ],
        metadata: {},
      },
      [
        {
          rowCount: count,
          columns: [
            { values, validity },
            { values: words, validity },
          ],
        },
      ],
    );
    const [counted] = await query(
      `SELECT count(*) AS rows, count(n) AS n, count(s) AS s, sum(n)::BIGINT AS total, min(n) FILTER (n % 3 = 0) AS wrong,
       count(*) FILTER (s = 'text number ' || n) AS matching FROM '${localPath}'`,
    );
    assert.deepEqual(counted, {
      rows: '5000',
      n: '3333',
      s: '3333',
      total: '8331667',
      wrong: null,
      matching: '3333',
    });
    const [batch] = await allRows(reader.read(localPath, ['s']));
    assert.deepEqual(batch?.columns[0]?.validity, validity);
  });

  it('tells the size and the hash of what it wrote, and leaves nothing else in the folder', async () => {
    const own = join(folder, 'own');
    await (await import('node:fs/promises')).mkdir(own);
    const written = await write('own/a.parquet', EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS, EVERY_TYPE_ROWS]);
    const content = await readFile(written.localPath);
    assert.equal(written.rowCount, 6);
    assert.equal(written.sizeBytes, content.length);
    assert.equal(written.sha256, createHash('sha256').update(content).digest('hex'));
    assert.deepEqual(await readdir(own), ['a.parquet']);
  });

  it('gives back texts and bytes of every length around the one that DuckDB keeps in its vectors', async () => {
    const rowCount = 5000;
    const values = Array.from({ length: rowCount }, (_, row) => `${row}é`.padEnd(row % 20, 'x'));
    const bytes = Array.from({ length: rowCount }, (_, row) => new Uint8Array(row % 17).fill(row % 3));
    const definition: TableDefinition = {
      columns: [
        { name: 'text', type: 'string' },
        { name: 'bytes', type: 'bytes' },
        { name: 'texts', type: { list: 'string' } },
      ],
      metadata: {},
    };
    const offsets = Uint32Array.from({ length: rowCount + 1 }, (_, row) => row);
    const columns = [
      textValues(values),
      bytesOf(bytes),
      { kind: 'list' as const, offsets, items: textValues(values) },
    ];
    await write('lengths.parquet', definition, [
      { rowCount, columns: columns.map((each) => ({ values: each })) },
    ]);
    const rows = await query(
      `SELECT text, hex(bytes) AS hex, texts[1] AS first FROM '${join(folder, 'lengths.parquet')}'`,
    );
    assert.deepEqual(
      rows,
      values.map((text, row) => ({
        text,
        hex: Buffer.from(bytes[row]!).toString('hex').toUpperCase(),
        first: text,
      })),
    );
  });

  it('stores text that is not UTF-8 as readable text, so that the file stays readable', async () => {
    const { localPath } = await write(
      'latin1.parquet',
      { columns: [{ name: 's', type: 'string' }], metadata: {} },
      [
        {
          rowCount: 2,
          columns: [{ values: bytesOf([Buffer.from('gr\xfcn', 'latin1'), Buffer.from('grün')]) }],
        },
      ],
    );
    assert.deepEqual(await query(`SELECT s FROM '${localPath}'`), [{ s: 'gr�n' }, { s: 'grün' }]);
  });

  it('keeps names apart that differ only in case, or that look like the nanoseconds of another', async () => {
    const columns: TableColumn[] = [
      { name: 'Speed', type: 'int8' },
      { name: 'speed', type: 'int8' },
      { name: 'time', type: 'timestamp' },
      { name: 'time_ns', type: 'int64' },
    ];
    const { localPath } = await write('names.parquet', { columns, metadata: {} }, [
      {
        rowCount: 1,
        columns: [
          { values: Int8Array.of(1) },
          { values: Int8Array.of(2) },
          { values: BigInt64Array.of(3n) },
          { values: BigInt64Array.of(4n) },
        ],
      },
    ]);
    assert.deepEqual(await query(`SELECT * FROM '${localPath}'`), [
      { Speed: 1, speed_2: 2, time: '1970-01-01 00:00:00+00', time_ns_2: '3', time_ns: '4' },
    ]);
    const [batch] = await allRows(reader.read(localPath));
    assert.deepEqual(
      batch?.columns.map(({ values }) => Number((values as Int8Array)[0])),
      [1, 2, 3, 4],
    );
  });

  it('says what went wrong when the file cannot be written, and goes on with the next table', async () => {
    await assert.rejects(
      write('missing-folder/a.parquet', EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS]),
      /missing-folder.*could not be written/,
    );
    assert.equal((await write('after.parquet', EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS])).rowCount, 3);
  });

  it('reads Parquet of other writers by its own types', async () => {
    const path = join(folder, 'foreign.parquet');
    await query(`COPY (SELECT 1::UTINYINT AS a, TIMESTAMP '2024-01-01 00:00:00.000001' AS t, 'x' AS s, {'k': 1} AS skipped)
                 TO '${path}' (FORMAT parquet)`);
    const { definition: found } = await reader.describe(path);
    assert.deepEqual(found.columns, [
      { name: 'a', type: 'uint8' },
      { name: 't', type: 'timestamp' },
      { name: 's', type: 'string' },
    ]);
    const [batch] = await allRows(reader.read(path, ['t']));
    assert.deepEqual(batch?.columns[0]?.values, BigInt64Array.of(1_704_067_200_000_001_000n));
    await writeFile(join(folder, 'not.parquet'), 'text');
    await assert.rejects(reader.describe(join(folder, 'not.parquet')), { code: 'file-unreadable' });
  });
});

describe('large tables', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-parquet-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const numbers: TableDefinition = {
    columns: [
      { name: 'time', type: 'timestamp' },
      { name: 'a', type: 'float64' },
      { name: 'b', type: 'float64' },
    ],
    metadata: {},
  };
  const batchRows = 100_000;
  function batch(number: number): TableRows {
    const first = number * batchRows;
    return {
      rowCount: batchRows,
      columns: [
        { values: BigInt64Array.from({ length: batchRows }, (_, row) => BigInt(first + row) * 1_000_000n) },
        { values: Float64Array.from({ length: batchRows }, (_, row) => first + row) },
        { values: Float64Array.from({ length: batchRows }, (_, row) => Math.sin(first + row)) },
      ],
    };
  }

  it('five grow at once with two streams: every row is there, in order', async () => {
    const writer = new ParquetTableWriter({ streamsMax: 2 });
    const tables = await Promise.all(
      [0, 1, 2, 3, 4].map((number) => writer.open(join(folder, `t${number}.parquet`), numbers)),
    );
    const batches = [batch(0), batch(1), batch(2), batch(3)];
    for (const rows of batches) for (const table of tables) await table.append(rows);
    // The last opened is closed first: those that wait may not depend on those that stream.
    for (const table of tables.toReversed()) {
      const { localPath, rowCount } = await table.close();
      assert.equal(rowCount, 400_000);
      let expected = 0;
      for await (const { columns } of new ParquetTableReader().read(localPath, ['a'])) {
        for (const value of columns[0]!.values as Float64Array) assert.equal(value, expected++);
      }
    }
    await writer.dispose();
    assert.deepEqual((await readdir(folder)).length, 5);
  });

  it('a table that is fed a few rows at a time waits for its turn in a file: every value is there', async () => {
    const writer = new ParquetTableWriter({ streamsMax: 0 });
    const table = await writer.open(join(folder, 'little-by-little.parquet'), {
      columns: [
        { name: 'number', type: 'int16' },
        { name: 'name', type: 'string' },
        { name: 'list', type: { list: 'float64' } },
        { name: 'speed', type: 'float64' },
      ],
      metadata: {},
    });
    let first = 0;
    for (let append = 0; append < 1700; append++) {
      const rows = Array.from({ length: 100 + (append % 7) }, (_, row) => first + row);
      const items = rows.flatMap((row) => Array.from({ length: row % 3 }, () => row + 0.5));
      const offsets = Uint32Array.from([0, ...rows].map((_, end) => sumOfLengths(rows.slice(0, end))));
      const columns = [
        { values: Int16Array.from(rows) },
        { values: textValues(rows.map((row) => (row % 5 === 0 ? 'x'.repeat(40) : String(row)))) },
        { values: { kind: 'list' as const, offsets, items: Float64Array.from(items) } },
        {
          values: Float64Array.from(rows),
          ...(append % 2 === 0 ? {} : { validity: Uint8Array.from(rows, (row) => row % 2) }),
        },
      ];
      await table.append({ rowCount: rows.length, columns });
      first += rows.length;
    }
    assert.ok((await readdir(folder)).includes('little-by-little.parquet.waiting'));
    const { localPath, rowCount } = await table.close();
    await writer.dispose();
    assert.equal(rowCount, first);
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const wrong = await connection.runAndReadAll(`
      WITH numbered AS (SELECT *, (row_number() OVER ()) - 1 AS row FROM '${localPath}')
      SELECT count(*)::INT AS wrong FROM numbered WHERE "number" <> ((row + 32768) % 65536) - 32768
        OR "name" <> CASE WHEN row % 5 = 0 THEN repeat('x', 40) ELSE row::VARCHAR END
        OR "list" <> list_transform(range(row % 3), lambda item: row + 0.5)
        OR (speed IS NOT NULL AND speed <> row) OR (speed IS NULL AND row % 2 = 1)`);
    const nulls = await connection.runAndReadAll(
      `SELECT count(*)::INT AS nulls FROM '${localPath}' WHERE speed IS NULL`,
    );
    connection.closeSync();
    assert.deepEqual(wrong.getRowObjectsJson(), [{ wrong: 0 }]);
    assert.ok(Number(nulls.getRowObjectsJson()[0]!['nulls']) > first / 5);
  });

  it('sixty that are held together hold no more than their share', async () => {
    const shared = await mkdtemp(join(folder, 'shared-'));
    const writer = new ParquetTableWriter({ streamsMax: 0 });
    const tables = await Promise.all(
      Array.from({ length: 60 }, (_, number) => writer.open(join(shared, `${number}.parquet`), numbers)),
    );
    // 2.4 MB each: none is large, 144 MB together are.
    for (const table of tables) await table.append(batch(0));
    const waiting = (await readdir(shared)).filter((name) => name.endsWith('.waiting'));
    const heldBytes = (tables.length - waiting.length) * batchRows * 24;
    await Promise.all(tables.slice(0, -1).map((table) => table.abort()));
    assert.equal((await tables.at(-1)!.close()).rowCount, batchRows);
    await writer.dispose();
    assert.ok(heldBytes <= 96e6, `${heldBytes} bytes are held`);
    assert.deepEqual(await readdir(shared), ['59.parquet']);
    await rm(shared, { recursive: true });
  });

  it('a stream that is given up leaves nothing, and its thread serves the next table', async () => {
    const writer = new ParquetTableWriter({ streamsMax: 1 });
    for (const name of ['first', 'second']) {
      const table = await writer.open(join(folder, `${name}-aborted.parquet`), numbers);
      for (let number = 0; number < 4; number++) await table.append(batch(number));
      await table.abort();
    }
    const table = await writer.open(join(folder, 'third.parquet'), numbers);
    for (let number = 0; number < 4; number++) await table.append(batch(number));
    assert.equal((await table.close()).rowCount, 400_000);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => /aborted/.test(name)),
      [],
    );
    await writer.dispose();
  });

  it('wide rows get small row groups', async () => {
    const writer = new ParquetTableWriter();
    const table = await writer.open(join(folder, 'images.parquet'), {
      columns: [{ name: 'image', type: 'bytes' }],
      metadata: {},
    });
    const imageBytes = 150_000;
    const images = 600;
    const bytes = new Uint8Array(images * imageBytes).map((_, index) => index * 31 + (index >> 7));
    const offsets = Uint32Array.from({ length: images + 1 }, (_, index) => index * imageBytes);
    await table.append({ rowCount: images, columns: [{ values: { kind: 'variable', offsets, bytes } }] });
    const { localPath } = await table.close();
    await writer.dispose();
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const groups = await connection.runAndReadAll(
      `SELECT max(row_group_bytes)::DOUBLE AS largest, count(*)::INT AS groups FROM parquet_metadata('${localPath}')`,
    );
    connection.closeSync();
    const [{ largest, groups: groupCount }] = groups.getRowObjects() as [{ largest: number; groups: number }];
    assert.ok(largest < 48e6 && groupCount >= 2, `${groupCount} row groups, the largest ${largest} bytes`);
  });
});
