import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { LidarTopics } from '#adapters/extraction/lidar-topics.ts';
import type { MessageValue } from '#formats/messages/ros1-serializer.ts';
import { ExtractionBench, fileNamed } from '#test/support/extraction-place.ts';
import { type RosTopic, rosBatches } from '#test/support/ros-batches.ts';

const OPTIONS = { pcd: true, shardSizeBytesMax: 1 << 20 };
const HEADER = { seq: 0, stamp: 0n, frame_id: 'lidar' };

interface Cloud {
  readonly fields: readonly (readonly [name: string, offset: number, datatype: number, count?: number])[];
  readonly pointStep: number;
  readonly width: number;
  readonly height?: number;
  readonly rowStep?: number;
  readonly bigEndian?: boolean;
  readonly data: Uint8Array;
}

function cloud({
  fields,
  pointStep,
  width,
  height = 1,
  rowStep,
  bigEndian = false,
  data,
}: Cloud): MessageValue {
  return {
    header: HEADER,
    height,
    width,
    fields: fields.map(([name, offset, datatype, count = 1]) => ({ name, offset, datatype, count })),
    is_bigendian: bigEndian,
    point_step: pointStep,
    row_step: rowStep ?? width * pointStep,
    data,
    is_dense: true,
  };
}

/** A quarter of a turn by a laser scanner that measures two directions 90 degrees apart, from 0.5 to 10 m. */
function scanOf(measured: Pick<MessageValue, 'ranges' | 'intensities'>): MessageValue {
  return {
    header: HEADER,
    angle_min: 0,
    angle_max: Math.PI / 2,
    angle_increment: Math.PI / 2,
    time_increment: 0,
    scan_time: 0.1,
    range_min: 0.5,
    range_max: 10,
    ...measured,
  };
}

const topicOf = (topic: string, clouds: readonly MessageValue[]): RosTopic => ({
  topic,
  type: 'sensor_msgs/PointCloud2',
  messages: clouds.map((value, index) => ({ timeNs: BigInt(index + 1) * 1_000_000n, value })),
});

function floats(values: readonly number[], little = true): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => {
    view.setFloat32(index * 4, value, little);
  });
  return new Uint8Array(view.buffer);
}

const XYZ = [
  ['x', 0, 7],
  ['y', 4, 7],
  ['z', 8, 7],
] as const;

