// Small whole recordings of messages, to be damaged.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { memorySink } from '#formats/byte-source.ts';
import { McapWriter, type McapWriterOptions } from '#formats/mcap/writer.ts';
import { parseRosDefinition } from '#formats/messages/ros-definition.ts';
import { serializeRos1 } from '#formats/messages/ros1-serializer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import { standardRos2Definition } from '#formats/messages/ros2-standard.ts';
import { RosbagWriter, type RosbagWriterOptions } from '#formats/rosbag/writer.ts';

const START_NS = 1_700_000_000_000_000_000n;
const encoder = new TextEncoder();

const HEADER = { seq: 1, stamp: START_NS, frame_id: 'base' };
const MESSAGES = [
  { type: 'sensor_msgs/Imu', value: { header: HEADER, orientation: { w: 1 } } },
  { type: 'std_msgs/String', value: { data: 'hello' } },
  {
    type: 'tf2_msgs/TFMessage',
    value: { transforms: [{ header: HEADER, child_frame_id: 'lidar' }, { header: HEADER }] },
  },
  {
    type: 'sensor_msgs/PointCloud2',
    value: { header: HEADER, fields: [{ name: 'x', count: 1 }], data: Uint8Array.of(1, 2, 3) },
  },
] as const;

export async function rosbag(options: RosbagWriterOptions): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = await RosbagWriter.create(sink, { chunkSizeBytes: 1000, ...options });
  for (const { type, value } of MESSAGES) {
    const definition = standardRos1Definition(type);
    const message = parseRosDefinition(type, definition, 'ros1');
    const id = writer.addConnection({ topic: `/${type}`, type, md5sum: '*', definition });
    for (let i = 0n; i < 3n; i += 1n)
      await writer.addMessage(id, START_NS + i, serializeRos1(message, value));
  }
  await writer.close();
  return sink.bytes();
}

/** `message M { double x = 1; repeated sint32 s = 2; M inner = 3; }` as a FileDescriptorSet. */
const PROTOBUF_SCHEMA = Buffer.from(
  'Ci8KB20ucHJvdG8iHAoBTRIJCgF4GAEgASgBEgkKAXMYAiADKBFiBnByb3RvMw==',
  'base64',
);
const CDR_TEXT = Buffer.from([0, 1, 0, 0, 6, 0, 0, 0, ...encoder.encode('hello\0')]);

export async function mcap(options: McapWriterOptions): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = await McapWriter.create(sink, { chunkSizeBytes: 600, profile: 'ros2', ...options });
  const topics = [
    {
      encoding: 'cdr',
      schema: 'ros2msg',
      name: 'std_msgs/msg/String',
      text: 'string data\n',
      data: CDR_TEXT,
    },
    {
      encoding: 'cdr',
      schema: 'ros2idl',
      name: 'a/msg/B',
      text: 'module a { module msg { struct B { string data; }; }; };',
      data: CDR_TEXT,
    },
    {
      encoding: 'json',
      schema: 'jsonschema',
      name: 'J',
      text: '{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"array","items":{"type":"string"}}}}',
      data: encoder.encode('{"a":1,"b":["x"]}'),
    },
    {
      encoding: 'protobuf',
      schema: 'protobuf',
      name: 'M',
      text: PROTOBUF_SCHEMA,
      data: Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x12, 2, 1, 2),
    },
  ];
  for (const { encoding, schema, name, text, data } of topics) {
    const schemaData = typeof text === 'string' ? encoder.encode(text) : text;
    const schemaId = writer.addSchema({ name, encoding: schema, data: schemaData });
    const id = writer.addChannel({ schemaId, topic: `/${name}`, messageEncoding: encoding });
    for (let i = 0n; i < 4n; i += 1n) await writer.addMessage(id, START_NS + i, data);
  }
  await writer.addAttachment('a.txt', 'text/plain', START_NS, encoder.encode('attached'));
  await writer.addMetadata('vehicle', { vin: 'X' });
  await writer.close();
  return sink.bytes();
}

export function rosbag2(): Uint8Array {
  return rosbag2File('bag.db3', 'DELETE');
}

/** The write-ahead log of a bag of which nothing has been moved into the database. */
export function rosbag2Log(): Uint8Array {
  return rosbag2File('bag.db3-wal', 'WAL');
}

function rosbag2File(name: string, journal: 'DELETE' | 'WAL'): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-fuzz-'));
  try {
    const path = join(folder, 'bag.db3');
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = 512; PRAGMA journal_mode = ${journal}`);
    database.exec(`CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT);
      CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);
      CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT, encoding TEXT,
        encoded_message_definition TEXT, type_description_hash TEXT);
      CREATE INDEX timestamp_idx ON messages (timestamp ASC);
      INSERT INTO topics VALUES (1, '/text', 'std_msgs/msg/String', 'cdr')`);
    const definition = database.prepare('INSERT INTO message_definitions VALUES (1, ?, ?, ?, ?)');
    definition.run('std_msgs/msg/String', 'ros2msg', standardRos2Definition('std_msgs/msg/String'), '');
    const message = database.prepare('INSERT INTO messages VALUES (NULL, 1, ?, ?)');
    for (let i = 0n; i < 40n; i += 1n) message.run(START_NS + i, i === 20n ? Buffer.alloc(2000) : CDR_TEXT);
    // Closing the database moves the log into it.
    if (journal === 'DELETE') database.close();
    const bytes = readFileSync(join(folder, name));
    if (database.isOpen) database.close();
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
