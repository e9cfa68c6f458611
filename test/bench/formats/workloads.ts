import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { deflateSync } from 'node:zlib';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import type { ByteSink } from '#formats/byte-source.ts';
import { McapWriter, type McapWriterOptions } from '#formats/mcap/writer.ts';
import { writeMdf4 } from '#formats/mdf4/writer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import { standardRos2Definition } from '#formats/messages/ros2-standard.ts';
import { RosbagWriter, type RosbagWriterOptions } from '#formats/rosbag/writer.ts';
import { TdmsWriter } from '#formats/tdms/writer.ts';

/** A file to be read, and what its rows are. */
export interface Workload {
  readonly name: string;
  /** What `peer.py` calls the format. */
  readonly peer: 'mdf4' | 'tdms' | 'rosbag' | 'mcap' | 'rosbag2';
  readonly fileName: string;
  readonly what: string;
  /** Writes about `sizeBytes`. */
  write(path: string, sizeBytes: number): Promise<void>;
}

const START_NS = 1_700_000_000_000_000_000n;
const STEP_NS = 5_000_000n;
const CHANNELS = 8;
const CHANNEL_WORDS = '8 float64, 8 int16 with a linear scale';
const ROW_BYTES = CHANNELS * 10;
const MESSAGE_WORDS = 'sensor_msgs/Imu, 42 values each';

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'MDF 4',
    peer: 'mdf4',
    fileName: 'plain.mf4',
    what: `one group: time, ${CHANNEL_WORDS}`,
    write: (path, sizeBytes) => writeMdf(path, sizeBytes, undefined),
  },
  {
    name: 'MDF 4, deflate',
    peer: 'mdf4',
    fileName: 'deflate.mf4',
    what: 'the same, transposed deflate in blocks of 4 MiB; MB are those of the compressed file',
    write: (path, sizeBytes) => writeMdf(path, sizeBytes, (bytes) => deflateSync(bytes, { level: 1 })),
  },
  {
    name: 'TDMS',
    peer: 'tdms',
    fileName: 'contiguous.tdms',
    what: `segments of 10,000 rows: ${CHANNEL_WORDS}`,
    write: (path, sizeBytes) => writeTdms(path, sizeBytes, 10_000),
  },
  {
    name: 'TDMS, small segments',
    peer: 'tdms',
    fileName: 'small-segments.tdms',
    what: `segments of 100 rows: ${CHANNEL_WORDS}`,
    write: (path, sizeBytes) => writeTdms(path, sizeBytes, 100),
  },
  {
    name: 'ROS 1 bag',
    peer: 'rosbag',
    fileName: 'plain.bag',
    what: MESSAGE_WORDS,
    write: (path, sizeBytes) => writeBag(path, sizeBytes, {}),
  },
  {
    name: 'ROS 1 bag, lz4',
    peer: 'rosbag',
    fileName: 'lz4.bag',
    what: `${MESSAGE_WORDS}; MB are those of the compressed file`,
    write: (path, sizeBytes) =>
      writeBag(path, sizeBytes, { compression: { name: 'lz4', compress: compressLz4Frame } }),
  },
  {
    name: 'MCAP',
    peer: 'mcap',
    fileName: 'plain.mcap',
    what: `CDR, ${MESSAGE_WORDS}`,
    write: (path, sizeBytes) => writeMcap(path, sizeBytes, {}),
  },
  {
    name: 'MCAP, zstd',
    peer: 'mcap',
    fileName: 'zstd.mcap',
    what: `CDR, ${MESSAGE_WORDS}; MB are those of the compressed file`,
    write: (path, sizeBytes) =>
      writeMcap(path, sizeBytes, { compression: { name: 'zstd', compress: compressZstd } }),
  },
  {
    name: 'ROS 2 bag',
    peer: 'rosbag2',
    fileName: 'rosbag2/plain.db3',
    what: `SQLite, CDR, ${MESSAGE_WORDS}`,
    write: writeRosbag2,
  },
];

async function intoFile(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const sink = await openFileByteSink(path);
  try {
    await write(sink);
  } finally {
    await sink.close();
  }
}

/** A signal that looks measured: slow waves and some noise, the same in every run. */
function signal(channel: number, firstRow: number, rows: number): Float64Array {
  let state = (channel + 1) * 2_654_435_761 + firstRow;
  return Float64Array.from({ length: rows }, (_, row) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.sin((firstRow + row) * 0.001 * (channel + 1)) + state / 2 ** 40;
  });
}

function counts(values: Float64Array): Int16Array {
  return Int16Array.from(values, (value) => value * 10_000);
}

async function writeMdf(
  path: string,
  sizeBytes: number,
  deflate: ((bytes: Uint8Array) => Uint8Array) | undefined,
): Promise<void> {
  const rows = Math.floor(sizeBytes / (ROW_BYTES + 8));
  const channels = Array.from({ length: CHANNELS }, (_, channel) => signal(channel, 0, rows));
  const recording = {
    startTimeNs: START_NS,
    groups: [
      {
        name: 'Signals',
        timestampsNs: BigInt64Array.from({ length: rows }, (_, row) => START_NS + BigInt(row) * STEP_NS),
        channels: channels.flatMap((values, channel) => [
          { name: `float${channel}`, unit: 'm/s', values },
          { name: `count${channel}`, unit: 'V', values: counts(values), linear: { factor: 1e-4, offset: 0 } },
        ]),
      },
    ],
  };
  await intoFile(path, async (sink) => {
    for (const bytes of writeMdf4(recording, deflate === undefined ? {} : { deflate }))
      await sink.append(bytes);
  });
}

async function writeTdms(path: string, sizeBytes: number, rowsPerSegment: number): Promise<void> {
  const segments = Math.ceil(sizeBytes / (ROW_BYTES * rowsPerSegment));
  // npTDMS makes no times without the offset.
  const time = {
    wf_start_time: { utcNs: START_NS },
    wf_start_offset: 0,
    wf_increment: Number(STEP_NS) / 1e9,
  };
  const scale = {
    NI_Number_Of_Scales: 1,
    'NI_Scale[0]_Scale_Type': 'Linear',
    'NI_Scale[0]_Linear_Slope': 1e-4,
    'NI_Scale[0]_Linear_Y_Intercept': 0,
    'NI_Scale[0]_Linear_Input_Source': 4_294_967_295,
  };
  await intoFile(path, async (sink) => {
    const writer = new TdmsWriter(sink);
    for (let segment = 0; segment < segments; segment++) {
      const isFirst = segment === 0;
      const channels = Array.from({ length: CHANNELS }, (_, channel) => {
        const values = signal(channel, segment * rowsPerSegment, rowsPerSegment);
        const float = { group: 'Signals', name: `float${channel}`, values };
        const count = { group: 'Signals', name: `count${channel}`, values: counts(values) };
        if (!isFirst) return [float, count];
        return [
          { ...float, properties: { ...time, unit_string: 'm/s' } },
          { ...count, properties: { ...time, ...scale, unit_string: 'V' } },
        ];
      });
      await writer.addSegment({ channels: channels.flat() });
    }
  });
}

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

async function writeBag(path: string, sizeBytes: number, options: RosbagWriterOptions): Promise<void> {
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

async function writeMcap(path: string, sizeBytes: number, options: McapWriterOptions): Promise<void> {
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

async function writeRosbag2(path: string, sizeBytes: number): Promise<void> {
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
