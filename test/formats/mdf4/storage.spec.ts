import assert from 'node:assert/strict';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { byteSourceOf } from '#formats/byte-source.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import { VariableStream } from '#formats/mdf4/record-buffers.ts';
import {
  all,
  channel,
  channelGroup,
  columnsApart,
  dataGroup,
  f64,
  header,
  MASTER,
  mdfBytes,
  oneGroup,
  START_NS,
  type TestBlock,
  type TestFile,
  u8,
  u16,
  u32,
  u64,
} from './blocks-in-test.ts';
import { NODE_DECOMPRESSORS } from './node-decompressors.ts';
import { openBytes, readTables } from './reading.ts';

const ROWS = 100;
const RECORD_BYTES = 10;
const VALUES = Array.from({ length: ROWS }, (_, row) => row * 3);
const RECORDS = all(...VALUES.map((value, row) => all(f64(row), u16(value))));
const X = channel({ label: 'x', byteOffset: 8, bitCount: 16 });

const sliceRecords = (from: number, to: number) => RECORDS.subarray(from, to);
const dt = (from: number, to: number): TestBlock => ({ id: 'DT', data: sliceRecords(from, to) });

function transposed(bytes: Uint8Array, recordBytes: number): Uint8Array {
  const count = Math.floor(bytes.length / recordBytes);
  const columns: number[] = [];
  for (let byte = 0; byte < recordBytes; byte++)
    for (let row = 0; row < count; row++) columns.push(bytes[row * recordBytes + byte]!);
  return all(Uint8Array.from(columns), bytes.subarray(count * recordBytes));
}

function dz(zipType: number, bytes: Uint8Array, originalId = 'DT'): TestBlock {
  const plain = (zipType & 1) === 1 ? transposed(bytes, RECORD_BYTES) : bytes;
  const compress = [deflateSync, zstdCompressSync, (raw: Uint8Array) => compressFrameSync(Buffer.from(raw))][
    zipType >> 1
  ]!;
  const compressed = compress(plain);
  const parameter = (zipType & 1) === 1 ? RECORD_BYTES : 0;
  return {
    id: 'DZ',
    data: all(
      Buffer.from(originalId),
      u8(zipType, 0),
      u32(parameter),
      u64(bytes.length),
      u64(compressed.length),
      compressed,
    ),
  };
}

function dl(blocks: readonly string[], offsets: readonly number[], next = ''): TestBlock {
  return {
    id: 'DL',
    links: [next, ...blocks],
    data: all(u8(0, 0, 0, 0), u32(blocks.length), ...offsets.map((offset) => u64(offset))),
  };
}

async function assertRows(data: TestFile): Promise<void> {
  const reader = await openBytes(mdfBytes(oneGroup('x', 2, [], X, { data, cycles: ROWS })));
  const { group } = await readTables(reader);
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  assert.deepEqual(group?.columns['x'], VALUES);
  assert.deepEqual(group?.time.at(-1), START_NS + BigInt(ROWS - 1) * 1_000_000_000n);
  const summary = reader.summary.tables[0];
  assert.deepEqual(
    [summary?.startTimeNs, summary?.endTimeNs, summary?.rowCount],
    [START_NS, group?.time.at(-1), ROWS],
  );
}

