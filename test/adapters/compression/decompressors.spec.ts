import assert from 'node:assert/strict';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync, compressSync } from 'lz4-napi';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { DecompressionError } from '#adapters/compression/decompression-error.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
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

describe('decompressing a large frame of lz4', () => {
  it('leaves the event loop free meanwhile, and refuses what is too much', async () => {
    const content = Buffer.alloc(20_000_000, 'landfall');
    const frame = compressFrameSync(content);
    const pending = decompressors['lz4-frame'](frame, content.length);
    assert.ok(pending instanceof Promise);
    assert.ok(content.equals(await pending));
    await assert.rejects(
      async () => decompressors['lz4-frame'](frame, content.length - 1),
      DecompressionError,
    );
    await assert.rejects(
      async () => decompressors['lz4-frame'](frame.subarray(0, frame.length - 9), content.length),
      DecompressionError,
    );
  });
});

describe('decompressing bz2', () => {
  const compressed = Buffer.from(MILLION_ZEROS_BZ2, 'base64');

  it('gives the bytes back', async () => {
    const content = await decompressors.bz2(compressed, 1_000_000);
    assert.equal(content.length, 1_000_000);
    assert.ok(content.every((byte) => byte === 0));
  });

  it('leaves the event loop free meanwhile', async () => {
    let isDone = false;
    let turns = 0;
    const content = Promise.resolve(decompressors.bz2(compressed, 1_000_000)).finally(() => {
      isDone = true;
    });
    for (; !isDone; turns += 1) await new Promise(setImmediate);
    assert.equal((await content).length, 1_000_000);
    // On this thread it would have been done before the first turn.
    assert.ok(turns > 1, `${turns} turns`);
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

describe('decompressing what is cut off, as far as it goes', () => {
  // More than one block of LZ4, which has up to 4 MiB.
  const content = Buffer.alloc(12_000_000);
  for (let i = 0; i < content.length; i += 1) content[i] = ((i * 7919) >>> 5) % 97;

  for (const compression of ['lz4-frame', 'zstd'] as const) {
    it(`gives the front of ${compression}, and all of it when nothing is missing`, async () => {
      const compressed = COMPRESS[compression](content);
      const decompress = async (size: number) =>
        Buffer.from(
          await decompressors[compression](compressed.subarray(0, size), content.length, 'as-far-as-it-goes'),
        );
      const front = await decompress(Math.floor(compressed.length * 0.7));
      assert.ok(front.length > 100_000 && front.length < content.length, `${front.length} bytes`);
      assert.ok(content.subarray(0, front.length).equals(front));
      assert.ok((await decompress(compressed.length)).equals(content));
    });
  }

  it('reads LZ4 blocks that refer to the block in front of them', async () => {
    const first = Buffer.from('0123456789'.repeat(20));
    const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0]);
    const stored = Buffer.alloc(4);
    stored.writeUInt32LE(0x8000_0000 + first.length);
    // One match of 24 bytes, 200 back, then 5 literals.
    const linked = Buffer.from([0x0f, 200, 0, 5, 0x50, ...Buffer.from('abcde')]);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(linked.length);
    const frame = Buffer.concat([header, stored, first, size, linked]);
    const linkedContent = await decompressors['lz4-frame'](frame, 1000, 'as-far-as-it-goes');
    assert.equal(Buffer.from(linkedContent).toString(), `${first}${String(first).slice(0, 24)}abcde`);
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
