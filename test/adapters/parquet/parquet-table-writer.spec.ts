import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { ParquetTableReader } from '#adapters/parquet/parquet-table-reader.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import type { StoredRows } from '#domain/ports/table-reader.ts';
import type { TableColumn, TableDefinition, TableRows, TableValues } from '#domain/ports/table-writer.ts';

function texts(values: readonly string[]): TableValues {
  const encoded = values.map((value) => Buffer.from(value));
  return bytesOf(encoded);
}

function bytesOf(values: readonly Uint8Array[]): TableValues {
  const offsets = Uint32Array.from([0, ...values].map((_, index) => sumOf(values.slice(0, index))));
  return { kind: 'variable', offsets, bytes: new Uint8Array(Buffer.concat(values)) };
}

function sumOf(values: readonly Uint8Array[]): number {
  return values.reduce((sum, value) => sum + value.length, 0);
}

async function all(rows: AsyncIterable<StoredRows>): Promise<StoredRows[]> {
  const batches: StoredRows[] = [];
  for await (const batch of rows) batches.push(batch);
  return batches;
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

  const everyType: readonly { column: TableColumn; values: TableValues }[] = [
    {
      column: { name: 'time', type: 'timestamp' },
      values: BigInt64Array.of(1_533_226_488_123_456_789n, -1n, 0n),
    },
    { column: { name: 'flag', type: 'bool' }, values: Uint8Array.of(1, 0, 7) },
    { column: { name: 'i8', type: 'int8' }, values: Int8Array.of(-128, 0, 127) },
    { column: { name: 'u8', type: 'uint8' }, values: Uint8Array.of(0, 1, 255) },
    { column: { name: 'i16', type: 'int16' }, values: Int16Array.of(-32768, 0, 32767) },
    { column: { name: 'u16', type: 'uint16' }, values: Uint16Array.of(0, 1, 65535) },
    { column: { name: 'i32', type: 'int32' }, values: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1) },
    { column: { name: 'u32', type: 'uint32' }, values: Uint32Array.of(0, 1, 2 ** 32 - 1) },
    { column: { name: 'i64', type: 'int64' }, values: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n) },
    { column: { name: 'u64', type: 'uint64' }, values: BigUint64Array.of(0n, 1n, 2n ** 64n - 1n) },
    { column: { name: 'f32', type: 'float32' }, values: Float32Array.of(-0.5, Number.NaN, 1e30) },
    {
      column: {
        name: 'speed',
        type: 'float64',
        unit: 'm/s',
        description: "the vehicle's own",
        source: 'can 1',
      },
      values: Float64Array.of(-0.5, Number.POSITIVE_INFINITY, 27.8),
    },
    { column: { name: 'waited', type: 'duration' }, values: BigInt64Array.of(1n, -2n, 3n) },
    {
      column: { name: 'gear', type: 'string', choices: { '0': 'P', '1': 'R' } },
      values: texts(['P', '', 'längerer Text über zwölf Bytes']),
    },
    {
      column: { name: 'raw', type: 'bytes' },
      values: bytesOf([Buffer.from([0, 255]), Buffer.alloc(0), Buffer.alloc(99, 3)]),
    },
    {
      column: { name: 'ranges', type: { list: 'float32' } },
      values: { kind: 'list', offsets: Uint32Array.of(0, 2, 2, 5), items: Float32Array.of(1, 2, 3, 4, 5) },
    },
    {
      column: { name: 'names', type: { list: 'string' } },
      values: {
        kind: 'list',
        offsets: Uint32Array.of(0, 1, 3, 3),
        items: texts(['a', 'b', 'a name of more than twelve bytes']),
      },
    },
    {
      column: { name: 'stamps', type: { list: 'timestamp' } },
      values: { kind: 'list', offsets: Uint32Array.of(0, 1, 1, 2), items: BigInt64Array.of(1_999n, -1_001n) },
    },
    {
      column: { name: 'nested', type: { list: { list: 'int16' } } },
      values: {
        kind: 'list',
        offsets: Uint32Array.of(0, 2, 2, 3),
        items: { kind: 'list', offsets: Uint32Array.of(0, 1, 3, 4), items: Int16Array.of(1, 2, 3, 4) },
      },
    },
  ];
  const definition: TableDefinition = {
    columns: everyType.map(({ column }) => column),
    metadata: { topic: "/imu'", clock: 'receive' },
  };
  const rows: TableRows = { rowCount: 3, columns: everyType.map(({ values }) => ({ values })) };

  it('opens elsewhere with the right types: UTC microseconds, nanoseconds beside them, lists, unsigned numbers', async () => {
    const written = await write('types.parquet', definition, [rows]);
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
    const index = everyType.findIndex(({ column }) => column.name === name.replace(/_ns$/, ''));
    return index * 2 + (name.endsWith('_ns') ? 1 : 0);
  }

  it('comes back from the reader as it was given, units and choices too', async () => {
    const { localPath } = await write('round.parquet', definition, [rows]);
    const stored = await reader.describe(localPath);
    assert.deepEqual(stored, { definition, rowCount: 3 });
    const [batch, ...further] = await all(reader.read(localPath));
    assert.equal(further.length, 0);
    assert.equal(batch?.rowCount, 3);
    for (const [index, { column, values }] of everyType.entries()) {
      const expected = column.name === 'flag' ? Uint8Array.of(1, 0, 1) : values;
      assert.deepEqual(batch?.columns[index], { values: expected }, column.name);
    }
    const [some] = await all(reader.read(localPath, ['gear', 'time']));
    assert.deepEqual(
      some?.definition.columns.map(({ name }) => name),
      ['gear', 'time'],
    );
    assert.deepEqual(some?.columns[1]?.values, everyType[0]!.values);
    await assert.rejects(all(reader.read(localPath, ['gaer'])), {
      code: 'not-found',
      message: /no column gaer.*gear/,
    });
  });

  it('keeps nulls where they were, over the borders of DuckDB chunks', async () => {
    const count = 5000;
    const validity = Uint8Array.from({ length: count }, (_, row) => (row % 3 === 0 ? 0 : 1));
    const values = Int32Array.from({ length: count }, (_, row) => row);
    const words = texts(Array.from({ length: count }, (_, row) => `text number ${row}`));
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
    const [batch] = await all(reader.read(localPath, ['s']));
    assert.deepEqual(batch?.columns[0]?.validity, validity);
  });

  it('tells the size and the hash of what it wrote, and leaves nothing else in the folder', async () => {
    const own = join(folder, 'own');
    await (await import('node:fs/promises')).mkdir(own);
    const written = await write('own/a.parquet', definition, [rows, rows]);
    const content = await readFile(written.localPath);
    assert.equal(written.rowCount, 6);
    assert.equal(written.sizeBytes, content.length);
    assert.equal(written.sha256, createHash('sha256').update(content).digest('hex'));
    assert.deepEqual(await readdir(own), ['a.parquet']);
  });

  it('writes a table without rows, with its columns', async () => {
    const { localPath, rowCount } = await write('empty.parquet', definition, []);
    assert.equal(rowCount, 0);
    assert.deepEqual((await reader.describe(localPath)).definition, definition);
    assert.deepEqual(await all(reader.read(localPath)), []);
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
    const columns = [texts(values), bytesOf(bytes), { kind: 'list' as const, offsets, items: texts(values) }];
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
    const [batch] = await all(reader.read(localPath));
    assert.deepEqual(
      batch?.columns.map(({ values }) => Number((values as Int8Array)[0])),
      [1, 2, 3, 4],
    );
  });

  it('refuses rows that do not fit the columns, naming the column, before anything native sees them', async () => {
    const table = await writer.open(join(folder, 'refused.parquet'), {
      columns: [{ name: 'speed', type: 'float64' }],
      metadata: {},
    });
    const append = (values: TableValues, rowCount: number) =>
      table.append({ rowCount, columns: [{ values }] });
    await assert.rejects(
      append(Float32Array.of(1), 1),
      /speed: float64 needs a Float64Array, not a Float32Array/,
    );
    await assert.rejects(append(Float64Array.of(1), 2), /speed: 1 values for 2 rows/);
    await table.abort();
    const lists = await writer.open(join(folder, 'refused.parquet'), {
      columns: [{ name: 'points', type: { list: 'float32' } }],
      metadata: {},
    });
    const items = Float32Array.of(1, 2);
    await assert.rejects(
      lists.append({
        rowCount: 1,
        columns: [{ values: { kind: 'list', offsets: Uint32Array.of(0, 3), items } }],
      }),
      /points: 2 values for 3/,
    );
    await lists.abort();
  });

  it('says what went wrong when the file cannot be written, and goes on with the next table', async () => {
    await assert.rejects(
      write('missing-folder/a.parquet', definition, [rows]),
      /missing-folder.*could not be written/,
    );
    assert.equal((await write('after.parquet', definition, [rows])).rowCount, 3);
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
    const [batch] = await all(reader.read(path, ['t']));
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
