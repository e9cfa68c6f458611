import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { LedgerSource } from '#containers/validate/ledger-source.ts';
import { byteSourceOf } from '#formats/byte-source.ts';

const BLOCK = 64;
const bytes = Uint8Array.from({ length: 64 * 40 + 7 }, (_, index) => (index * 31) % 251);
const md5 = (part: Uint8Array) => createHash('md5').update(part).digest('hex');

function sourceOf() {
  return new LedgerSource(byteSourceOf(bytes), { blockSizeBytes: BLOCK, md5: true, crc64: false });
}

async function assertChecksums(source: LedgerSource): Promise<void> {
  const checksums = await source.finish();
  assert.equal(checksums.sha256, createHash('sha256').update(bytes).digest('hex'));
  assert.equal(checksums.md5, md5(bytes));
  assert.equal(checksums.crc64, undefined);
  assert.equal(checksums.blockMd5s.length, 41);
  assert.equal(checksums.blockMd5s[40], md5(bytes.subarray(64 * 40)));
}

describe('the ledger source', () => {
  it('computes all checksums when nobody reads', async () => {
    const source = sourceOf();
    await assertChecksums(source);
    assert.equal(source.bytesFetched, bytes.length);
  });

  it('gives a reader the right bytes, and the checksums stay right, whatever it asks for', async () => {
    const range = fc.tuple(fc.nat(bytes.length), fc.nat(200));
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 12 }), async (ranges) => {
        const source = sourceOf();
        await Promise.all(
          ranges.map(async ([offset, wanted]) => {
            const length = Math.min(wanted, bytes.length - offset);
            assert.deepEqual(await source.read(offset, length), bytes.slice(offset, offset + length));
          }),
        );
        await assertChecksums(source);
      }),
    );
  });

  it('fetches each byte once for a reader that looks at the end and then goes forward', async () => {
    const source = sourceOf();
    await source.read(0, 20);
    await source.read(bytes.length - 100, 100);
    for (let offset = 0; offset + 50 < bytes.length; offset += 50) await source.read(offset, 50);
    await assertChecksums(source);
    // The blocks of the end were looked at long before their turn, and are fetched again then.
    assert.ok(source.bytesFetched <= bytes.length + 3 * BLOCK, `${source.bytesFetched} of ${bytes.length}`);
  });

  it('passes a failure of the storage on, to the reader and to the checksums', async () => {
    const broken = { sizeBytes: 100, read: () => Promise.reject(new Error('range not readable')) };
    const source = new LedgerSource(broken, { blockSizeBytes: BLOCK, md5: false, crc64: false });
    await assert.rejects(source.read(0, 10), /range not readable/);
    await assert.rejects(source.finish(), /range not readable/);
  });
});
