import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { CameraTopics } from '#adapters/extraction/camera-topics.ts';
import { textValues } from '#domain/column-values.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { ExtractionBench, fileNamed } from '#test/support/extraction-place.ts';
import { type RosTopic, rosBatches } from '#test/support/ros-batches.ts';

const HEADER = { seq: 0, stamp: 0n, frame_id: 'camera' };
const raw = (level: number, part: object = {}) => ({
  header: HEADER,
  height: 8,
  width: 16,
  encoding: 'rgb8',
  is_bigendian: 0,
  step: 48,
  data: new Uint8Array(8 * 48).fill(level),
  ...part,
});
const at = (messages: readonly object[]) =>
  messages.map((value, index) => ({ timeNs: BigInt(index + 1) * 1_000_000_000n, value: value as never }));
const imageTopic = (topic: string, messages: readonly object[]): RosTopic => ({
  topic,
  type: 'sensor_msgs/Image',
  messages: at(messages),
});

/** A batch of a message type that carries one frame of video each. */
function videoBatch(topic: string, format: string, frames: readonly Uint8Array[]): TableBatch {
  const columns = [
    { name: 'data', type: 'bytes' as const },
    { name: 'format', type: 'string' as const },
  ];
  const offsets = new Uint32Array(frames.length + 1);
  frames.forEach((frame, index) => {
    offsets[index + 1] = offsets[index]! + frame.length;
  });
  const data = { kind: 'variable' as const, offsets, bytes: new Uint8Array(Buffer.concat(frames)) };
  return {
    table: {
      name: topic,
      group: topic,
      schemaName: 'foxglove.CompressedVideo',
      encoding: 'protobuf',
      columns,
    },
    rowCount: frames.length,
    timestampsNs: BigInt64Array.from(frames, (_, index) => BigInt(index)),
    columns: [{ values: data }, { values: textValues(frames.map(() => format)) }],
    columnSchemas: columns,
  };
}

