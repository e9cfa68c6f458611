import assert from 'node:assert/strict';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openFileByteSource } from '#adapters/file/file-byte-source.ts';
import { openMcap } from '#formats/mcap/open-mcap.ts';
import type { OpenRecording } from '#formats/recording-reader.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { openRosbag2 } from '#formats/rosbag2/open-rosbag2.ts';
import { recordingOrSkip } from '../../support/recordings.ts';
import { type CollectedTable, collectTables } from '../../support/table-columns.ts';

interface Sample {
  readonly open: OpenRecording;
  /** Rows per table, as the tools of each format count them. */
  readonly rows: Readonly<Record<string, number>>;
}

const TURTLES = {
  '/rosout': 10,
  '/turtle1/color_sensor': 1351,
  '/tf_static': 1,
  '/turtle2/color_sensor': 1344,
  '/turtle1/pose': 1344,
  '/turtle2/pose': 1344,
  '/tf': 2688,
  '/turtle2/cmd_vel': 208,
  '/turtle1/cmd_vel': 357,
};

const SAMPLES: Readonly<Record<string, Sample>> = {
  'rosbag/example.bag': { open: openRosbag, rows: TURTLES },
  'rosbag/example-lz4.bag': { open: openRosbag, rows: TURTLES },
  'rosbag/example-bz2.bag': { open: openRosbag, rows: TURTLES },
  'rosbag/camera-mono.bag': { open: openRosbag, rows: { '/dvs/image_raw': 4, '/dvs1/image_raw': 3 } },
  'rosbag/can.bag': { open: openRosbag, rows: { '/vehicle/can_raw': 1121 } },
  'rosbag/pointcloud2.bag': { open: openRosbag, rows: { '/points_concat_downsampled': 4 } },
  'rosbag/tilt_laser.bag': {
    open: openRosbag,
    rows: {
      '/gravity_vector': 356,
      '/magnetic_vector': 356,
      '/imu_data': 356,
      '/info_gps': 356,
      '/position_gps': 356,
      '/temperature': 712,
      '/velocity': 712,
      '/tf': 711,
      '/scan': 178,
    },
  },
  'mcap/camera-mono.mcap': { open: openMcap, rows: { '/dvs/image_raw': 4, '/dvs1/image_raw': 3 } },
  'mcap/strings-cdr.mcap': {
    open: openMcap,
    rows: { AAA: 174, BBB: 145, CCC: 157, DDD: 163, EEE: 147, FFF: 171, GGG: 141, HHH: 148 },
  },
  'rosbag2/battery-imu-pose.db3': {
    open: openRosbag2,
    rows: { '/pose': 1565, '/battery': 1565, '/imu': 1565 },
  },
};

async function read(path: string, open: OpenRecording): Promise<Map<string, CollectedTable>> {
  const source = await openFileByteSource(path);
  const reader = await open(source, { name: path, decompressors: createDecompressors() });
  const tables = await collectTables(reader);
  await source.close();
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  return tables;
}

describe('real recordings of robots', () => {
  for (const [name, { open, rows }] of Object.entries(SAMPLES)) {
    it(`${name} has the rows that its tools count`, async function () {
      const tables = await read(recordingOrSkip(this, name), open);
      const counted = Object.fromEntries(
        [...tables].map(([table, { timestampsNs }]) => [table, timestampsNs.length]),
      );
      assert.deepEqual(counted, rows);
    });
  }

  it('the same turtles come out of all three compressions', async function () {
    const plain = await read(recordingOrSkip(this, 'rosbag/example.bag'), openRosbag);
    for (const name of ['rosbag/example-lz4.bag', 'rosbag/example-bz2.bag']) {
      const other = await read(recordingOrSkip(this, name), openRosbag);
      for (const [table, { columns }] of plain) assert.deepEqual(other.get(table)?.columns, columns, table);
    }
  });

  it('the same camera images come out of bag and MCAP', async function () {
    const bag = await read(recordingOrSkip(this, 'rosbag/camera-mono.bag'), openRosbag);
    const mcap = await read(recordingOrSkip(this, 'mcap/camera-mono.mcap'), openMcap);
    assert.deepEqual(mcap, bag);
  });

  it('the drive near Zurich has its place and its laser', async function () {
    const tables = await read(recordingOrSkip(this, 'rosbag/tilt_laser.bag'), openRosbag);
    const latitude = Number(tables.get('/position_gps')?.columns.get('latitude')?.[0]);
    assert.ok(latitude > 47 && latitude < 48, `latitude ${latitude}`);
    const ranges = tables.get('/scan')?.columns.get('ranges')?.[0];
    assert.ok(
      Array.isArray(ranges) && ranges.length > 100 && ranges.every((range) => typeof range === 'number'),
    );
  });

  it('the ROS 2 bag has its values, of types that it does not define itself', async function () {
    const tables = await read(recordingOrSkip(this, 'rosbag2/battery-imu-pose.db3'), openRosbag2);
    const battery = tables.get('/battery')!.columns;
    assert.deepEqual(battery.get('header.frame_id')?.[0], 'it_works!!');
    assert.deepEqual(battery.get('cell_voltage')?.[0], [5, 6, 7]);
    assert.deepEqual(battery.get('location')?.[0], 'noth_pole');
    const imu = tables.get('/imu')!.columns;
    assert.equal(imu.get('orientation.y')?.[0], 112);
  });
});
