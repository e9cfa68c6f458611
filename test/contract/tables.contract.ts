import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { numbersOf, textsOf, textValues } from '#domain/column-values.ts';
import type { StoredRows, TableReader } from '#domain/ports/table-reader.ts';
import type {
  TableColumn,
  TableDefinition,
  TableRows,
  TableValues,
  TableWriter,
} from '#domain/ports/table-writer.ts';

export interface TablesUnderTest {
  readonly writer: TableWriter;
  /** Reads what the writer has written. */
  readonly reader: TableReader;
  /** A folder that exists. */
  readonly folder: string;
}

/** A column of each type with three values, none of them null. */
export const EVERY_TYPE: readonly { readonly column: TableColumn; readonly values: TableValues }[] = [
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
    values: textValues(['P', '', 'längerer Text über zwölf Bytes']),
  },
  {
    column: { name: 'raw', type: 'bytes' },
    values: {
      kind: 'variable',
      offsets: Uint32Array.of(0, 2, 2, 101),
      bytes: Uint8Array.from({ length: 101 }, (_, index) => [0, 255][index] ?? 3),
    },
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
      items: textValues(['a', 'b', 'a name of more than twelve bytes']),
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
export const EVERY_TYPE_TABLE: TableDefinition = {
  columns: EVERY_TYPE.map(({ column }) => column),
  metadata: { topic: "/imu'", clock: 'receive' },
};
export const EVERY_TYPE_ROWS: TableRows = {
  rowCount: 3,
  columns: EVERY_TYPE.map(({ values }) => ({ values })),
};

export async function allRows(rows: AsyncIterable<StoredRows>): Promise<StoredRows[]> {
  const batches: StoredRows[] = [];
  for await (const batch of rows) batches.push(batch);
  return batches;
}

const NUMBER_AND_TEXT: TableDefinition = {
  columns: [
    { name: 'n', type: 'int32' },
    { name: 's', type: 'string' },
  ],
  metadata: {},
};

/** Rows of NUMBER_AND_TEXT, whose text says the number of the row; a number that is absent is null. */
function numberedRows(numbers: readonly (number | undefined)[], word = 'row '): TableRows {
  const values = Int32Array.from(numbers, (number) => number ?? -7);
  const validity = Uint8Array.from(numbers, (number) => (number === undefined ? 0 : 1));
  const texts = textValues(numbers.map((_, row) => `${word}${row}`));
  return { rowCount: numbers.length, columns: [{ values, validity }, { values: texts }] };
}

/** What every writer of tables and the reader that belongs to it promise. */
export function tablesContract(name: string, start: () => Promise<TablesUnderTest>): void {
  describe(`tables: ${name}`, () => {
    let test: TablesUnderTest;
    before(async () => {
      test = await start();
    });

    const newPath = () => `${test.folder}/${randomUUID()}.parquet`;
    async function write(definition: TableDefinition, batches: readonly TableRows[], localPath = newPath()) {
      const table = await test.writer.open(localPath, definition);
      for (const rows of batches) await table.append(rows);
      return table.close();
    }
    const read = (...of: Parameters<TableReader['read']>) => allRows(test.reader.read(...of));
    const columnNames = ([batch]: readonly StoredRows[]) =>
      batch?.definition.columns.map((column) => column.name);

    it('comes back as it was given: every type, units, choices, metadata', async () => {
      const { localPath } = await write(EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS]);
      assert.deepEqual(await test.reader.describe(localPath), { definition: EVERY_TYPE_TABLE, rowCount: 3 });
      const [batch, ...further] = await read(localPath);
      assert.equal(further.length, 0);
      assert.equal(batch?.rowCount, 3);
      assert.deepEqual(batch.definition, EVERY_TYPE_TABLE);
      for (const [index, { column, values }] of EVERY_TYPE.entries()) {
        const expected = column.name === 'flag' ? Uint8Array.of(1, 0, 1) : values;
        assert.deepEqual(batch.columns[index], { values: expected }, column.name);
      }
    });

    it('says how many rows were written, and how large the table is', async () => {
      const written = await write(EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS, EVERY_TYPE_ROWS]);
      assert.equal(written.rowCount, 6);
      assert.ok(written.sizeBytes > 0);
      assert.match(written.sha256, /^[0-9a-f]{64}$/);
      const [batch] = await read(written.localPath, ['i8']);
      assert.deepEqual(batch?.columns[0]?.values, Int8Array.of(-128, 0, 127, -128, 0, 127));
    });

    it('the columns that are asked for come in the order asked for', async () => {
      const { localPath } = await write(EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS]);
      const some = await read(localPath, ['gear', 'time']);
      assert.deepEqual(columnNames(some), ['gear', 'time']);
      assert.deepEqual(textsOf(some, 0), ['P', '', 'längerer Text über zwölf Bytes']);
      assert.deepEqual(some[0]?.columns[1]?.values, EVERY_TYPE[0]!.values);
    });

    it('a column it does not have is not found, and those it has are named', async () => {
      const { localPath } = await write(EVERY_TYPE_TABLE, [EVERY_TYPE_ROWS]);
      const expected = { code: 'not-found', message: /no column gaer.*gear/ };
      await assert.rejects(read(localPath, ['gaer']), expected);
      await assert.rejects(read(localPath, ['gear'], { orderedBy: 'gaer' }), expected);
    });

    it('nulls stay where they were, in columns of every type', async () => {
      const validity = Uint8Array.of(1, 0, 1);
      const { localPath } = await write(EVERY_TYPE_TABLE, [
        { rowCount: 3, columns: EVERY_TYPE.map(({ values }) => ({ values, validity })) },
      ]);
      const [batch] = await read(localPath);
      for (const [index, { column }] of EVERY_TYPE.entries())
        assert.deepEqual(batch?.columns[index]?.validity, validity, column.name);
      assert.deepEqual(textsOf([batch!], columnNames([batch!])!.indexOf('gear')), [
        'P',
        '',
        'längerer Text über zwölf Bytes',
      ]);
    });

    it('a column all of whose rows are valid has no validity', async () => {
      const { localPath } = await write(NUMBER_AND_TEXT, [numberedRows([3, 4])]);
      const [batch] = await read(localPath);
      assert.deepEqual(batch?.columns[0], { values: Int32Array.of(3, 4) });
    });

    it('many rows come in their order, in batches of at most 65,536', async () => {
      const numbers = Array.from({ length: 70_000 }, (_, row) => row);
      const { localPath } = await write(NUMBER_AND_TEXT, [
        numberedRows(numbers.slice(0, 10)),
        numberedRows(numbers.slice(10)),
      ]);
      const batches = await read(localPath, ['n']);
      assert.ok(batches.every(({ rowCount }) => rowCount <= 65_536));
      assert.deepEqual([...numbersOf(batches, 0).values], numbers);
    });

    it('rows in no order come sorted by a column that need not be read, equal ones as they lie', async () => {
      const { localPath } = await write(NUMBER_AND_TEXT, [
        numberedRows([5, 1, 5], 'a'),
        numberedRows([1, -3, 5], 'b'),
      ]);
      const rows = await read(localPath, ['s'], { orderedBy: 'n' });
      assert.deepEqual(textsOf(rows, 0), ['b1', 'a1', 'b0', 'a0', 'a2', 'b2']);
      assert.deepEqual(
        [...numbersOf(await read(localPath, ['n'], { orderedBy: 'n' }), 0).values],
        [-3, 1, 1, 5, 5, 5],
      );
      assert.deepEqual([...numbersOf(await read(localPath, ['n']), 0).values], [5, 1, 5, 1, -3, 5]);
    });

    it('sorted rows that are null in the column come last', async () => {
      const { localPath } = await write(NUMBER_AND_TEXT, [numberedRows([undefined, 2, undefined, 1])]);
      const rows = await read(localPath, ['s'], { orderedBy: 'n' });
      assert.deepEqual(textsOf(rows, 0), ['row 3', 'row 1', 'row 0', 'row 2']);
    });

    it('times are sorted to the nanosecond, texts by their bytes', async () => {
      const columns: TableColumn[] = [
        { name: 'time', type: 'timestamp' },
        { name: 'word', type: 'string' },
      ];
      const time = BigInt64Array.of(1_000_000_002n, 1_000_000_001n, -5n, 1_000_000_000n);
      const word = textValues(['b', 'Z', 'ä', 'a']);
      const { localPath } = await write({ columns, metadata: {} }, [
        { rowCount: 4, columns: [{ values: time }, { values: word }] },
      ]);
      assert.deepEqual(textsOf(await read(localPath, ['word'], { orderedBy: 'time' }), 0), [
        'ä',
        'a',
        'Z',
        'b',
      ]);
      assert.deepEqual(textsOf(await read(localPath, ['word'], { orderedBy: 'word' }), 0), [
        'Z',
        'a',
        'b',
        'ä',
      ]);
    });

    it('many rows in no order: every row is there once, sorted, in batches of at most 65,536', async () => {
      const count = 70_000;
      const shuffled = Array.from({ length: count }, (_, row) => (row * 32_771) % count);
      const { localPath } = await write(NUMBER_AND_TEXT, [numberedRows(shuffled)]);
      const batches = await read(localPath, ['n'], { orderedBy: 'n' });
      assert.ok(batches.every(({ rowCount }) => rowCount <= 65_536));
      assert.deepEqual(
        [...numbersOf(batches, 0).values],
        Array.from({ length: count }, (_, row) => row),
      );
    });

    it('a table without rows has its columns, and nothing to read', async () => {
      const { localPath, rowCount } = await write(EVERY_TYPE_TABLE, []);
      assert.equal(rowCount, 0);
      assert.deepEqual(await test.reader.describe(localPath), { definition: EVERY_TYPE_TABLE, rowCount: 0 });
      assert.deepEqual(await read(localPath), []);
      assert.deepEqual(await read(localPath, ['time'], { orderedBy: 'time' }), []);
    });

    it('a table without columns is refused', async () => {
      await assert.rejects(test.writer.open(newPath(), { columns: [], metadata: {} }), TypeError);
    });

    it('arrays that were appended may be used again', async () => {
      const values = Int32Array.of(1, 2);
      const table = await test.writer.open(newPath(), {
        columns: [{ name: 'n', type: 'int32' }],
        metadata: {},
      });
      await table.append({ rowCount: 2, columns: [{ values }] });
      values.fill(9);
      await table.append({ rowCount: 1, columns: [{ values }] });
      const { localPath } = await table.close();
      const [batch] = await read(localPath);
      assert.deepEqual(batch?.columns[0]?.values, Int32Array.of(1, 2, 9));
    });

    it('a table appears when it is closed; until then the one that was there stays', async () => {
      const localPath = newPath();
      const table = await test.writer.open(localPath, NUMBER_AND_TEXT);
      await table.append(numberedRows([1]));
      await assert.rejects(test.reader.describe(localPath), { code: 'file-unreadable' });
      await table.close();
      const next = await test.writer.open(localPath, NUMBER_AND_TEXT);
      await next.append(numberedRows([1, 2]));
      assert.equal((await test.reader.describe(localPath)).rowCount, 1);
      await next.close();
      assert.equal((await test.reader.describe(localPath)).rowCount, 2);
    });

    it('a table that is given up is not there, however often it is given up', async () => {
      const localPath = newPath();
      const table = await test.writer.open(localPath, NUMBER_AND_TEXT);
      await table.append(numberedRows([1]));
      await table.abort();
      await table.abort();
      await assert.rejects(test.reader.describe(localPath), { code: 'file-unreadable' });
      await assert.rejects(table.append(numberedRows([1])), /closed/);
    });

    it('a closed table takes no more rows, is not closed twice, and stays when it is given up late', async () => {
      const localPath = newPath();
      const table = await test.writer.open(localPath, NUMBER_AND_TEXT);
      await table.close();
      await assert.rejects(table.append(numberedRows([1])), /closed/);
      await assert.rejects(table.close(), /closed/);
      await table.abort();
      assert.equal((await test.reader.describe(localPath)).rowCount, 0);
    });

    it('rows that do not fit the columns are refused, naming the column', async () => {
      const columns: TableColumn[] = [
        { name: 'speed', type: 'float64' },
        { name: 'points', type: { list: 'float32' } },
        { name: 'word', type: 'string' },
      ];
      const table = await test.writer.open(newPath(), { columns, metadata: {} });
      const speed = Float64Array.of(1);
      const list = (end: number): TableValues => ({
        kind: 'list',
        offsets: Uint32Array.of(0, end),
        items: Float32Array.of(1, 2),
      });
      const word = textValues(['a']);
      const append = (rowCount: number, ...values: TableValues[]) =>
        table.append({ rowCount, columns: values.map((each) => ({ values: each })) });
      await assert.rejects(
        append(1, Float32Array.of(1), list(2), word),
        /speed: float64 needs a Float64Array/,
      );
      await assert.rejects(append(2, speed, list(2), word), /speed: 1 values for 2 rows/);
      await assert.rejects(append(1, speed, list(3), word), /points: 2 values for 3/);
      await assert.rejects(append(1, speed, list(2), speed), { name: 'TypeError', message: /word/ });
      await assert.rejects(append(1, speed), /3 columns, the rows have 1/);
      await append(1, speed, list(2), word);
      assert.equal((await table.close()).rowCount, 1);
    });

    it('what is no table cannot be read', async () => {
      await assert.rejects(test.reader.describe(newPath()), { code: 'file-unreadable' });
      await assert.rejects(read(newPath()), { code: 'file-unreadable' });
    });
  });
}