describe('camera topics', () => {
  const bench = new ExtractionBench();
  after(() => bench.dispose());

  async function extract(batches: readonly TableBatch[], shardSizeBytesMax = 1 << 20) {
    const place = bench.place();
    const extraction = new CameraTopics(place, shardSizeBytesMax);
    for (const batch of batches) await extraction.take(batch);
    return { files: await extraction.finish(), loss: place.lost.report() };
  }

  it('make of raw images files that any program opens, each one ranged read away', async () => {
    const { files } = await extract(await rosBatches(imageTopic('/front', [raw(10), raw(200)])));
    const index = fileNamed(files, 'front/index.parquet');
    const tar = readFileSync(fileNamed(files, 'front/00000.tar').localPath);
    const [offsets, sizes] = [
      await bench.numbers(index, 'byte_offset'),
      await bench.numbers(index, 'size_bytes'),
    ];
    const levels = [];
    for (const [frame, offset] of offsets.entries()) {
      const image = sharp(tar.subarray(offset, offset + sizes[frame]!));
      const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
      assert.deepEqual([info.width, info.height, info.channels], [16, 8, 3]);
      levels.push(data[0]!);
    }
    assert.ok(Math.abs(levels[0]! - 10) < 3 && Math.abs(levels[1]! - 200) < 3, levels.join());
    assert.deepEqual(await bench.texts(index, 'media_type'), ['image/jpeg', 'image/jpeg']);
  });

  it('keep 16 bits in a PNG', async () => {
    const words = new Uint8Array(Uint16Array.from({ length: 4 }, (_, index) => index * 20_000).buffer);
    const deep = raw(0, { encoding: 'mono16', width: 2, height: 2, step: 4, data: words });
    const { files } = await extract(await rosBatches(imageTopic('/depth', [deep])));
    const index = fileNamed(files, 'depth/index.parquet');
    const tar = readFileSync(fileNamed(files, 'depth/00000.tar').localPath);
    const [offset] = await bench.numbers(index, 'byte_offset');
    const image = sharp(tar.subarray(offset, offset! + (await bench.numbers(index, 'size_bytes'))[0]!));
    const { data } = await image
      .toColourspace('grey16')
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([...new Uint16Array(data.buffer, data.byteOffset, 4)], [0, 20_000, 40_000, 60_000]);
  });

  it('let compressed images through byte for byte', async () => {
    const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const message = { header: HEADER, format: 'png', data: new Uint8Array(png) };
    const { files } = await extract(
      await rosBatches({ topic: '/rear', type: 'sensor_msgs/CompressedImage', messages: at([message]) }),
    );
    const tar = readFileSync(fileNamed(files, 'rear/00000.tar').localPath);
    assert.ok(tar.includes(png));
  });

  it('lose one image that is damaged or in an encoding nobody knows, and say which topic', async () => {
    const messages = [raw(1), raw(2, { encoding: 'secret' }), raw(3, { data: new Uint8Array(5) }), raw(4)];
    const { files, loss } = await extract(await rosBatches(imageTopic('/front', messages)));
    assert.equal(fileNamed(files, 'front/index.parquet').table?.rowCount, 2);
    assert.equal(loss.records, 2);
    assert.match(loss.reasons[0] ?? '', /^\/front: an image is lost: image encoding secret is not known/);
  });

  it('close a shard before it grows too large', async () => {
    const noise = Array.from({ length: 6 }, (_, index) => raw(index * 40));
    const { files } = await extract(await rosBatches(imageTopic('/front', noise)), 4096);
    const shards = files.filter((file) => file.mediaType === 'application/x-tar');
    assert.ok(shards.length > 1);
    assert.ok(shards.every((shard) => shard.sizeBytes <= 4096 + 1024));
    assert.equal(
      new Set(await bench.texts(fileNamed(files, 'front/index.parquet'), 'shard')).size,
      shards.length,
    );
  });

  it('keep the calibration beside the images', async () => {
    const info = {
      header: HEADER,
      height: 8,
      width: 16,
      distortion_model: 'plumb_bob',
      D: Float64Array.of(0.1),
      K: new Float64Array(9).fill(2),
      R: new Float64Array(9),
      P: new Float64Array(12),
      binning_x: 0,
      binning_y: 0,
      roi: { x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false },
    };
    const { files } = await extract(
      await rosBatches({ topic: '/front/camera_info', type: 'sensor_msgs/CameraInfo', messages: at([info]) }),
    );
    const table = fileNamed(files, 'front_camera_info.parquet');
    assert.equal(table.table?.role, 'topic');
    assert.deepEqual(await bench.texts(table, 'distortion_model'), ['plumb_bob']);
  });

  it('make of video an elementary stream with an index of its frames', async () => {
    const frames = [
      Uint8Array.of(0, 0, 0, 1, 0x65, 1, 2),
      Uint8Array.of(0, 0, 1, 0x41, 9),
      Uint8Array.of(7, 7),
    ];
    const { files, loss } = await extract([videoBatch('/video', 'h264', frames)]);
    const stream = fileNamed(files, 'video/video.h264');
    assert.deepEqual([...readFileSync(stream.localPath)], [...frames[0]!, ...frames[1]!]);
    const index = fileNamed(files, 'video/index.parquet');
    assert.deepEqual(await bench.numbers(index, 'is_key_frame'), [1, 0]);
    assert.deepEqual(await bench.numbers(index, 'byte_offset'), [0, 7]);
    assert.deepEqual(await bench.texts(index, 'file'), ['video.h264', 'video.h264']);
    assert.match(loss.reasons.join(), /a h264 frame of 2 bytes has no start code/);
  });

  it('give topics whose names differ only in their separators files of their own', async () => {
    const { files } = await extract(
      await rosBatches(
        imageTopic('/a/b', [raw(1)]),
        imageTopic('/a_b', [raw(2)]),
        imageTopic('/A/B', [raw(3)]),
      ),
    );
    const names = files.map((file) => file.name.toLowerCase());
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.length, 6);
  });
});
