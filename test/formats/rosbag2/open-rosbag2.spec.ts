import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { openRosbag2 } from '#formats/rosbag2/open-rosbag2.ts';
import { collectTable, collectTables } from '../../support/table-columns.ts';

const START_NS = 1_700_000_000_000_000_000n;

interface Bag {
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
function bagOf({ topics, messages, pageSizeBytes = 4096, definitions }: Bag): Buffer {
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

const open = (bytes: Uint8Array): Promise<RecordingReader> =>
  openRosbag2(byteSourceOf(bytes), { name: 'test.db3', decompressors: createDecompressors() });

const float = (value: number) =>
  Buffer.concat([Buffer.of(0, 1, 0, 0), Buffer.from(new Float64Array([value]).buffer)]);

function* floats(count: number) {
  for (let i = 0; i < count; i += 1) yield { topicId: 7, timeNs: START_NS + BigInt(i), data: float(i) };
}

const FLOAT_TOPIC = { id: 7, name: '/value', type: 'std_msgs/msg/Float64' };

describe('a ROS 2 bag in SQLite', () => {
  for (const pageSizeBytes of [512, 4096, 65_536]) {
    it(`is read row by row, with pages of ${pageSizeBytes} bytes`, async () => {
      const large = Buffer.alloc(100_000, 1);
      const header = Buffer.concat([Buffer.of(0, 1, 0, 0), Buffer.alloc(8), Buffer.of(1, 0, 0, 0, 0)]);
      const fields = Buffer.concat([
        Buffer.alloc(3),
        Buffer.of(5, 0, 0, 0),
        Buffer.from('jpeg\0'),
        Buffer.alloc(3),
      ]);
      const image = Buffer.concat([header, fields, Buffer.of(0xa0, 0x86, 1, 0), large]);
      const camera = { id: 8, name: '/camera', type: 'sensor_msgs/msg/CompressedImage' };
      const images = [{ topicId: 8, timeNs: START_NS, data: image }];
      const bytes = bagOf({
        topics: [FLOAT_TOPIC, camera],
        messages: [...floats(5000), ...images],
        pageSizeBytes,
      });
      const reader = await open(bytes);
      const { timestampsNs, columns } = await collectTable(reader, '/value');
      assert.equal(timestampsNs.length, 5000);
      assert.equal(timestampsNs[4999], START_NS + 4999n);
      assert.deepEqual(columns.get('data')?.slice(0, 3), [0, 1, 2]);
      assert.equal(columns.get('data')?.[4999], 4999);
      const frames = await collectTable(reader, '/camera');
      assert.deepEqual(frames.columns.get('format'), ['jpeg']);
      assert.deepEqual(frames.columns.get('data'), [new Uint8Array(large)]);
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });
  }

  it('says what it holds before a message is read', async () => {
    const { summary } = await open(bagOf({ topics: [FLOAT_TOPIC], messages: floats(3000) }));
    assert.equal(summary.startTimeNs, START_NS);
    assert.equal(summary.endTimeNs, START_NS + 2999n);
    assert.deepEqual(
      summary.tables.map(({ name, schemaName, encoding }) => [name, schemaName, encoding]),
      [['/value', 'std_msgs/msg/Float64', 'cdr']],
    );
  });

  it('uses the definitions that the bag holds', async () => {
    const topics = [{ id: 7, name: '/own', type: 'acme_msgs/msg/Own' }];
    const definitions = { 'acme_msgs/msg/Own': 'float64 speed # m/s\n' };
    const reader = await open(bagOf({ topics, definitions, messages: floats(2) }));
    assert.deepEqual((await collectTable(reader, '/own')).columns.get('speed'), [0, 1]);
    assert.equal(reader.summary.version, '4');
    assert.equal(reader.summary.properties['rosDistro'], 'jazzy');
  });

  it('hands out messages of unknown types as bytes, and says so', async () => {
    const topics = [{ id: 7, name: '/own', type: 'acme_msgs/msg/Own' }];
    const reader = await open(bagOf({ topics, messages: floats(1) }));
    assert.deepEqual((await collectTable(reader, '/own')).columns.get('message'), [new Uint8Array(float(0))]);
    assert.match(reader.loss().reasons.join(), /\/own: .*acme_msgs\/msg\/Own/);
  });

  it('may be compressed as a whole, or message by message', async () => {
    const whole = compressZstd(bagOf({ topics: [FLOAT_TOPIC], messages: floats(10) }));
    assert.equal((await collectTable(await open(whole), '/value')).timestampsNs.length, 10);
    const messages = [...floats(10)].map((message) => ({ ...message, data: compressZstd(message.data) }));
    const single = await collectTable(await open(bagOf({ topics: [FLOAT_TOPIC], messages })), '/value');
    assert.equal(single.columns.get('data')?.[9], 9);
  });

  it('yields selected topics, columns and times', async () => {
    const other = { id: 8, name: '/other', type: 'std_msgs/msg/Float64' };
    const messages = [...floats(10), { topicId: 8, timeNs: START_NS, data: float(3) }];
    const reader = await open(bagOf({ topics: [FLOAT_TOPIC, other], messages }));
    const selection = { tables: ['/value'], startTimeNs: START_NS + 2n, endTimeNs: START_NS + 4n };
    const tables = await collectTables(reader, selection);
    assert.deepEqual([...tables.keys()], ['/value']);
    assert.deepEqual(tables.get('/value')?.columns.get('data'), [2, 3]);
  });
});

describe('a damaged ROS 2 bag in SQLite', () => {
  const whole = bagOf({ topics: [FLOAT_TOPIC], messages: floats(5000) });

  it('yields the rows of every page that is left when it is cut off, and counts the others', async () => {
    for (const part of [0.9, 0.5, 0.2]) {
      const reader = await open(whole.subarray(0, Math.floor(whole.length * part)));
      const rows = (await collectTables(reader)).get('/value')?.timestampsNs.length ?? 0;
      assert.ok(rows > 0 && rows < 5000);
      const accounted = rows + reader.loss().records;
      // What the last page held is known to nobody.
      assert.ok(accounted > 4800 && accounted <= 5000, `${rows} rows and ${reader.loss().records} lost`);
    }
  });

  it('is read without a hang, whichever page is damaged', async () => {
    for (let page = 1; page < whole.length / 4096; page += 1) {
      const damaged = Buffer.from(whole);
      damaged.fill(page % 256, page * 4096, page * 4096 + 64);
      const reader = await open(damaged).catch((error: unknown) => error as RecordingFormatError);
      if (reader instanceof RecordingFormatError) continue;
      const rows = (await collectTables(reader)).get('/value')?.timestampsNs.length ?? 0;
      assert.ok(rows <= 5000);
      assert.ok(
        rows === 5000 || reader.loss().reasons.length > 0,
        `page ${page}: ${rows} rows, nothing said`,
      );
    }
  });

  it('is refused when it is no bag', async () => {
    await assert.rejects(open(Buffer.alloc(200)), /test\.db3: it is no SQLite database/);
    const folder = mkdtempSync(join(tmpdir(), 'landfall-rosbag2-'));
    const database = new DatabaseSync(join(folder, 'other.db'));
    database.exec('CREATE TABLE other(id INTEGER PRIMARY KEY)');
    database.close();
    const other = readFileSync(join(folder, 'other.db'));
    rmSync(folder, { recursive: true });
    await assert.rejects(open(other), /no tables "topics" and "messages"/);
  });
});