describe('sorted MDF 4 data', () => {
  it('in one block', () => assertRows({ data: dt(0, 1000) }));

  it('in lists of lists, records cut anywhere', () =>
    assertRows({
      data: dl(['a', 'b'], [0, 333], 'more'),
      more: dl(['c', 'd'], [340, 340]),
      a: dt(0, 333),
      b: dt(333, 340),
      c: dt(340, 340),
      d: dt(340, 1000),
    }));

  for (const zipType of [0, 1, 2, 3, 4, 5]) {
    it(`compressed with zip type ${zipType}, records cut at the block's end`, () =>
      assertRows({
        data: { id: 'HL', links: ['list'], data: u8(0, 0, zipType, 0, 0, 0, 0, 0) },
        list: dl(['a', 'b', 'c'], [0, 500, 703]),
        a: dz(zipType, sliceRecords(0, 500)),
        b: dz(zipType, sliceRecords(500, 703)),
        c: dz(zipType, sliceRecords(703, 1000)),
      }));
  }

  it('in a list where a data group usually names a block, compressed and plain mixed', () =>
    assertRows({ data: dl(['a', 'b'], [0, 400]), a: dz(0, sliceRecords(0, 400)), b: dt(400, 1000) }));

  it('transposed, with some columns selected, keeps their values and their validity', async () => {
    const rows = Array.from({ length: ROWS }, (_, row) =>
      all(f64(row), u8(row), u8(255 - row), u8(row % 5 === 0 ? 1 : 0)),
    );
    const bytes = all(...rows);
    const part = (from: number, to: number): TestBlock => {
      const compressed = deflateSync(transposed(bytes.subarray(from, to), 11));
      return {
        id: 'DZ',
        data: all(Buffer.from('DT'), u8(1, 0), u32(11), u64(to - from), u64(compressed.length), compressed),
      };
    };
    const blocks = {
      ...channel({ label: 'x', next: 'y', byteOffset: 8 }),
      ...channel({ label: 'y', byteOffset: 9, flags: 2 }),
    };
    const data = {
      data: dl(['a', 'b', 'c'], [0, 330, 606]),
      a: part(0, 330),
      b: part(330, 606),
      c: part(606, 1100),
    };
    const reader = await openBytes(
      mdfBytes(oneGroup('x', 2, [], blocks, { data, cycles: ROWS, invalidationBytes: 1 })),
    );
    const { group } = await readTables(reader, { columns: ['y'] });
    assert.deepEqual(group?.columns, {
      y: Array.from({ length: ROWS }, (_, row) => (row % 5 === 0 ? null : 255 - row)),
    });
    assert.deepEqual(reader.loss().reasons, []);
  });

  it('column by column (4.2), invalidation bytes apart, is one table', async () => {
    const values = all(...VALUES.map((value) => u16(value)));
    const times = all(...VALUES.map((_, row) => f64(row)));
    const flags = Uint8Array.from(VALUES, (_, row) => (row % 10 === 0 ? 1 : 0));
    const file = columnsApart({
      rows: ROWS,
      blockRows: 60,
      times,
      values: [values.subarray(0, 120), values.subarray(120)],
      flags: [flags.subarray(0, 60), flags.subarray(60)],
    });
    const reader = await openBytes(mdfBytes(file, { version: 420 }));
    const tables = await readTables(reader);
    assert.deepEqual(Object.keys(tables), ['times']);
    assert.deepEqual(
      tables['times']?.columns['x'],
      VALUES.map((value, row) => (row % 10 === 0 ? null : value)),
    );
    assert.equal(tables['times']?.time[5], START_NS + 5_000_000_000n);
    assert.deepEqual(reader.loss().reasons, []);
  });

  it('is read only where the selection leads', async () => {
    const file = {
      ...header({ dataGroup: 'dg1' }),
      ...dataGroup('dg1', 'g1', 'd1', 0, 'dg2'),
      ...dataGroup('dg2', 'g2', 'd2'),
      ...channelGroup({ label: 'g1', first: 'time', cycles: ROWS, dataBytes: RECORD_BYTES }),
      ...channelGroup({ label: 'g2', first: 'time2', cycles: ROWS, dataBytes: RECORD_BYTES }),
      ...channel({ ...MASTER, next: 'x' }),
      ...X,
      ...channel({ ...MASTER, label: 'time2', next: 'y' }),
      ...channel({ label: 'y', byteOffset: 8, bitCount: 16 }),
      d2: { id: 'DT', data: RECORDS },
      // Far behind everything else, so that no cached page holds it by chance.
      gap: { id: 'DT', data: new Uint8Array(300_000) },
      d1: { id: 'DT', data: RECORDS },
    };
    const bytes = mdfBytes(file);
    const plain = byteSourceOf(bytes);
    const read: number[] = [];
    const source = {
      sizeBytes: plain.sizeBytes,
      read: (offset: number, lengthBytes: number) => {
        read.push(offset);
        return plain.read(offset, lengthBytes);
      },
    };
    const reader = await openMdf4(source, { name: 'test.mf4', decompressors: NODE_DECOMPRESSORS });
    const first = Math.floor((bytes.length - RECORDS.length - 24) / 65_536) * 65_536;
    assert.ok(read.includes(first), 'opening looks at the first and last time of each table');
    read.length = 0;
    const tables = await readTables(reader, { tables: ['g2'], columns: ['y'] });
    assert.deepEqual(Object.keys(tables), ['g2']);
    assert.ok(
      read.every((offset) => offset < first),
      `read ${read.join()}`,
    );
  });

  it('between two times gives the rows in between, the end excluded', async () => {
    const reader = await openBytes(
      mdfBytes(oneGroup('x', 2, [], X, { data: { data: dt(0, 1000) }, cycles: ROWS })),
    );
    const second = 1_000_000_000n;
    const { group } = await readTables(reader, {
      startTimeNs: START_NS + 10n * second,
      endTimeNs: START_NS + 12n * second,
    });
    assert.deepEqual(group?.columns['x'], [30, 33]);
  });
});

