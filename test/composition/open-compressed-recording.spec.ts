import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openRecording } from '#composition/open-recording.ts';
import { byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { McapWriter } from '#formats/mcap/writer.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import { bagOf, FLOAT_TOPIC, float, START_NS } from '#test/support/rosbag2-files.ts';
import { collectTable } from '#test/support/table-columns.ts';

/** Values that do not compress, so that the file is several blocks of zstd long. */
function noise(index: number): number {
  return Math.sin(index * 12.9898) * 43758.5453;
}

const MESSAGES = 20_000;

const bag = bagOf({
  topics: [FLOAT_TOPIC],
  messages: Array.from({ length: MESSAGES }, (_, i) => ({
    topicId: 7,
    timeNs: START_NS + BigInt(i),
    data: float(noise(i)),
  })),
});

async function mcapFile(): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = await McapWriter.create(sink, { chunkSizeBytes: 10_000, profile: 'ros2' });
  const data = new TextEncoder().encode('float64 data\n');
  const schemaId = writer.addSchema({ name: 'std_msgs/msg/Float64', encoding: 'ros2msg', data });
  const channel = writer.addChannel({ topic: '/value', schemaId, messageEncoding: 'cdr' });
  for (let i = 0; i < MESSAGES; i += 1) {
    await writer.addMessage(channel, START_NS + BigInt(i), float(noise(i)));
  }
  await writer.close();
  return sink.bytes();
}

describe('a recording that was compressed as a whole', () => {
  const scratchFolder = mkdtempSync(join(tmpdir(), 'landfall-unpacked-spec-'));
  after(() => rmSync(scratchFolder, { recursive: true }));

  const open = (bytes: Uint8Array, name: string, onProgress?: (bytesRead: number) => void) =>
    openRecording(byteSourceOf(bytes), {
      name,
      decompressors: createDecompressors(),
      scratchFolder,
      ...(onProgress && { onProgress }),
    });

  async function read(bytes: Uint8Array, name: string) {
    const reader = await open(bytes, name);
    try {
      const { columns } = await collectTable(reader, '/value');
      return { values: columns.get('data') ?? [], loss: reader.loss(), summary: reader.summary };
    } finally {
      await reader.close();
    }
  }

  it('is read from the disk, and leaves nothing there', async () => {
    for (const [content, name] of [
      [bag, 'bag_0.db3.zstd'],
      [await mcapFile(), 'bag_0.mcap.zstd'],
    ] as const) {
      const { values, loss, summary } = await read(compressZstd(content), name);
      assert.equal(values.length, MESSAGES);
      assert.equal(values[MESSAGES - 1], noise(MESSAGES - 1));
      assert.deepEqual(loss, { records: 0, bytes: 0, reasons: [] });
      assert.equal(summary.sizeBytes, content.length);
    }
    assert.deepEqual(readdirSync(scratchFolder), []);
  });

  it('cannot be read any more when it has been closed', async () => {
    const reader = await open(compressZstd(await mcapFile()), 'bag_0.mcap.zstd');
    await reader.close();
    await assert.rejects(collectTable(reader, '/value'), /closed|EBADF/);
  });

  it('may consist of several frames, as parallel compressors write it', async () => {
    const half = Math.floor(bag.length / 2);
    const skippable = Buffer.concat([Buffer.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0), Buffer.alloc(3)]);
    const parts = [compressZstd(bag.subarray(0, half)), skippable, compressZstd(bag.subarray(half))];
    const { values, loss } = await read(Buffer.concat(parts), 'bag_0.db3.zstd');
    assert.equal(values.length, MESSAGES);
    assert.deepEqual(loss, { records: 0, bytes: 0, reasons: [] });
  });

  it('is read as far as it goes when it is cut short, and the loss is counted', async () => {
    for (const [content, name] of [
      [bag, 'bag_0.db3.zstd'],
      [await mcapFile(), 'bag_0.mcap.zstd'],
    ] as const) {
      const whole = compressZstd(content);
      const { values, loss } = await read(whole.subarray(0, Math.floor(whole.length * 0.7)), name);
      assert.ok(values.length > MESSAGES * 0.3 && values.length < MESSAGES, `${name}: ${values.length}`);
      assert.equal(values[1000], noise(1000));
      assert.ok(loss.bytes > 0);
      assert.match(
        loss.reasons[0]!,
        /^bag_0\.\w+\.zstd: behind \d+ bytes .* are lost: unexpected end of file/,
      );
    }
  });

  it('is read up to damage in its middle, and up to what is no zstd', async () => {
    const half = Math.floor(bag.length / 2);
    const [first, second] = [compressZstd(bag.subarray(0, half)), compressZstd(bag.subarray(half))];
    const damaged = Buffer.from(second);
    damaged.fill(0xff, 4, 40);
    for (const behind of [damaged, Buffer.from('something else')]) {
      const { values, loss } = await read(Buffer.concat([first, behind]), 'bag_0.db3.zstd');
      assert.ok(values.length > MESSAGES * 0.3 && values.length < MESSAGES, String(values.length));
      assert.ok(loss.bytes >= behind.length);
    }
  });

  it('says how far it is, in bytes of the file that was given', async () => {
    const compressed = compressZstd(bag);
    const steps: number[] = [];
    const reader = await open(compressed, 'bag_0.db3.zstd', (bytesRead) => steps.push(bytesRead));
    await collectTable(reader, '/value');
    await reader.close();
    assert.ok(steps.length > 1);
    assert.ok(steps.every((bytesRead) => bytesRead <= compressed.length));
    assert.equal(steps.at(-1), compressed.length);
  });

  it('is refused when it would fill the disk, or nothing of it can be decompressed', async () => {
    const refused = (pattern: RegExp) => (error: unknown) =>
      error instanceof RecordingFormatError && pattern.test(error.message);
    // One frame of 16 MiB of zeros is a few hundred bytes.
    const zeros = zstdCompressSync(Buffer.alloc(1 << 24));
    const bomb = Buffer.concat(Array.from({ length: 20 }, () => zeros));
    await assert.rejects(read(bomb, 'bag_0.db3.zstd'), refused(/more than 250 times as large/));
    const header = compressZstd(bag).subarray(0, 6);
    await assert.rejects(read(header, 'bag_0.db3.zstd'), refused(/cannot be decompressed: unexpected end/));
    assert.deepEqual(readdirSync(scratchFolder), []);
  });
});
