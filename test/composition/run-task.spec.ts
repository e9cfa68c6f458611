import assert from 'node:assert/strict';
import { zstdCompressSync } from 'node:zlib';
import { lazyDecompressors } from '#composition/run-task.ts';

describe('the decompressors of a task', () => {
  it('give the front of what is cut off where a reader asks for that', async () => {
    const content = Buffer.alloc(12_000_000);
    for (let i = 0; i < content.length; i += 1) content[i] = ((i * 7919) >>> 5) % 97;
    const compressed = zstdCompressSync(content);
    const cut = compressed.subarray(0, Math.floor(compressed.length * 0.7));
    const { zstd } = lazyDecompressors();
    const front = Buffer.from(await zstd(cut, content.length, 'as-far-as-it-goes'));
    assert.ok(front.length > 100_000 && content.subarray(0, front.length).equals(front));
    await assert.rejects(async () => zstd(cut, content.length));
  });
});
