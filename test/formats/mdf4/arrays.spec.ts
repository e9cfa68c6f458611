import assert from 'node:assert/strict';
import {
  all,
  channel,
  channelGroup,
  conversion,
  dataGroup,
  f64,
  header,
  i32,
  MASTER,
  mdfBytes,
  oneGroup,
  START_NS,
  type TestBlock,
  type TestFile,
  texts,
  u8,
  u16,
  u32,
  u64,
} from './blocks-in-test.ts';
import { openBytes, readTables } from './reading.ts';

interface ArraySpec {
  readonly sizes: readonly number[];
  readonly storage?: number;
  readonly flags?: number;
  readonly strideBytes?: number;
  readonly links?: readonly string[];
  readonly axes?: readonly number[];
  readonly cycleCounts?: readonly number[];
}

/** CA block, its fields in the order of the format. */
function array({
  sizes,
  storage = 0,
  flags = 0,
  strideBytes = 1,
  links = [],
  axes = [],
  cycleCounts = [],
}: ArraySpec): TestBlock {
  return {
    id: 'CA',
    links: ['', ...links],
    data: all(
      u8(0, storage),
      u16(sizes.length),
      u32(flags),
      i32(strideBytes),
      u32(0),
      ...sizes.map(u64),
      ...axes.map(f64),
      ...cycleCounts.map(u64),
    ),
  };
}

const record = (seconds: number, value: number) => all(f64(seconds), u8(value));
const seconds = (...values: number[]) => values.map((value) => START_NS + BigInt(value) * 1_000_000_000n);

const SCALAR = channel({ label: 'a', composition: 'ca', byteOffset: 8, conversion: 'twice' });
const TWICE = conversion('twice', 1, [0, 2]);

