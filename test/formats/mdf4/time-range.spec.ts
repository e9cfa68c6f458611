import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import { byteSourceOf } from '#formats/byte-source.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import {
  all,
  channel,
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
import { readTables } from './reading.ts';

const ROWS = 40_000;
const RECORD_BYTES = 12;
const BLOCKS = 40;
const BLOCK_ROWS = ROWS / BLOCKS;

/** Row i at i milliseconds, with the value i. */
function records(from: number, to: number, millisecondsOf = (row: number) => row): Uint8Array {
  const bytes = new Uint8Array((to - from) * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (let row = from; row < to; row++) {
    view.setFloat64((row - from) * RECORD_BYTES, millisecondsOf(row) / 1000, true);
    view.setUint32((row - from) * RECORD_BYTES + 8, row, true);
  }
  return bytes;
}

const blocks = <T>(of: (index: number) => T) => Array.from({ length: BLOCKS }, (_, index) => of(index));
const block = (index: number) => records(index * BLOCK_ROWS, (index + 1) * BLOCK_ROWS);
const named = (of: (index: number) => TestBlock): TestFile =>
  Object.fromEntries(blocks((index) => [`block ${index}`, of(index)] as const));
const names = blocks((index) => `block ${index}`);

function deflated(original: Uint8Array, originalId = 'DT'): TestBlock {
  const compressed = deflateSync(original);
  const fields = all(Buffer.from(originalId), u8(0, 0), u32(0), u64(original.length), u64(compressed.length));
  return { id: 'DZ', data: all(fields, compressed) };
}

const EQUAL = all(u8(1, 0, 0, 0), u32(BLOCKS), u64(BLOCK_ROWS * RECORD_BYTES));
const OFFSETS = all(
  u8(0, 0, 0, 0),
  u32(BLOCKS),
  ...blocks((index) => u64(index * BLOCK_ROWS * RECORD_BYTES)),
);
const LAYOUTS: Readonly<Record<string, TestFile>> = {
  'in one block': { data: { id: 'DT', data: records(0, ROWS) } },
  'in a list of equal blocks': {
    data: { id: 'DL', links: ['', ...names], data: EQUAL },
    ...named((index) => ({ id: 'DT', data: block(index) })),
  },
  'in a list with offsets': {
    data: { id: 'DL', links: ['', ...names], data: OFFSETS },
    ...named((index) => ({ id: 'DT', data: block(index) })),
  },
  'in compressed blocks': {
    data: { id: 'HL', links: ['list'], data: all(u16(1), u8(0), new Uint8Array(5)) },
    list: { id: 'DL', links: ['', ...names], data: EQUAL },
    ...named((index) => deflated(block(index))),
  },
  'column by column (4.2)': {
    data: { id: 'LD', links: ['', ...names], data: all(u32(1), u32(BLOCKS), u64(BLOCK_ROWS)) },
    ...named((index) => ({ id: 'DV', data: block(index) })),
  },
};

const VALUE = channel({ label: 'value', byteOffset: 8, bitCount: 32 });

async function opened(file: TestFile) {
  const bytes = mdfBytes(file);
  const source = byteSourceOf(bytes);
  const seen = { bytes: 0 };
  const counting = {
    sizeBytes: source.sizeBytes,
    read: (offset: number, lengthBytes: number) => {
      seen.bytes += lengthBytes;
      return source.read(offset, lengthBytes);
    },
  };
  const reader = await openMdf4(counting, { name: 'test.mf4', decompressors: NODE_DECOMPRESSORS });
  seen.bytes = 0;
  return { reader, seen, sizeBytes: bytes.length };
}

const at = (milliseconds: number) => START_NS + BigInt(milliseconds) * 1_000_000n;

describe('a time range of an MDF 4 file', () => {
  for (const [layout, data] of Object.entries(LAYOUTS)) {
    it(`${layout}, costs the blocks it lies in`, async () => {
      const file = oneGroup('value', 4, [], VALUE, { data, cycles: ROWS });
      for (const [from, to] of [
        [20_990, 21_010],
        [0, 5],
        [ROWS - 5, ROWS + 100],
        [-50, 0],
        [ROWS, ROWS + 1],
      ] as const) {
        const { reader, seen, sizeBytes } = await opened(file);
        const { group } = await readTables(reader, { startTimeNs: at(from), endTimeNs: at(to) });
        const [first, end] = [Math.max(0, from), Math.min(ROWS, to)];
        const expected = Array.from({ length: end - first }, (_, index) => first + index);
        assert.deepEqual(group?.columns['value'] ?? [], expected, `${from} to ${to}`);
        assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
        // Single records are looked at through pages of 64 KiB, which are kept.
        if (layout !== 'in compressed blocks') continue;
        assert.ok(seen.bytes < sizeBytes, `${seen.bytes} of ${sizeBytes} bytes read`);
      }
    });
  }

  it('of a large file reads little more than the range', async () => {
    const rows = Array.from({ length: 6000 }, () => new Uint8Array(4088));
    const file = oneGroup('value', 4088, rows, VALUE);
    const { reader, seen, sizeBytes } = await opened(file);
    const { group } = await readTables(reader, { startTimeNs: at(3_000_000), endTimeNs: at(3_010_000) });
    assert.equal(group?.time.length, 10);
    assert.ok(seen.bytes < sizeBytes / 4, `${seen.bytes} of ${sizeBytes} bytes read`);
  });

  it('whose clock goes back is found wherever it lies', async () => {
    const millisecondsOf = (row: number) => (row < ROWS / 2 ? row : row - ROWS / 2);
    const data: TestFile = { data: { id: 'DT', data: records(0, ROWS, millisecondsOf) } };
    const { reader } = await opened(oneGroup('value', 4, [], VALUE, { data, cycles: ROWS }));
    const { group } = await readTables(reader, { startTimeNs: at(100), endTimeNs: at(102) });
    assert.deepEqual(group?.columns['value'], [100, 101, 20_100, 20_101]);
  });

  it('behind a block that is not there has its rows, and counts nothing of the others', async () => {
    const data = { ...LAYOUTS['in a list of equal blocks']!, 'block 2': { id: 'XX', data: u8() } };
    const { reader } = await opened(oneGroup('value', 4, [], VALUE, { data, cycles: ROWS }));
    const { group } = await readTables(reader, { startTimeNs: at(30_000), endTimeNs: at(30_002) });
    assert.deepEqual(group?.columns['value'], [30_000, 30_001]);
  });

  it('takes values of variable length from their place in the signal data', async () => {
    const count = 5000;
    const rows = Array.from({ length: count }, (_, index) => u64(index * 8));
    const values = all(...Array.from({ length: count }, (_, index) => all(u32(4), u32(index))));
    const file = oneGroup('text', 8, rows, {
      ...channel({ label: 'text', type: 1, dataType: 10, byteOffset: 8, bitCount: 64, dataLink: 'sd' }),
      sd: { id: 'SD', data: values },
    });
    const { reader } = await opened(file);
    const { group } = await readTables(reader, { startTimeNs: at(4_000_000), endTimeNs: at(4_002_000) });
    assert.deepEqual(group?.columns['text'], ['a00f0000', 'a10f0000']);
  });
});
