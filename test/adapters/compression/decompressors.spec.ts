import assert from 'node:assert/strict';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync, compressSync } from 'lz4-napi';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors, DecompressionError } from '#adapters/compression/decompressors.ts';
import type { Compression } from '#formats/recording-reader.ts';

const decompressors = createDecompressors();
const CONTENT = Buffer.from('one two three '.repeat(10_000));
/** `bzip2 -c` of 1,000,000 zero bytes. */
const MILLION_ZEROS_BZ2 = 'QlpoOTFBWSZTWXnTnkgAB6jAQMAAAAIACCAAMMwJqmmVJDapSQ8XckU4UJB5055I';

const COMPRESS: Readonly<Record<Exclude<Compression, 'bz2'>, (bytes: Buffer) => Uint8Array>> = {
  'lz4-frame': compressFrameSync,
  // The library puts the size in front of the block.
  'lz4-block': (bytes) => compressSync(bytes).subarray(4),
  zstd: zstdCompressSync,
  deflate: deflateSync,
};

for (const [compression, compress] of Object.entries(COMPRESS)) {
  const decompress = decompressors[compression as Compression];
  const outcome = async (bytes: Uint8Array) => {
    try {
      return await decompress(bytes, 2000);
    } catch (error) {
      return error;
    }
  };

  describe(`decompressing ${compression}`, () => {
    it('gives the bytes back', async () => {
      assert.deepEqual(Buffer.from(await decompress(compress(CONTENT), CONTENT.length)), CONTENT);
      assert.equal((await decompress(compress(Buffer.of(7)), 1))[0], 7);
    });

    it('refuses more than it may become, before it becomes it', async () => {
      const bomb = compress(Buffer.alloc(1 << 28));
      const before = process.memoryUsage().rss;
      await assert.rejects(async () => decompress(bomb, 1 << 16), DecompressionError);
      assert.ok(process.memoryUsage().rss - before < 1 << 27);
    });

    it('refuses bytes that are cut off or damaged, whichever byte', async () => {
      const whole = compress(CONTENT.subarray(0, 2000));
      for (let size = 0; size < whole.length; size += 1) {
        const cut = await outcome(whole.subarray(0, size));
        assert.ok(cut instanceof DecompressionError || (cut as Uint8Array).length < 2000, `cut at ${size}`);
        const damaged = Buffer.from(whole);
        damaged[size]! ^= 0x41;
        const result = await outcome(damaged);
        assert.ok(result instanceof DecompressionError || (result as Uint8Array).length <= 2000);
      }
    });
  });
}

describe('decompressing bz2', () => {
  const compressed = Buffer.from(MILLION_ZEROS_BZ2, 'base64');

  it('gives the bytes back', async () => {
    const content = await decompressors.bz2(compressed, 1_000_000);
    assert.equal(content.length, 1_000_000);
    assert.ok(content.every((byte) => byte === 0));
  });

  it('refuses more than it may become, and what is damaged', async () => {
    await assert.rejects(async () => decompressors.bz2(compressed, 999_999), DecompressionError);
    await assert.rejects(
      async () => decompressors.bz2(compressed.subarray(0, 20), 1_000_000),
      DecompressionError,
    );
    await assert.rejects(async () => decompressors.bz2(compressed, 0xffff_ffff), DecompressionError);
  });
});

describe('compressing for a recording', () => {
  it('makes what the decompressors read', async () => {
    const lz4 = await decompressors['lz4-frame'](compressLz4Frame(CONTENT), CONTENT.length);
    assert.deepEqual(Buffer.from(lz4), CONTENT);
    const zstd = await decompressors.zstd(compressZstd(CONTENT), CONTENT.length);
    assert.deepEqual(Buffer.from(zstd), CONTENT);
  });
});
