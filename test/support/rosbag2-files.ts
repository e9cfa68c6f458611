import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export const START_NS = 1_700_000_000_000_000_000n;

export interface Bag {
  readonly topics: readonly { readonly id: number; readonly name: string; readonly type: string }[];
  readonly messages: Iterable<{
    readonly topicId: number;
    readonly timeNs: bigint;
    readonly data: Uint8Array;
  }>;
  readonly pageSizeBytes?: number;
  readonly definitions?: Readonly<Record<string, string>>;
}

/** A bag as rosbag2's SQLite plugin writes it; SQLite itself does. */
export function bagOf({ topics, messages, pageSizeBytes = 4096, definitions }: Bag): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-rosbag2-'));
  try {
    const path = join(folder, 'bag.db3');
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = ${pageSizeBytes}`);
    database.exec(`CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
      serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL)`);
    database.exec(`CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
      timestamp INTEGER NOT NULL, data BLOB NOT NULL)`);
    database.exec('CREATE INDEX timestamp_idx ON messages (timestamp ASC)');
    if (definitions !== undefined) {
      database.exec('CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL)');
      database.exec(`INSERT INTO schema VALUES (4, 'jazzy')`);
      database.exec(`CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,
        encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL)`);
      const add = database.prepare('INSERT INTO message_definitions VALUES (NULL, ?, ?, ?, ?)');
      for (const [type, text] of Object.entries(definitions)) add.run(type, 'ros2msg', text, '');
    }
    const addTopic = database.prepare('INSERT INTO topics VALUES (?, ?, ?, ?, ?)');
    for (const { id, name, type } of topics) addTopic.run(id, name, type, 'cdr', '');
    const addMessage = database.prepare('INSERT INTO messages VALUES (NULL, ?, ?, ?)');
    database.exec('BEGIN');
    for (const { topicId, timeNs, data } of messages) addMessage.run(topicId, timeNs, data);
    database.exec('COMMIT');
    database.close();
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const float = (value: number) =>
  Buffer.concat([Buffer.of(0, 1, 0, 0), Buffer.from(new Float64Array([value]).buffer)]);

export function* floats(count: number, from = 0) {
  for (let i = from; i < from + count; i += 1)
    yield { topicId: 7, timeNs: START_NS + BigInt(i), data: float(i) };
}

export const FLOAT_TOPIC = { id: 7, name: '/value', type: 'std_msgs/msg/Float64' };