describe('MDF 4 arrays whose elements lie in groups of their own', () => {
  it('under record ids that follow each other: a table per element, with its own rows and times', async () => {
    const id = (recordId: number, bytes: Uint8Array) => all(u8(recordId), bytes);
    const file: TestFile = {
      ...header({ dataGroup: 'dg' }),
      ...dataGroup('dg', 'field', 'data', 1),
      ...channelGroup({ label: 'field', next: 'other', first: 'time', recordId: 5, cycles: 2, dataBytes: 9 }),
      ...channelGroup({ label: 'other', first: 'time2', recordId: 20, cycles: 1, dataBytes: 9 }),
      ...channel({ ...MASTER, next: 'a' }),
      ...SCALAR,
      ...TWICE,
      ca: array({ sizes: [2, 2], storage: 1, cycleCounts: [2, 1, 0, 3] }),
      ...channel({ ...MASTER, label: 'time2', next: 'b' }),
      ...channel({ label: 'b', byteOffset: 8 }),
      data: {
        id: 'DT',
        data: all(
          id(5, record(0, 1)),
          id(8, record(0, 7)),
          id(6, record(1, 3)),
          id(20, record(1, 99)),
          id(5, record(2, 2)),
          id(8, record(3, 8)),
          id(8, record(4, 9)),
        ),
      },
    };
    const reader = await openBytes(mdfBytes(file));
    assert.deepEqual(
      reader.summary.tables.map(({ name, rowCount }) => [name, rowCount]),
      [
        ['field[0][0]', 2],
        ['field[0][1]', 1],
        ['field[1][0]', 0],
        ['field[1][1]', 3],
        ['other', 1],
      ],
    );
    assert.deepEqual(await readTables(reader), {
      'field[0][0]': { time: seconds(0, 2), columns: { a: [2, 4] } },
      'field[0][1]': { time: seconds(1), columns: { a: [6] } },
      'field[1][1]': { time: seconds(0, 3, 4), columns: { a: [14, 16, 18] } },
      other: { time: seconds(1), columns: { b: [99] } },
    });
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('behind data links of their own, the first dimension fastest where the array says so', async () => {
    const file = (flags: number): TestFile => ({
      ...header({ dataGroup: 'dg' }),
      ...dataGroup('dg', 'field', 'data 0'),
      ...channelGroup({ label: 'field', first: 'time', cycles: 1, dataBytes: 9 }),
      ...channel({ ...MASTER, next: 'a' }),
      ...SCALAR,
      ...TWICE,
      ca: array({
        sizes: [1, 3],
        storage: 2,
        flags,
        links: ['data 0', 'data 1', ''],
        cycleCounts: [1, 2, 0],
      }),
      'data 0': { id: 'DT', data: record(0, 1) },
      'data 1': { id: 'DT', data: all(record(0, 3), record(1, 4)) },
    });
    for (const flags of [0, 0x40]) {
      const reader = await openBytes(mdfBytes(file(flags)));
      assert.deepEqual(await readTables(reader), {
        'field[0][0]': { time: seconds(0), columns: { a: [2] } },
        'field[0][1]': { time: seconds(0, 1), columns: { a: [6, 8] } },
      });
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    }
    const square = await openBytes(
      mdfBytes({
        ...file(0),
        ca: array({
          sizes: [2, 2],
          storage: 2,
          flags: 0x40,
          links: ['data 0', 'data 1', '', ''],
          cycleCounts: [1, 2, 0, 0],
        }),
      }),
    );
    assert.deepEqual(Object.keys(await readTables(square)), ['field[0][0]', 'field[1][0]']);
  });

  it('in more groups than anybody has, are no array', async () => {
    for (const ca of [array({ sizes: [2 ** 40], storage: 1 }), array({ sizes: [2000], storage: 2 })]) {
      const file = oneGroup('a', 1, [u8(1)], { ...SCALAR, ...TWICE, ca });
      const reader = await openBytes(mdfBytes(file));
      assert.deepEqual((await readTables(reader))['group']?.columns, {});
      assert.ok(reader.loss().reasons.length > 0);
    }
  });
});

describe('MDF 4 arrays in the record', () => {
  it('of changing size have in each row as many elements as their size channels say', async () => {
    const blocks: TestFile = {
      ...channel({ label: 'rows', next: 'columns', byteOffset: 8 }),
      ...channel({ label: 'columns', next: 'a', byteOffset: 9 }),
      ...channel({ label: 'a', composition: 'ca', byteOffset: 10, conversion: 'twice' }),
      ...TWICE,
      ca: array({ sizes: [2, 3], flags: 0x01, links: ['dg', 'group', 'rows', 'dg', 'group', 'columns'] }),
    };
    const payload = [1, 2, 3, 4, 5, 6];
    const rows = [u8(2, 3, ...payload), u8(2, 1, ...payload), u8(0, 3, ...payload), u8(9, 2, ...payload)];
    const { group } = await readTables(await openBytes(mdfBytes(oneGroup('rows', 8, rows, blocks))));
    assert.deepEqual(group?.columns['a'], [[2, 4, 6, 8, 10, 12], [2, 8], [], [2, 4, 8, 10]]);
  });

  it('whose size lies in another group are given whole', async () => {
    const blocks: TestFile = {
      ...channel({ label: 'a', composition: 'ca', byteOffset: 8 }),
      ca: array({ sizes: [2], flags: 0x01, links: ['dg', 'dg', 'a'] }),
    };
    const { group } = await readTables(await openBytes(mdfBytes(oneGroup('a', 2, [u8(1, 2)], blocks))));
    assert.deepEqual(group?.columns, { a: [[1, 2]] });
  });

  it('say the values of their axes', async () => {
    const blocks: TestFile = {
      ...channel({ label: 'map', composition: 'ca', byteOffset: 8 }),
      ca: array({ sizes: [2, 3], flags: 0x30, links: ['', ''], axes: [800, 1600, 10, 20, 30] }),
    };
    const reader = await openBytes(mdfBytes(oneGroup('map', 6, [u8(1, 2, 3, 4, 5, 6)], blocks)));
    const [map] = reader.summary.tables[0]!.columns;
    assert.equal(map?.source, 'array 2x3, axis 1: 800 1600, axis 2: 10 20 30');
  });

  it('of complex numbers give two lists, of texts and bytes a column per element', async () => {
    const blocks: TestFile = {
      ...channel({ label: 'z', next: 't', composition: 'ca z', byteOffset: 8, dataType: 15, bitCount: 128 }),
      ...channel({ label: 't', composition: 'ca t', byteOffset: 40, dataType: 7, bitCount: 24 }),
      'ca z': array({ sizes: [2], strideBytes: 16 }),
      'ca t': array({ sizes: [2], strideBytes: 3 }),
    };
    const row = all(f64(1), f64(2), f64(3), f64(4), Buffer.from('abcde\0'));
    const { group } = await readTables(await openBytes(mdfBytes(oneGroup('z', 38, [row], blocks))));
    assert.deepEqual(group?.columns, { 'z.re': [[1, 3]], 'z.im': [[2, 4]], 't[0]': ['abc'], 't[1]': ['de'] });
  });
});

describe('MDF 4 blocks beside the records', () => {
  it('a guard stands for the block that it guards, and two guards for none', async () => {
    const guard = (link: string): TestBlock => ({
      id: 'GD',
      links: [link],
      data: all(u16(430), new Uint8Array(6)),
    });
    const blocks: TestFile = {
      ...channel({ label: 'b', byteOffset: 9 }),
      ...channel({ label: 'a', next: 'b', byteOffset: 8, conversion: 'guard cc' }),
      ...TWICE,
      'guard cc': guard('twice'),
      'guard a': guard('a'),
      'guard guard': guard('guard a'),
    };
    const guarded = await openBytes(mdfBytes(oneGroup('guard a', 2, [u8(1, 5)], blocks), { version: 430 }));
    const tables = await readTables(guarded);
    assert.deepEqual(guarded.loss().reasons, []);
    assert.deepEqual(tables['group']?.columns, { a: [2], b: [5] });
    const twice = await openBytes(mdfBytes(oneGroup('guard guard', 2, [u8(1, 5)], blocks)));
    assert.deepEqual((await readTables(twice))['group']?.columns, {});
    assert.match(twice.loss().reasons.join(), /guards another/);
    const itself = { ...blocks, 'guard a': guard('guard a') };
    assert.deepEqual(
      (await readTables(await openBytes(mdfBytes(oneGroup('guard a', 2, [u8(1, 5)], itself)))))['group']
        ?.columns,
      {},
    );
  });

  it('sample reductions are counted, and change no row', async () => {
    const file = oneGroup('a', 1, [u8(1), u8(2)], channel({ label: 'a', byteOffset: 8 }));
    const reduction = (next: string): TestBlock => ({
      id: 'SR',
      links: [next, 'reduced'],
      data: all(u64(1), f64(0.5), u8(1, 0, 0, 0, 0, 0, 0, 0)),
    });
    const withReductions: TestFile = {
      ...file,
      group: { ...file['group']!, links: file['group']!.links!.with(4, 'sr 1') },
      'sr 1': reduction('sr 2'),
      'sr 2': reduction('sr 1'),
      reduced: { id: 'RD', data: new Uint8Array(27) },
      ...texts('unused'),
    };
    const reader = await openBytes(mdfBytes(withReductions));
    assert.equal(reader.summary.properties['sampleReductions.group'], '2, not read');
    assert.equal(reader.summary.tables[0]?.rowCount, 2);
    assert.deepEqual((await readTables(reader))['group'], { time: seconds(0, 1), columns: { a: [1, 2] } });
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });
});
