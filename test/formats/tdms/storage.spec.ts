import assert from 'node:assert/strict';
import { byteSourceOf } from '#formats/byte-source.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { collectTable } from '#test/support/table-columns.ts';
import {
  BOOLEAN,
  COMPLEX64,
  COMPLEX128,
  channel,
  DAQMX,
  daqmxIndex,
  F32,
  F64,
  I16,
  I32,
  INTERLEAVED,
  little,
  METADATA,
  NEW_LIST,
  Order,
  openBytes,
  RAW_DATA,
  rawIndex,
  SAME_AS_BEFORE,
  SCALER_I16,
  SCALER_U8,
  segment,
  TIMESTAMP,
  textIndex,
  texts,
  UNIX_EPOCH,
} from './tdms-bytes.ts';

const WITHOUT_NEW_LIST = METADATA | RAW_DATA;
const i16 = (...values: number[]) => little.i16(...values);

async function columnsOf(...segments: Uint8Array[]) {
  const reader = await openBytes(...segments);
  const { columns } = await collectTable(reader, 'g');
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  return Object.fromEntries(columns);
}

const TWO_CHANNELS = [channel('a', rawIndex(I16, 2)), channel('b', rawIndex(I16, 3))];

describe('TDMS: how values are stored', () => {
  it('channels lie behind each other, in one chunk or in several', async () => {
    const chunk = i16(1, 2, 10, 20, 30);
    const columns = await columnsOf(
      segment({
        objects: [channel('a', rawIndex(I16, 2)), channel('b', rawIndex(I16, 2))],
        data: i16(1, 2, 10, 20, 3, 4, 30, 40),
      }),
    );
    assert.deepEqual(columns, { a: [1, 2, 3, 4], b: [10, 20, 30, 40] });
    const reader = await openBytes(segment({ objects: TWO_CHANNELS, data: Buffer.concat([chunk, chunk]) }));
    assert.deepEqual((await collectTable(reader, 'g')).columns.get('a'), [1, 2, 1, 2]);
    assert.deepEqual((await collectTable(reader, 'g/b')).columns.get('b'), [10, 20, 30, 10, 20, 30]);
  });

  it('a segment without metadata repeats the channels before it', async () => {
    const columns = await columnsOf(
      segment({ objects: [channel('a', rawIndex(I16, 2))], data: i16(1, 2) }),
      segment({ data: i16(3, 4, 5, 6) }),
    );
    assert.deepEqual(columns, { a: [1, 2, 3, 4, 5, 6] });
  });

  it('metadata without a new list changes and adds channels', async () => {
    const columns = await columnsOf(
      segment({ objects: [channel('a', rawIndex(I16, 1))], data: i16(1) }),
      segment({ objects: [channel('b', rawIndex(I16, 2))], toc: WITHOUT_NEW_LIST, data: i16(2, 10, 20) }),
      segment({ objects: [channel('a', rawIndex(I16, 2))], toc: WITHOUT_NEW_LIST, data: i16(3, 4, 30, 40) }),
      segment({ objects: [channel('b')], toc: WITHOUT_NEW_LIST, data: i16(5, 6) }),
      segment({ objects: [channel('b', SAME_AS_BEFORE)], data: i16(50, 60) }),
    );
    assert.deepEqual(columns, { a: [1, 2, 3, 4, 5, 6], b: [10, 20, 30, 40, 50, 60] });
  });

  it('properties of later segments replace earlier ones', async () => {
    const reader = await openBytes(
      segment({ objects: [{ path: '/', properties: { author: 'A', place: 'P' } }] }),
      segment({
        objects: [
          { path: '/', properties: { author: 'B' } },
          { path: "/'it''s'", properties: { x: 1.5 } },
        ],
      }),
    );
    assert.deepEqual(reader.summary.properties, { author: 'B', place: 'P', "it's.x": '1.5' });
  });

  it('interleaved channels of different sizes, the last row of a shorter chunk included', async () => {
    const rows = [1, 2, 3].map((value) => Buffer.concat([i16(value), little.f64(value / 2)]));
    const columns = await columnsOf(
      segment({
        objects: [channel('a', rawIndex(I16, 2)), channel('b', rawIndex(F64, 2))],
        toc: METADATA | NEW_LIST | RAW_DATA | INTERLEAVED,
        data: Buffer.concat(rows),
      }),
    );
    assert.deepEqual(columns, { a: [1, 2, 3], b: [0.5, 1, 1.5] });
  });

  it('a closed segment whose last chunk is short shortens all channels alike', async () => {
    const columns = await columnsOf(
      segment({
        objects: [channel('a', rawIndex(I16, 2)), channel('b', rawIndex(I16, 2))],
        data: i16(1, 2, 10, 20, 3, 30),
      }),
    );
    assert.deepEqual(columns, { a: [1, 2, 3], b: [10, 20, 30] });
  });

  it('many chunks of one value each', async () => {
    const values = Int16Array.from({ length: 200_000 }, (_, i) => (i % 2 === 0 ? i % 1000 : -(i % 1000)));
    const objects = [channel('a', rawIndex(I16, 1)), channel('b', rawIndex(I16, 1))];
    const columns = await columnsOf(segment({ objects, data: Buffer.from(values.buffer) }));
    const plain = [...values];
    assert.deepEqual(columns, {
      a: plain.filter((_, i) => i % 2 === 0),
      b: plain.filter((_, i) => i % 2 === 1),
    });
  });

  for (const isBig of [false, true]) {
    it(`all types, ${isBig ? 'big' : 'little'} endian`, async () => {
      const order = new Order(isBig);
      const number = (sizeBytes: number, write: (view: DataView) => void) => {
        const bytes = Buffer.alloc(sizeBytes);
        write(new DataView(bytes.buffer, bytes.byteOffset));
        return bytes;
      };
      const le = !isBig;
      /** IEEE 754 binary128, most significant byte first. */
      const quad = (hex: string) => (isBig ? Buffer.from(hex, 'hex') : Buffer.from(hex, 'hex').reverse());
      const values: [string, number, Buffer, unknown][] = [
        ['i8', 1, Buffer.of(0xfe), -2],
        ['i16', I16, order.i16(-300), -300],
        ['i32', I32, number(4, (view) => view.setInt32(0, -70_000, le)), -70_000],
        ['i64', 4, order.u64(BigInt.asUintN(64, -(2n ** 60n))), -(2n ** 60n)],
        ['u8', 5, Buffer.of(254), 254],
        ['u16', 6, order.i16(-1), 65_535],
        ['u32', 7, order.u32(4_000_000_000), 4_000_000_000],
        ['u64', 8, order.u64(2n ** 63n), 2n ** 63n],
        ['f32', F32, number(4, (view) => view.setFloat32(0, 0.5, le)), 0.5],
        ['f64', F64, order.f64(1.25), 1.25],
        ['f32 with unit', 0x19, number(4, (view) => view.setFloat32(0, 1.5, le)), 1.5],
        ['f64 with unit', 0x1a, order.f64(2.5), 2.5],
        ['extended', 11, quad('4000921fb54442d18469898cc51701b8'), Math.PI],
        ['extended with unit', 0x1b, quad('bffe0000000000000000000000000000'), -0.5],
        ['largest', 11, quad('43fefffffffffffff000000000000000'), Number.MAX_VALUE],
        ['smallest', 11, quad('3bcd0000000000000000000000000000'), 2 ** -1074],
        ['too large', 11, quad('43ff0000000000000000000000000000'), Number.POSITIVE_INFINITY],
        ['nothing', 11, quad('00000000000000000000000000000000'), 0],
        ['no number', 11, quad('7fff8000000000000000000000000000'), Number.NaN],
        ['boolean', BOOLEAN, Buffer.of(7), 1],
      ];
      const objects = values.map(([name, type]) => channel(name, rawIndex(type, 1, order)));
      const columns = await columnsOf(
        segment({ order, objects, data: Buffer.concat(values.map(([, , bytes]) => bytes)) }),
      );
      assert.deepEqual(columns, Object.fromEntries(values.map(([name, , , value]) => [name, [value]])));
    });

    it(`times, texts and complex numbers, ${isBig ? 'big' : 'little'} endian`, async () => {
      const order = new Order(isBig);
      const single = (value: number) => {
        const bytes = Buffer.alloc(4);
        new DataView(bytes.buffer, bytes.byteOffset).setFloat32(0, value, !isBig);
        return bytes;
      };
      const columns = await columnsOf(
        segment({
          order,
          objects: [
            channel('when', rawIndex(TIMESTAMP, 2, order)),
            channel('what', textIndex(2, 8 + 6, order)),
            channel('c64', rawIndex(COMPLEX64, 2, order)),
            channel('c128', rawIndex(COMPLEX128, 2, order)),
          ],
          data: Buffer.concat([
            // A quarter of a second; 0.6 ns, which is rounded up.
            order.time(UNIX_EPOCH + 1_600_000_000n, 2n ** 62n),
            order.time(UNIX_EPOCH - 1n, (6n << 64n) / 10_000_000_000n),
            texts(['äb', 'xyz'], order),
            ...[1, 2, 3, 4].map(single),
            ...[1.5, 2.5, 3.5, 4.5].map((value) => order.f64(value)),
          ]),
        }),
      );
      assert.deepEqual(columns, {
        when: [1_600_000_000_250_000_000n, -999_999_999n],
        what: ['äb', 'xyz'],
        'c64.re': [1, 3],
        'c64.im': [2, 4],
        'c128.re': [1.5, 3.5],
        'c128.im': [2.5, 4.5],
      });
    });
  }

  it('texts in several chunks and segments', async () => {
    const objects = [channel('n', rawIndex(I16, 2)), channel('t', textIndex(2, 8 + 3))];
    const chunk = (first: string, second: string) => Buffer.concat([i16(1, 2), texts([first, second])]);
    const columns = await columnsOf(
      segment({ objects, data: Buffer.concat([chunk('a', 'bc'), chunk('', 'def')]) }),
      segment({ data: chunk('ghi', '') }),
    );
    assert.deepEqual(columns['t'], ['a', 'bc', '', 'def', 'ghi', '']);
  });

  it('a channel whose number type changes becomes float64', async () => {
    const columns = await columnsOf(
      segment({ objects: [channel('a', rawIndex(I16, 2))], data: i16(1, 2) }),
      segment({ objects: [channel('a', rawIndex(F64, 1))], data: little.f64(2.5) }),
    );
    assert.deepEqual(columns, { a: [1, 2, 2.5] });
  });

  it('DAQmx: the scalers of two channels in one buffer, whether or not the table of contents says so', async () => {
    const objects = [
      channel('a', daqmxIndex(3, [{ type: SCALER_I16, offset: 0 }], [4])),
      channel('b', daqmxIndex(3, [{ type: SCALER_I16, offset: 2 }], [4])),
    ];
    const data = i16(1, -1, 2, -2, 3, -3);
    for (const daqmx of [0, DAQMX]) {
      const columns = await columnsOf(
        segment({ objects, data, toc: METADATA | NEW_LIST | RAW_DATA | daqmx }),
      );
      assert.deepEqual(columns, { a: [1, 2, 3], b: [-1, -2, -3] });
    }
  });

  it('DAQmx: two cards with a buffer each, and a channel of two scalers', async () => {
    const objects = [
      channel(
        'a',
        daqmxIndex(
          2,
          [
            { type: SCALER_I16, offset: 0 },
            { type: SCALER_U8, offset: 2, scaleId: 7 },
          ],
          [3, 2],
        ),
      ),
      channel('b', daqmxIndex(2, [{ type: SCALER_I16, buffer: 1, offset: 0 }], [3, 2])),
    ];
    const card = Buffer.concat([i16(1), Buffer.of(9), i16(2), Buffer.of(8)]);
    const columns = await columnsOf(segment({ objects, data: Buffer.concat([card, i16(5, 6)]) }));
    assert.deepEqual(columns, { 'a.scaler0': [1, 2], 'a.scaler7': [9, 8], b: [5, 6] });
  });

  it('DAQmx: digital lines are bits', async () => {
    const lines = [0, 3, 9].map((bit) =>
      channel(`line ${bit}`, daqmxIndex(3, [{ type: SCALER_U8, offset: bit }], [2], true)),
    );
    const data = Buffer.of(0b0000_1001, 0b10, 0b0000_0001, 0b00, 0b0000_1000, 0b11);
    const columns = await columnsOf(segment({ objects: lines, data }));
    assert.deepEqual(columns, { 'line 0': [1, 1, 0], 'line 3': [1, 0, 1], 'line 9': [1, 0, 1] });
  });

  it('one channel of a large interleaved file costs its rows, and one of a contiguous file only its own bytes', async () => {
    const count = 400_000;
    const objects = ['a', 'b', 'c', 'd'].map((name) => channel(name, rawIndex(F64, count)));
    const file = segment({ objects, data: Buffer.alloc(4 * 8 * count, 1) });
    const source = byteSourceOf(file);
    let readBytes = 0;
    const reader = await openTdms(
      {
        sizeBytes: source.sizeBytes,
        read(offset, lengthBytes) {
          readBytes += lengthBytes;
          return source.read(offset, lengthBytes);
        },
      },
      { name: 'test.tdms', decompressors: NODE_DECOMPRESSORS },
    );
    assert.ok(readBytes < 100_000, `opening reads ${readBytes} bytes`);
    const table = await collectTable(reader, 'g', { columns: ['c'] });
    assert.equal(table.columns.get('c')?.length, count);
    assert.ok(readBytes < 8 * count * 1.1, `${readBytes} bytes are read for ${8 * count}`);
  });

  it('values that lie far apart in the file come in batches of their own, so that memory stays small', async () => {
    const fillerBytes = 17 * 2 ** 20;
    const objects = [channel('a', rawIndex(I16, 1)), channel('filler', rawIndex(I16, fillerBytes / 2))];
    const data = (value: number) => Buffer.concat([i16(value), Buffer.alloc(fillerBytes)]);
    const reader = await openBytes(segment({ objects, data: data(1) }), segment({ data: data(2) }));
    const batches = await Array.fromAsync(reader.read({ tables: ['g'] }));
    assert.deepEqual(
      batches.map(({ rowCount, columns }) => [rowCount, columns[0]!.values]),
      [
        [1, Int16Array.of(1)],
        [1, Int16Array.of(2)],
      ],
    );
  });
});
