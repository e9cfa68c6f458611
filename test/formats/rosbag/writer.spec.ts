import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compressLz4Frame } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { parseRosDefinition, ros1Md5sum } from '#formats/messages/ros-definition.ts';
import { type MessageValue, serializeRos1 } from '#formats/messages/ros1-serializer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { RosbagWriter, type RosbagWriterOptions } from '#formats/rosbag/writer.ts';
import { collectTable } from '../../support/table-columns.ts';

const START_NS = 1_700_000_000_123_456_789n;
const md5 = (text: string) => createHash('md5').update(text).digest('hex');

interface Recorded {
  readonly topic: string;
  readonly type: string;
  readonly values: readonly MessageValue[];
}

const header = (seq: number) => ({ seq, stamp: START_NS - 5_000_000n, frame_id: 'base_link' });
const RECORDED: readonly Recorded[] = [
  {
    topic: '/imu',
    type: 'sensor_msgs/Imu',
    values: Array.from({ length: 500 }, (_, i) => ({
      header: header(i),
      orientation: { w: 1 },
      angular_velocity: { x: i / 8, y: -i, z: 0.5 },
      linear_acceleration_covariance: new Float64Array(9).fill(i),
    })),
  },
  {
    topic: '/points',
    type: 'sensor_msgs/PointCloud2',
    values: [
      {
        header: header(0),
        height: 1,
        width: 2,
        fields: [
          { name: 'x', offset: 0, datatype: 7, count: 1 },
          { name: 'intensity', offset: 4, datatype: 7, count: 1 },
        ],
        point_step: 8,
        row_step: 16,
        data: new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer),
        is_dense: true,
      },
    ],
  },
  {
    topic: '/can0',
    type: 'can_msgs/Frame',
    values: [{ header: header(7), id: 0x123, dlc: 3, data: Uint8Array.of(1, 2, 3, 0, 0, 0, 0, 0) }],
  },
];

async function writeBag(options: RosbagWriterOptions): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = await RosbagWriter.create(sink, options);
  for (const [topicIndex, { topic, type, values }] of RECORDED.entries()) {
    const definition = standardRos1Definition(type);
    const message = parseRosDefinition(type, definition, 'ros1');
    const md5sum = ros1Md5sum(type, definition, md5);
    const connection = writer.addConnection({ topic, type, md5sum, definition });
    for (const [i, value] of values.entries()) {
      await writer.addMessage(
        connection,
        START_NS + BigInt(topicIndex + 10 * i),
        serializeRos1(message, value),
      );
    }
  }
  await writer.close();
  return sink.bytes();
}

const VARIANTS: Readonly<Record<string, RosbagWriterOptions>> = {
  'without compression': { chunkSizeBytes: 20_000 },
  'with lz4': { chunkSizeBytes: 20_000, compression: { name: 'lz4', compress: compressLz4Frame } },
};

for (const [variant, options] of Object.entries(VARIANTS)) {
  describe(`a bag written ${variant}`, () => {
    let bag: Uint8Array;

    before(async () => {
      bag = await writeBag(options);
    });

    it('reads back with every value and time', async () => {
      const reader = await openRosbag(byteSourceOf(bag), {
        name: 'written.bag',
        decompressors: createDecompressors(),
      });
      assert.equal(reader.summary.startTimeNs, START_NS);
      assert.ok(Number(reader.summary.properties['chunks']) > 5);
      const imu = await collectTable(reader, '/imu');
      assert.equal(imu.timestampsNs[499], START_NS + 4990n);
      assert.equal(imu.columns.get('angular_velocity.x')?.[499], 499 / 8);
      assert.deepEqual(imu.columns.get('linear_acceleration_covariance')?.[3], new Array(9).fill(3));
      assert.equal(imu.columns.get('header.stamp')?.[0], START_NS - 5_000_000n);
      const points = await collectTable(reader, '/points');
      assert.deepEqual(points.columns.get('fields.name'), [['x', 'intensity']]);
      const can = await collectTable(reader, '/can0');
      assert.deepEqual(can.columns.get('data'), [Uint8Array.of(1, 2, 3, 0, 0, 0, 0, 0)]);
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });

    it('is read by the ROS tools: python3-rosbag', function () {
      this.timeout(20_000);
      const python = '/usr/bin/python3';
      if (spawnSync(python, ['-c', 'import rosbag, roslz4']).status !== 0) {
        console.log('skipped: no python3-rosbag on this machine');
        this.skip();
      }
      const folder = mkdtempSync(join(tmpdir(), 'landfall-bag-'));
      try {
        const path = join(folder, 'written.bag');
        writeFileSync(path, bag);
        const output = execFileSync(python, ['-c', READ_WITH_ROSBAG, path], { encoding: 'utf8' });
        assert.deepEqual(JSON.parse(output), {
          count: 502,
          first: String(START_NS),
          x: 499 / 8,
          data: [1, 2, 3, 0, 0, 0, 0, 0],
          types: ['can_msgs/Frame', 'sensor_msgs/Imu', 'sensor_msgs/PointCloud2'],
        });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}

const READ_WITH_ROSBAG = `
import json, rosbag, sys
bag = rosbag.Bag(sys.argv[1])
messages = list(bag.read_messages())
imu = [m for t, m, _ in messages if t == '/imu']
can = [m for t, m, _ in messages if t == '/can0']
types = sorted(info.msg_type for info in bag.get_type_and_topic_info().topics.values())
print(json.dumps({'count': bag.get_message_count(), 'first': str(messages[0][2].to_nsec()),
                  'x': imu[-1].angular_velocity.x, 'data': list(can[0].data), 'types': types}))
`;

describe('the bag writer', () => {
  it('leaves a bag that can be read even when it was never closed', async () => {
    const sink = memorySink();
    const writer = await RosbagWriter.create(sink, { chunkSizeBytes: 10 });
    const definition = standardRos1Definition('std_msgs/String');
    const message = parseRosDefinition('std_msgs/String', definition, 'ros1');
    const id = writer.addConnection({ topic: '/log', type: 'std_msgs/String', md5sum: '*', definition });
    for (const data of ['one', 'two', 'three']) {
      await writer.addMessage(id, START_NS, serializeRos1(message, { data }));
    }
    const reader = await openRosbag(byteSourceOf(sink.bytes()), {
      name: 'unclosed.bag',
      decompressors: createDecompressors(),
    });
    assert.deepEqual((await collectTable(reader, '/log')).columns.get('data'), ['one', 'two', 'three']);
    assert.equal(reader.loss().records, 0);
    assert.match(reader.loss().reasons.join(), /no whole index/);
  });

  it('refuses a message for a connection that was never added', async () => {
    const writer = await RosbagWriter.create(memorySink());
    await assert.rejects(writer.addMessage(3, 0n, new Uint8Array(0)), /connection 3 was never added/);
  });
});
