import assert from 'node:assert/strict';
import type { ByteSource } from '#formats/byte-source.ts';
import { SourceWindows } from '#formats/rosbag2/source-windows.ts';

const MIB = 2 ** 20;

/** A file whose bytes tell where they lie, and what was asked of it. */
function fileOf(sizeBytes: number, failingOffset?: number): { source: ByteSource; offsets: number[] } {
  const offsets: number[] = [];
  const source: ByteSource = {
    sizeBytes,
    read(offset, lengthBytes) {
      offsets.push(offset);
      if (offset === failingOffset) return Promise.reject(new Error(`the disk cannot read at ${offset}`));
      return Promise.resolve(Uint8Array.from({ length: lengthBytes }, (_, at) => (offset + at) >>> 16));
    },
  };
  return { source, offsets };
}

async function byteAt(windows: SourceWindows, offset: number): Promise<number | undefined> {
  const bytes = windows.held(offset) ?? (await windows.load(offset));
  return bytes[windows.startOf(offset)];
}

describe('windows on a file', () => {
  it('hold its bytes wherever they are asked for, up to its end', async () => {
    const windows = new SourceWindows(fileOf(5 * MIB + 10).source, 0);
    for (const offset of [0, MIB - 1, MIB, 5 * MIB + 9, 7, 3 * MIB, 2 * MIB, 4 * MIB + 5, 0]) {
      assert.equal(await byteAt(windows, offset), (offset >>> 16) & 0xff);
    }
  });

  it('reach so far beyond their border that what begins in them lies in them whole', async () => {
    const windows = new SourceWindows(fileOf(3 * MIB).source, 4096);
    const bytes = await windows.load(MIB - 1);
    assert.equal(bytes.length - windows.startOf(MIB - 1), 1 + 4096);
  });

  it('are read ahead where they are taken one behind the other, and only there', async () => {
    const { source, offsets } = fileOf(20 * MIB);
    const windows = new SourceWindows(source, 0);
    await windows.load(9 * MIB);
    await windows.load(3 * MIB);
    assert.deepEqual(offsets, [9 * MIB, 3 * MIB]);
    await windows.load(4 * MIB);
    assert.deepEqual(offsets.slice(2), [4 * MIB, 5 * MIB]);
    await windows.load(5 * MIB);
    assert.deepEqual(offsets.slice(4), [6 * MIB]);
  });

  it('that could not be read ahead fail when they are asked for, and not before', async () => {
    const windows = new SourceWindows(fileOf(20 * MIB, 2 * MIB).source, 0);
    await windows.load(0);
    await windows.load(MIB);
    await new Promise(setImmediate);
    await assert.rejects(windows.load(2 * MIB), /cannot read at 2097152/);
  });
});