describe('lidar topics', () => {
  const bench = new ExtractionBench();
  after(() => bench.dispose());

  async function extract(...topics: readonly RosTopic[]) {
    const place = bench.place();
    const extraction = new LidarTopics(place, OPTIONS);
    for (const batch of await rosBatches(...topics)) await extraction.take(batch);
    return { files: await extraction.finish(), loss: place.lost.report() };
  }

  it('give every point a row with the time and number of its scan, whatever the byte order', async () => {
    for (const bigEndian of [false, true]) {
      const data = floats([1, 2, 3, 4, 5, 6], !bigEndian);
      const { files } = await extract(
        topicOf('/points', [
          cloud({ fields: XYZ, pointStep: 12, width: 2, bigEndian, data }),
          cloud({ fields: XYZ, pointStep: 12, width: 1, data: floats([7, 8, 9]) }),
        ]),
      );
      const points = fileNamed(files, 'points.points.parquet');
      assert.deepEqual(await bench.numbers(points, 'x'), [1, 4, 7]);
      assert.deepEqual(await bench.numbers(points, 'z'), [3, 6, 9]);
      assert.deepEqual(await bench.numbers(points, 'scan_number'), [0, 0, 1]);
      assert.equal(points.table?.columns.find((column) => column.name === 'x')?.unit, 'm');
      assert.equal(
        fileNamed(files, 'points.parquet').table?.rowCount,
        2,
        'messages stay as they were recorded',
      );
    }
  });

  it('read fields of any type at any place, arrays of them, and rows with padding', async () => {
    const data = new DataView(new ArrayBuffer(2 * 20));
    const put = (
      line: number,
      point: number,
      ring: number,
      time: number,
      corner: readonly [number, number],
    ) => {
      const at = line * 20 + point * 8;
      data.setUint16(at + 1, ring, true);
      data.setInt8(at + 3, time);
      data.setInt16(at + 4, corner[0], true);
      data.setInt16(at + 6, corner[1], true);
    };
    put(0, 0, 500, -1, [1, 2]);
    put(0, 1, 501, -2, [3, 4]);
    put(1, 0, 502, -3, [5, 6]);
    put(1, 1, 503, -4, [7, 8]);
    const fields = [
      ['ring', 1, 4],
      ['timestamp', 3, 1],
      ['corner', 4, 3, 2],
    ] as const;
    const bytes = new Uint8Array(data.buffer);
    const { files } = await extract(
      topicOf('/odd', [cloud({ fields, pointStep: 8, width: 2, height: 2, rowStep: 20, data: bytes })]),
    );
    const points = fileNamed(files, 'odd.points.parquet');
    assert.deepEqual(await bench.numbers(points, 'ring'), [500, 501, 502, 503]);
    assert.deepEqual(await bench.numbers(points, 'point.timestamp'), [-1, -2, -3, -4]);
    assert.deepEqual(await bench.numbers(points, 'corner.1'), [2, 4, 6, 8]);
  });

  it('give each scan as a PCD file inside a tar, found by the index', async () => {
    const { files } = await extract(
      topicOf('/points', [cloud({ fields: XYZ, pointStep: 12, width: 2, data: floats([1, 2, 3, 4, 5, 6]) })]),
    );
    const index = fileNamed(files, 'points.pcd/index.parquet');
    const [offset] = await bench.numbers(index, 'byte_offset');
    const [size] = await bench.numbers(index, 'size_bytes');
    const tar = readFileSync(fileNamed(files, 'points.pcd/00000.tar').localPath);
    const pcd = tar.subarray(offset, offset! + size!);
    const split = pcd.indexOf('DATA binary\n') + 'DATA binary\n'.length;
    assert.match(
      pcd.subarray(0, split).toString(),
      /FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 2\n/,
    );
    assert.deepEqual(new Uint8Array(pcd.subarray(split)), floats([1, 2, 3, 4, 5, 6]));
    assert.deepEqual(await bench.numbers(index, 'point_count'), [2]);
  });

  it('lose one scan that is shorter than it says, by name, and no other', async () => {
    const good = cloud({ fields: XYZ, pointStep: 12, width: 1, data: floats([1, 2, 3]) });
    const lying = cloud({
      fields: XYZ,
      pointStep: 12,
      width: 4_000_000_000,
      height: 4_000_000_000,
      data: floats([1]),
    });
    const stepless = cloud({ fields: XYZ, pointStep: 0, width: 4_000_000_000, data: floats([1]) });
    const outside = cloud({ fields: [['x', 10, 7]], pointStep: 12, width: 1, data: floats([1, 2, 3]) });
    const { files, loss } = await extract(topicOf('/points', [good, lying, stepless, outside, good]));
    assert.equal(loss.records, 3);
    assert.match(
      loss.reasons[0] ?? '',
      /the points of scan 1 are lost: it has 4 bytes for 4000000000 x 4000000000/,
    );
    assert.match(loss.reasons[2] ?? '', /its field x lies outside its points/);
    const points = fileNamed(files, 'points.points.parquet');
    assert.deepEqual(await bench.numbers(points, 'scan_number'), [0, 4]);
  });

  it('start a further table when the fields of a topic change', async () => {
    const { files } = await extract(
      topicOf('/points', [
        cloud({ fields: XYZ, pointStep: 12, width: 1, data: floats([1, 2, 3]) }),
        cloud({ fields: XYZ.slice(0, 2), pointStep: 12, width: 1, data: floats([4, 5, 6]) }),
      ]),
    );
    assert.deepEqual(await bench.numbers(fileNamed(files, 'points.points.parquet'), 'x'), [1]);
    assert.deepEqual(await bench.numbers(fileNamed(files, 'points.points-2.parquet'), 'x'), [4]);
  });

  it('of a laser scanner are the ranges it measured, in the plane', async () => {
    const scan = scanOf({
      ranges: Float32Array.of(2, 3, 0.1, Number.POSITIVE_INFINITY, 11),
      intensities: Float32Array.of(7, 8, 9, 9, 9),
    });
    const { files } = await extract({
      topic: '/scan',
      type: 'sensor_msgs/LaserScan',
      messages: [{ timeNs: 5n, value: scan }],
    });
    const points = fileNamed(files, 'scan.points.parquet');
    const [x, y] = [await bench.numbers(points, 'x'), await bench.numbers(points, 'y')];
    assert.deepEqual(
      x.map((value) => value.toFixed(3)),
      ['2.000', '-0.000'],
    );
    assert.deepEqual(
      y.map((value) => value.toFixed(3)),
      ['0.000', '3.000'],
    );
    assert.deepEqual(await bench.numbers(points, 'intensity'), [7, 8]);
    assert.ok(fileNamed(files, 'scan.pcd/00000.tar').sizeBytes > 0);
  });

  it('of older clouds come from lists, with a column per channel; a scan whose lists differ is counted', async () => {
    const points = [1, 2, 3].map((value) => ({ x: value, y: value * 10, z: -value }));
    const value = (intensities: number[]): MessageValue => ({
      header: HEADER,
      points,
      channels: [
        { name: 'intensity', values: Float32Array.from(intensities) },
        { name: 'x', values: Float32Array.of(7, 8, 9) },
      ],
    });
    const { files, loss } = await extract({
      topic: '/old',
      type: 'sensor_msgs/PointCloud',
      messages: [
        { timeNs: 1n, value: value([4, 5, 6]) },
        { timeNs: 2n, value: value([4, 5]) },
      ],
    });
    const table = fileNamed(files, 'old.points.parquet');
    assert.deepEqual(await bench.numbers(table, 'y'), [10, 20, 30]);
    assert.deepEqual(await bench.numbers(table, 'intensity'), [4, 5, 6]);
    assert.deepEqual(await bench.numbers(table, 'x_2'), [7, 8, 9]);
    assert.match(loss.reasons.join(), /scan 1 are lost: it has 3 points and 2 values of intensity/);
  });

  it('of scans with several echoes come echo by echo', async () => {
    const echoes = (...values: number[]) => ({ echoes: Float32Array.from(values) });
    const scan = scanOf({
      ranges: [echoes(2, 4, 11), echoes(), echoes(3)],
      intensities: [echoes(7, 8, 9), echoes(), echoes()],
    });
    const { files } = await extract({
      topic: '/echoes',
      type: 'sensor_msgs/MultiEchoLaserScan',
      messages: [{ timeNs: 5n, value: scan }],
    });
    const table = fileNamed(files, 'echoes.points.parquet');
    assert.deepEqual(await bench.numbers(table, 'range'), [2, 4, 3]);
    assert.deepEqual(await bench.numbers(table, 'echo'), [0, 1, 0]);
  });
});
