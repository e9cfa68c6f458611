import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { sha1 } from '#domain/sha1.ts';

describe('sha1', () => {
  it('agrees with OpenSSL for every length around the block boundary', () => {
    for (let length = 0; length <= 130; length++) {
      const bytes = new Uint8Array(length).map((_, index) => (index * 31) & 0xff);
      assert.equal(Buffer.from(sha1(bytes)).toString('hex'), createHash('sha1').update(bytes).digest('hex'));
    }
  });

  it('agrees with OpenSSL for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        assert.equal(
          Buffer.from(sha1(bytes)).toString('hex'),
          createHash('sha1').update(bytes).digest('hex'),
        );
      }),
    );
  });
});