/** Two fixed groups with ids 1 and 2 and a VLSD group with id 3 that belongs to the first. */
function mixed(data: Uint8Array, recordIdBytes: number, cycles: readonly number[]): TestFile {
  return {
    ...header({ dataGroup: 'dg' }),
    ...dataGroup('dg', 'first', 'data', recordIdBytes),
    ...channelGroup({
      label: 'first',
      next: 'second',
      first: 'time',
      recordId: 1,
      cycles: cycles[0]!,
      dataBytes: 16,
    }),
    ...channelGroup({
      label: 'second',
      next: 'values',
      first: 'time2',
      recordId: 2,
      cycles: cycles[1]!,
      dataBytes: 9,
    }),
    ...channelGroup({ label: 'values', first: '', recordId: 3, cycles: cycles[0]!, dataBytes: 0, flags: 1 }),
    ...channel({ ...MASTER, next: 'text' }),
    ...channel({ label: 'text', type: 1, dataType: 7, byteOffset: 8, bitCount: 64, dataLink: 'values' }),
    ...channel({ ...MASTER, label: 'time2', next: 'y' }),
    ...channel({ label: 'y', byteOffset: 8 }),
    data: { id: 'DT', data },
  };
}

const MIXED_ROWS = 50;
const idOf = (id: number, recordIdBytes: number) => all(u8(id), new Uint8Array(recordIdBytes - 1));

/** `valueFirst`: whether the value comes before the record that refers to it. */
function mixedRecords(recordIdBytes: number, valueFirst: boolean, placeOf = (place: number) => place) {
  const parts: Uint8Array[] = [];
  const texts: string[] = [];
  let place = 0;
  for (let row = 0; row < MIXED_ROWS; row++) {
    const value = Buffer.from('x'.repeat(row % 7) + row);
    texts.push(value.toString());
    const fixed = all(idOf(1, recordIdBytes), f64(row), u64(placeOf(place)));
    const apart = all(idOf(3, recordIdBytes), u32(value.length), value);
    parts.push(...(valueFirst ? [apart, fixed] : [fixed, apart]));
    place += 4 + value.length;
    if (row % 2 === 0) parts.push(all(idOf(2, recordIdBytes), f64(row), u8(row)));
  }
  return { data: all(...parts), texts };
}

/** The mixed data in a list of blocks of one length. */
function inBlocks(data: Uint8Array, recordIdBytes: number, blockBytes: number): TestFile {
  const starts = Array.from(
    { length: Math.ceil(data.length / blockBytes) },
    (_, index) => index * blockBytes,
  );
  const blocks = starts.map((start, index) => [
    `b${index}`,
    { id: 'DT', data: data.subarray(start, start + blockBytes) },
  ]);
  return {
    ...mixed(data, recordIdBytes, [MIXED_ROWS, MIXED_ROWS / 2]),
    data: dl(
      starts.map((_, index) => `b${index}`),
      starts,
    ),
    ...Object.fromEntries(blocks),
  };
}

async function assertMixed(bytes: Uint8Array, texts: readonly string[]): Promise<void> {
  const reader = await openBytes(bytes);
  assert.deepEqual(
    reader.summary.tables.map((table) => [table.name, table.rowCount]),
    [
      ['first', MIXED_ROWS],
      ['second', MIXED_ROWS / 2],
    ],
  );
  const tables = await readTables(reader);
  assert.deepEqual(tables['first']?.columns['text'], texts);
  assert.deepEqual(
    tables['second']?.columns['y'],
    Array.from({ length: MIXED_ROWS / 2 }, (_, row) => row * 2),
  );
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  const alone = await readTables(reader, { tables: ['second'], columns: ['y'] });
  assert.deepEqual(alone, {
    second: { time: tables['second']?.time, columns: { y: tables['second']?.columns['y'] } },
  });
}

