import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  all,
  channel,
  conversion,
  i32,
  mdfBytes,
  oneGroup,
  type TestFile,
  texts,
  u8,
  u16,
  u32,
  u64,
} from './blocks-in-test.ts';
import { openBytes, readTables } from './reading.ts';

async function columnsOf(
  rows: readonly Uint8Array[],
  first: string,
  blocks: TestFile,
  invalidationBytes = 0,
) {
  const dataBytes = (rows[0]?.length ?? 0) - invalidationBytes;
  const reader = await openBytes(mdfBytes(oneGroup(first, dataBytes, rows, blocks, { invalidationBytes })));
  const tables = await readTables(reader);
  assert.deepEqual(reader.loss().reasons, []);
  return { columns: tables['group']?.columns ?? {}, schemas: reader.summary.tables[0]?.columns ?? [] };
}

async function oneValue(payload: Uint8Array, dataType: number, bitOffset: number, bitCount: number) {
  const blocks = channel({ label: 'x', dataType, bitOffset, byteOffset: 8, bitCount });
  const { columns } = await columnsOf([payload], 'x', blocks);
  return columns['x']?.[0];
}

describe('values of MDF 4 channels', () => {
  it('of integers agree with arithmetic for any width, bit offset, byte order and sign', async () => {
    const shape = fc.record({
      bitOffset: fc.nat(7),
      bitCount: fc.integer({ min: 1, max: 64 }),
      big: fc.boolean(),
      signed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 9, maxLength: 9 }),
        shape,
        async (bytes, { bitOffset, bitCount, big, signed }) => {
          const used = bytes.subarray(0, (bitOffset + bitCount + 7) >> 3);
          const digits = Buffer.from(big ? used : used.toReversed()).toString('hex');
          const raw = BigInt.asUintN(bitCount, BigInt(`0x${digits}`) >> BigInt(bitOffset));
          const expected = signed ? BigInt.asIntN(bitCount, raw) : raw;
          const value = await oneValue(bytes, (signed ? 2 : 0) + (big ? 1 : 0), bitOffset, bitCount);
          assert.equal(BigInt(value as number), expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of floats have 16, 32 or 64 bits in either byte order', async () => {
    const single = new Uint8Array(Float32Array.of(-1.5).buffer);
    const double = new Uint8Array(Float64Array.of(Math.PI).buffer);
    assert.equal(await oneValue(single, 4, 0, 32), -1.5);
    assert.equal(await oneValue(single.toReversed(), 5, 0, 32), -1.5);
    assert.equal(await oneValue(double, 4, 0, 64), Math.PI);
    assert.equal(await oneValue(double.toReversed(), 5, 0, 64), Math.PI);
    const halves: [number, number][] = [
      [0x3c00, 1],
      [0xc000, -2],
      [0x0001, 2 ** -24],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0x7bff, 65504],
    ];
    for (const [half, expected] of halves) assert.equal(await oneValue(u16(half), 4, 0, 16), expected);
  });

  it('of text come as UTF-8 from every encoding, up to the terminating zero', async () => {
    const cases: readonly [number, Uint8Array, string][] = [
      [6, Buffer.from('Gr\xfc\xdfe\0rest', 'latin1'), 'Grüße'],
      [7, Buffer.from('Grüße\0'), 'Grüße'],
      [8, Buffer.from('Grüße\0x', 'utf16le'), 'Grüße'],
      [9, Buffer.from('Grüße\0x', 'utf16le').swap16(), 'Grüße'],
      [17, Buffer.from('\uFEFFGrüße', 'utf16le'), 'Grüße'],
      [17, Buffer.from('\uFEFFGrüße'), 'Grüße'],
    ];
    for (const [dataType, bytes, expected] of cases) {
      assert.equal(await oneValue(Uint8Array.from(bytes), dataType, 0, bytes.length * 8), expected);
    }
    assert.equal(await oneValue(u8(1, 2, 3), 10, 0, 24), '010203');
  });

  it('of complex numbers become two columns', async () => {
    const pair = new Uint8Array(Float32Array.of(1.5, -2).buffer);
    const { columns } = await columnsOf(
      [pair],
      'x',
      channel({ label: 'x', dataType: 15, byteOffset: 8, bitCount: 64 }),
    );
    assert.deepEqual(columns, { 'x.re': [1.5], 'x.im': [-2] });
  });

  it('of CANopen dates and times become timestamps', async () => {
    // 2024-02-29 13:14:15.016: milliseconds of the minute, minute, hour, day, month, year.
    const date = all(u16(15_016), u8(14, 13, 29, 2, 24));
    assert.equal(await oneValue(date, 13, 0, 56), BigInt(Date.UTC(2024, 1, 29, 13, 14, 15, 16)) * 1_000_000n);
    const time = all(u32(3_600_000), u16(366));
    assert.equal(await oneValue(time, 14, 0, 48), BigInt(Date.UTC(1985, 0, 1, 1)) * 1_000_000n);
  });

  it('with a set invalidation bit are null, each channel by its own bit', async () => {
    const blocks = {
      ...channel({ label: 'a', next: 'b', byteOffset: 8, flags: 2, invalidationBit: 1 }),
      ...channel({ label: 'b', next: 'c', byteOffset: 8, flags: 2, invalidationBit: 9 }),
      ...channel({ label: 'c', next: 'd', byteOffset: 8, flags: 1 }),
      ...channel({ label: 'd', byteOffset: 8 }),
    };
    const { columns } = await columnsOf([u8(5, 2, 0), u8(6, 0, 2), u8(7, 1, 1)], 'a', blocks, 2);
    assert.deepEqual(columns, { a: [null, 6, 7], b: [5, null, 7], c: [null, null, null], d: [5, 6, 7] });
  });

  it('of virtual channels come from the row index and the conversion', async () => {
    const blocks = {
      ...channel({ label: 'v', next: 'w', type: 6, bitCount: 0, conversion: 'cc' }),
      ...channel({ label: 'w', type: 6, bitCount: 0 }),
      ...conversion('cc', 1, [9, 0]),
    };
    const { columns } = await columnsOf([u8(1), u8(1), u8(1)], 'v', blocks);
    assert.deepEqual(columns, { v: [9, 9, 9], w: [0, 1, 2] });
  });

  it('of maximum length are cut to what the size channel says', async () => {
    const blocks = {
      ...channel({ label: 'size', next: 'm', byteOffset: 8 }),
      ...channel({ label: 'm', type: 5, dataType: 10, byteOffset: 9, bitCount: 24, dataLink: 'size' }),
    };
    const { columns } = await columnsOf([u8(2, 1, 2, 3), u8(0, 4, 5, 6), u8(9, 7, 8, 9)], 'size', blocks);
    assert.deepEqual(columns['m'], ['0102', '', '070809']);
  });

  it('of variable length come from their signal data, in any order of places', async () => {
    const blocks = {
      ...channel({ label: 'v', type: 1, dataType: 7, byteOffset: 8, bitCount: 64, dataLink: 'sd' }),
      sd: { id: 'SD', data: all(u32(3), Buffer.from('one'), u32(0), u32(5), Buffer.from('three')) },
    };
    const { columns } = await columnsOf([u64(0), u64(7), u64(11), u64(0)], 'v', blocks);
    assert.deepEqual(columns, { v: ['one', '', 'three', 'one'] });
  });

  it('of variable length come from several blocks of signal data, going back too', async () => {
    const blocks = {
      ...channel({ label: 'v', type: 1, dataType: 7, byteOffset: 8, bitCount: 64, dataLink: 'list' }),
      list: { id: 'DL', links: ['', 's1', 's2'], data: all(u8(0, 0, 0, 0), u32(2), u64(0), u64(9)) },
      s1: { id: 'SD', data: all(u32(3), Buffer.from('one'), u8(3, 0)) },
      s2: { id: 'SD', data: all(u8(0, 0), Buffer.from('two'), u32(3), Buffer.from('end')) },
    };
    const { columns } = await columnsOf([u64(14), u64(7), u64(0), u64(14)], 'v', blocks);
    assert.deepEqual(columns, { v: ['end', 'two', 'one', 'end'] });
  });

  it('of variable length with sizes of their own (4.3) need no lengths in the signal data', async () => {
    const blocks = {
      ...channel({ label: 'size', next: 'v', byteOffset: 16 }),
      ...channel({
        label: 'v',
        type: 7,
        dataType: 7,
        byteOffset: 8,
        bitCount: 64,
        dataLink: 'sd',
        moreLinks: ['size'],
      }),
      sd: { id: 'SD', data: Buffer.from('onethree') },
    };
    const { columns } = await columnsOf([all(u64(0), u8(3)), all(u64(3), u8(5))], 'size', blocks);
    assert.deepEqual(columns['v'], ['one', 'three']);
  });
});

const arrayBlock = (sizes: readonly number[], stride: number, flags = 0, composition = '') => ({
  id: 'CA',
  links: [composition],
  data: all(u8(0, 0), u16(sizes.length), u32(flags), i32(stride), u32(0), ...sizes.map((size) => u64(size))),
});

describe('MDF 4 channel arrays and structures', () => {
  it('give lists, rows first or columns first as the array says', async () => {
    const payload = u8(1, 2, 3, 4, 5, 6);
    const blocks = (flags: number) => ({
      ...channel({ label: 'a', composition: 'ca', byteOffset: 8 }),
      ca: arrayBlock([2, 3], 1, flags),
    });
    const rowFirst = await columnsOf([payload, payload], 'a', blocks(0));
    assert.deepEqual(rowFirst.columns, {
      a: [
        [1, 2, 3, 4, 5, 6],
        [1, 2, 3, 4, 5, 6],
      ],
    });
    assert.deepEqual(
      [rowFirst.schemas[0]?.type, rowFirst.schemas[0]?.source],
      [{ list: 'uint8' }, 'array 2x3'],
    );
    const columnFirst = await columnsOf([payload], 'a', blocks(0x40));
    assert.deepEqual(columnFirst.columns, { a: [[1, 3, 5, 2, 4, 6]] });
  });

  it('give members of structures their full name, arrays of structures a list each', async () => {
    const blocks = {
      ...channel({ label: 's', composition: 'ca', byteOffset: 8, dataType: 10, bitCount: 32 }),
      ca: arrayBlock([2], 2, 0, 's.a'),
      ...channel({ label: 's.a', next: 'b', byteOffset: 8 }),
      ...channel({ label: 'b', byteOffset: 9, conversion: 'cc' }),
      ...conversion('cc', 1, [0, 10]),
    };
    const { columns } = await columnsOf([u8(1, 2, 3, 4)], 's', blocks);
    assert.deepEqual(columns, { 's.a': [[1, 3]], 's.b': [[20, 40]] });
  });

  it('that reach out of their record lose that channel only', async () => {
    for (const ca of [arrayBlock([4], 1), arrayBlock([2 ** 40], 0), arrayBlock([2], -9)]) {
      const file = oneGroup('a', 2, [u8(1, 2)], {
        ...channel({ label: 'a', next: 'b', composition: 'ca', byteOffset: 8 }),
        ...channel({ label: 'b', byteOffset: 9 }),
        ca,
      });
      const reader = await openBytes(mdfBytes(file));
      assert.deepEqual((await readTables(reader))['group']?.columns, { b: [2] });
      assert.match(reader.loss().reasons.join(), /array a .*left out/);
    }
  });

  it('with the same name twice are kept apart', async () => {
    const blocks = {
      ...channel({ label: 'a', next: 'b', byteOffset: 8 }),
      ...channel({ label: 'b', byteOffset: 9 }),
      'b name': texts('a')['a']!,
    };
    const { columns } = await columnsOf([u8(1, 2)], 'a', blocks);
    assert.deepEqual(columns, { a: [1], 'a (2)': [2] });
  });
});
