import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { McapWriter, type McapWriterOptions } from '#formats/mcap/writer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import { standardRos2Definition } from '#formats/messages/ros2-standard.ts';
import { RosbagWriter, type RosbagWriterOptions } from '#formats/rosbag/writer.ts';
import { intoFile } from './file-of-pieces.ts';
import { START_NS, STEP_NS } from './signal-files.ts';

const DOUBLES = 37;
const FRAME_ID = 'imu';

/** A message whose time and first angular velocity change; the same bytes again and again cost nothing to make. */
class ImuMessage {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #stampOffset: number;
  readonly #velocityOffset: number;

  constructor(encoding: 'ros1' | 'cdr') {
    // ROS 1: sequence, stamp, frame (packed). CDR: its header, stamp, frame with its zero, then aligned to 8.
    const front = encoding === 'ros1' ? 12 + 4 + FRAME_ID.length : 4 + 8 + 4 + FRAME_ID.length + 1;
    this.bytes = new Uint8Array(front + DOUBLES * 8);
    this.#view = new DataView(this.bytes.buffer);
    this.#stampOffset = 4;
    const frameOffset = 12;
    this.#view.setUint32(frameOffset, FRAME_ID.length + (encoding === 'ros1' ? 0 : 1), true);
    this.bytes.set(new TextEncoder().encode(FRAME_ID), frameOffset + 4);
    if (encoding === 'cdr') this.bytes[1] = 1;
    for (let i = 0; i < DOUBLES; i++) this.#view.setFloat64(front + i * 8, Math.sqrt(i + 2), true);
    this.#velocityOffset = front + (4 + 9) * 8;
  }

  at(number: number): { bytes: Uint8Array; timeNs: bigint } {
    const timeNs = START_NS + BigInt(number) * STEP_NS;
    this.#view.setUint32(this.#stampOffset, Number(timeNs / 1_000_000_000n), true);
    this.#view.setUint32(this.#stampOffset + 4, Number(timeNs % 1_000_000_000n), true);
    this.#view.setFloat64(this.#velocityOffset, Math.sin(number * 0.01), true);
    return { bytes: this.bytes, timeNs };
  }
}

/** Of sensor_msgs/Imu, as the ROS tools know it. */
const IMU_MD5SUM = '6a62c6daae103f4ff57a132d6f95cec2';

export async function writeBag(path: string, sizeBytes: number, options: RosbagWriterOptions): Promise<void> {
  const type = 'sensor_msgs/Imu';
  const definition = standardRos1Definition(type);
  await intoFile(path, async (sink) => {
    const writer = await RosbagWriter.create(sink, options);
    const id = writer.addConnection({ topic: '/imu', type, md5sum: IMU_MD5SUM, definition });
    const imu = new ImuMessage('ros1');
    const messages = Math.floor(sizeBytes / (imu.bytes.length + 60));
    for (let number = 0; number < messages; number++) {
      const { bytes, timeNs } = imu.at(number);
      await writer.addMessage(id, timeNs, bytes);
    }
    await writer.close();
  });
}

const ROS2_TYPE = 'sensor_msgs/msg/Imu';

export async function writeMcap(path: string, sizeBytes: number, options: McapWriterOptions): Promise<void> {
  await intoFile(path, async (sink) => {
    const writer = await McapWriter.create(sink, { profile: 'ros2', ...options });
    const data = new TextEncoder().encode(standardRos2Definition(ROS2_TYPE));
    const schemaId = writer.addSchema({ name: ROS2_TYPE, encoding: 'ros2msg', data });
    const id = writer.addChannel({ schemaId, topic: '/imu', messageEncoding: 'cdr' });
    const imu = new ImuMessage('cdr');
    const messages = Math.floor(sizeBytes / (imu.bytes.length + 50));
    for (let number = 0; number < messages; number++) {
      const { bytes, timeNs } = imu.at(number);
      await writer.addMessage(id, timeNs, bytes);
    }
    await writer.close();
  });
}

export async function writeRosbag2(path: string, sizeBytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const imu = new ImuMessage('cdr');
  const messages = Math.floor(sizeBytes / (imu.bytes.length + 35));
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, offered_qos_profiles TEXT);
    CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);
    CREATE INDEX timestamp_idx ON messages (timestamp ASC);
    INSERT INTO topics VALUES (1, '/imu', '${ROS2_TYPE}', 'cdr', '');
    BEGIN`);
  const insert = database.prepare('INSERT INTO messages VALUES (NULL, 1, ?, ?)');
  for (let number = 0; number < messages; number++) {
    const { bytes, timeNs } = imu.at(number);
    insert.run(timeNs, bytes);
  }
  database.exec('COMMIT');
  database.close();
  writeFileSync(join(dirname(path), 'metadata.yaml'), metadataOf(messages));
}

/** What the ROS 2 tools put beside the database; the Python peer asks for it. */
function metadataOf(messages: number): string {
  const nanoseconds = Number(STEP_NS) * messages;
  return `rosbag2_bagfile_information:
  version: 5
  storage_identifier: sqlite3
  relative_file_paths: [plain.db3]
  duration: {nanoseconds: ${nanoseconds}}
  starting_time: {nanoseconds_since_epoch: ${START_NS}}
  message_count: ${messages}
  topics_with_message_count:
    - topic_metadata: {name: /imu, type: ${ROS2_TYPE}, serialization_format: cdr, offered_qos_profiles: ""}
      message_count: ${messages}
  compression_format: ""
  compression_mode: ""
  files:
    - path: plain.db3
      starting_time: {nanoseconds_since_epoch: ${START_NS}}
      duration: {nanoseconds: ${nanoseconds}}
      message_count: ${messages}
`;
}