describe('unsorted MDF 4 data', () => {
  for (const recordIdBytes of [1, 2, 4, 8]) {
    for (const valueFirst of [true, false]) {
      it(`with ids of ${recordIdBytes} bytes, values ${valueFirst ? 'before' : 'behind'} their records`, async () => {
        const { data, texts } = mixedRecords(recordIdBytes, valueFirst);
        await assertMixed(mdfBytes(mixed(data, recordIdBytes, [MIXED_ROWS, MIXED_ROWS / 2])), texts);
      });
    }
  }

  it('in compressed blocks that cut records', async () => {
    const { data, texts } = mixedRecords(1, true);
    const cuts = [0, 1, 100, 101, 777, data.length];
    const blocks = cuts
      .slice(1)
      .map((end, index) => [`b${index}`, dz(0, data.subarray(cuts[index], end))] as const);
    const file = {
      ...mixed(data, 1, [MIXED_ROWS, MIXED_ROWS / 2]),
      data: { id: 'HL', links: ['list'], data: u8(0, 0, 0, 0, 0, 0, 0, 0) },
      list: dl(
        blocks.map(([label]) => label),
        cuts.slice(0, -1),
      ),
      ...Object.fromEntries(blocks),
    };
    await assertMixed(mdfBytes(file), texts);
  });

  for (const blockBytes of [1, 3, 16]) {
    it(`in blocks of ${blockBytes} bytes, smaller than a record or its id`, async () => {
      const { data, texts } = mixedRecords(4, false);
      await assertMixed(mdfBytes(inBlocks(data, 4, blockBytes)), texts);
    });
  }

  it('with an unknown record id over the end of a block: what was there of it counts as lost, too', async () => {
    const { data } = mixedRecords(4, false);
    // A record and its value; one byte of the id, and the first block is over.
    const known = data.subarray(0, 29);
    const broken = all(known, idOf(9, 4), new Uint8Array(27).fill(7));
    const reader = await openBytes(mdfBytes(inBlocks(broken, 4, known.length + 1)));
    await readTables(reader);
    const { bytes, reasons } = reader.loss();
    assert.ok(
      reasons.some((reason) => reason.startsWith('no channel group has record id 9')),
      reasons.join('; '),
    );
    assert.equal(bytes, 31, reasons.join('; '));
  });

  it('of a logger that lost power: no length, no counters, zeros at the end', async () => {
    const { data, texts } = mixedRecords(1, false);
    const file = mixed(data, 1, [0, 0]);
    const cut = { ...file, data: { id: 'DT', data: all(data, new Uint8Array(64)), length: 24n } };
    await assertMixed(mdfBytes(cut, { magic: 'UnFinMF ', unfinished: 0x25 }), texts);
  });

  it('whose places were never written takes values in their order', async () => {
    const { data, texts } = mixedRecords(1, false, () => 0);
    const file = mixed(data, 1, [0, 0]);
    await assertMixed(mdfBytes(file, { magic: 'UnFinMF ', unfinished: 0x65 }), texts);
  });

  it('drops values that have been handed out', () => {
    const stream = new VariableStream(true);
    const value = all(u32(2), u8(7, 8));
    stream.append(value, 0, 6);
    stream.append(value, 0, 6);
    assert.equal(stream.values([0]).missing, 0);
    stream.forget();
    assert.equal(stream.sizeBytes, 6);
    assert.deepEqual(stream.values([6, 0]).column.validity, u8(1, 0));
  });

  it('with more than one batch keeps every record and every value', async () => {
    const rows = 60_000;
    const value = 'v'.repeat(250);
    const parts: Buffer[] = [];
    for (let row = 0; row < rows; row++) {
      const record = Buffer.alloc(17 + 5 + value.length);
      record.writeUInt8(1, 0);
      record.writeDoubleLE(row, 1);
      record.writeBigUInt64LE(BigInt(row * (4 + value.length)), 9);
      record.writeUInt8(3, 17);
      record.writeUInt32LE(value.length, 18);
      record.write(`${row}`.padEnd(value.length, '.'), 22, 'latin1');
      parts.push(record);
    }
    const reader = await openBytes(mdfBytes(mixed(Buffer.concat(parts), 1, [rows, 0])));
    let next = 0;
    let batches = 0;
    for await (const batch of reader.read()) {
      const values = batch.columns[0]!.values;
      assert.ok('kind' in values && values.kind === 'variable');
      for (let row = 0; row < batch.rowCount; row++, next++) {
        assert.equal(
          Number.parseInt(
            Buffer.from(values.bytes.subarray(values.offsets[row], values.offsets[row]! + 8)).toString(),
            10,
          ),
          next,
        );
      }
      batches += 1;
    }
    assert.equal(next, rows);
    assert.ok(batches > 1, 'one batch would hold the whole file');
    assert.deepEqual(reader.loss().reasons, []);
  });
});
