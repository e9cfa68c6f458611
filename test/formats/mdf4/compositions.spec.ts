import assert from 'node:assert/strict';
import { all, channel, mdfBytes, oneGroup, type TestBlock, u8, u32, u64 } from './blocks-in-test.ts';
import { openBytes, readTables } from './reading.ts';

/** What the four composition blocks of 4.3 begin with does not matter here: nothing of them is read. */
function composition(id: string): TestBlock {
  return { id, links: ['a', 'b'], data: all(u32(2), u32(0), u64(1), u64(2)) };
}

/** One channel of four bytes with a composition of the given kind, between two ordinary ones. */
function fileWith(id: string, spec: { bitCount?: number; dataType?: number } = {}): Uint8Array {
  const blocks = {
    ...channel({ label: 'before', next: 'packed', byteOffset: 8 }),
    ...channel({
      label: 'packed',
      next: 'after',
      composition: 'parts',
      byteOffset: 9,
      bitCount: 32,
      ...spec,
    }),
    ...channel({ label: 'after', byteOffset: 13 }),
    ...channel({ label: 'a', byteOffset: 9, bitCount: 16 }),
    ...channel({ label: 'b', byteOffset: 11, bitCount: 16 }),
    parts: composition(id),
  };
  const rows = [u8(1, 0xaa, 0xbb, 0xcc, 0xdd, 2), u8(3, 0x11, 0x22, 0x33, 0x44, 4)];
  return mdfBytes(oneGroup('before', 6, rows, blocks), { version: 430 });
}

describe('a channel composed as MDF 4.30 allows', () => {
  const kinds = {
    CU: /channel packed is a union .* given as bytes/,
    CV: /channel packed is a variant .* given as bytes/,
    CL: /channel packed is a list of changing length .* given as bytes/,
    DS: /channel packed is a data stream .* given as bytes/,
    XY: /channel packed is composed by an unknown XY block .* given as bytes/,
  };
  for (const [id, reason] of Object.entries(kinds)) {
    it(`by a ${id} block is given as its bytes, and named among the losses`, async () => {
      for (const dataType of [0, 10]) {
        const reader = await openBytes(fileWith(id, { dataType }));
        assert.deepEqual((await readTables(reader))['group']?.columns, {
          before: [1, 3],
          packed: ['aabbccdd', '11223344'],
          after: [2, 4],
        });
        const { records, bytes, reasons } = reader.loss();
        assert.deepEqual([records, bytes, reasons.length], [0, 0, 1]);
        assert.match(reasons[0]!, reason);
      }
    });
  }

  it('of no whole bytes stays the number that it declares', async () => {
    const reader = await openBytes(fileWith('CU', { bitCount: 12 }));
    assert.deepEqual((await readTables(reader))['group']?.columns['packed'], [0xbaa, 0x211]);
    assert.match(reader.loss().reasons.join(), /given as the number it declares/);
  });
});
