import assert from 'node:assert/strict';
import fc from 'fast-check';
import { blockSizeFor, blocksOf, blocksOfVersion, differenceOf } from '#domain/block-ledger.ts';

const MEBIBYTE = 1024 ** 2;

function ledgerFile(sizeBytes: number, blockSizeBytes: number) {
  const blockMd5s = Array.from({ length: Math.ceil(sizeBytes / blockSizeBytes) }, (_, index) =>
    index.toString(16).padStart(32, '0'),
  );
  return { path: 'a', sizeBytes, eTag: 'e', sha256: '0'.repeat(64), blockSizeBytes, blockMd5s };
}

describe('the block ledger', () => {
  it('never needs more than 50,000 blocks, and uses blocks of 8 MiB while it can', () => {
    assert.equal(blockSizeFor(0), 8 * MEBIBYTE);
    assert.equal(blockSizeFor(50_000 * 8 * MEBIBYTE), 8 * MEBIBYTE);
    assert.equal(blockSizeFor(50_000 * 8 * MEBIBYTE + 1), 9 * MEBIBYTE);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50_000 * 4000 * MEBIBYTE }), (sizeBytes) => {
        assert.ok(Math.ceil(sizeBytes / blockSizeFor(sizeBytes)) <= 50_000);
      }),
    );
  });

  it('covers every byte of a file once, in order, with ids of one length', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 1, max: 64 }),
        (sizeBytes, blockSize) => {
          const blocks = blocksOf(ledgerFile(sizeBytes, blockSize));
          let offset = 0;
          for (const block of blocks) {
            assert.equal(block.offset, offset);
            assert.ok(block.sizeBytes > 0);
            offset += block.sizeBytes;
          }
          assert.equal(offset, sizeBytes);
          assert.ok(new Set(blocks.map((block) => block.blockId.length)).size <= 1);
          assert.equal(new Set(blocks.map((block) => block.blockId)).size, blocks.length);
        },
      ),
    );
  });

  it('tells one version of an unread file from another', () => {
    const [before] = blocksOfVersion(10, '0x8DC1');
    const [after] = blocksOfVersion(10, '0x8DC2');
    assert.notEqual(before?.blockId, after?.blockId);
  });

  it('says how a committed block list differs', () => {
    const blocks = blocksOf(ledgerFile(100, 40));
    const committed = blocks.map(({ blockId, sizeBytes }) => ({ blockId, sizeBytes }));
    assert.equal(differenceOf(blocks, committed), undefined);
    assert.equal(differenceOf(blocks, undefined), 'is not there');
    assert.equal(differenceOf(blocks, committed.slice(1)), 'has 2 blocks, should have 3');
    assert.equal(
      differenceOf(blocks, committed.with(1, { ...committed[1]!, sizeBytes: 39 })),
      'differs in block 1',
    );
    assert.equal(differenceOf(blocks, committed.with(2, committed[1]!)), 'differs in block 2');
  });
});
