import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { openRosbag2 } from '#formats/rosbag2/open-rosbag2.ts';
import { bagOf, FLOAT_TOPIC, float, floats, START_NS } from '../../support/rosbag2-files.ts';
import { collectTable, collectTables } from '../../support/table-columns.ts';

const open = (bytes: Uint8Array): Promise<RecordingReader> =>
  openRosbag2(byteSourceOf(bytes), { name: 'test.db3', decompressors: createDecompressors() });

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

  it('may be compressed message by message', async () => {
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

  it('loses the message whose further pages are gone, and no other', async () => {
    const topic = { id: 7, name: '/raw', type: 'acme_msgs/msg/Unknown' };
    const messages = [1, 2, 3].map((value) => ({
      topicId: 7,
      timeNs: START_NS + BigInt(value),
      data: Buffer.alloc(50_000, value),
    }));
    const damaged = bagOf({ topics: [topic], messages });
    const second = damaged.indexOf(Buffer.alloc(4000, 2));
    const page = Math.ceil(second / 4096) * 4096;
    damaged.fill(0xff, page, page + 4);
    const reader = await open(damaged);
    const { timestampsNs, columns } = await collectTable(reader, '/raw');
    assert.deepEqual([...timestampsNs], [START_NS + 1n, START_NS + 3n]);
    assert.deepEqual(
      columns.get('message'),
      [1, 3].map((value) => new Uint8Array(50_000).fill(value)),
    );
    assert.equal(reader.loss().records, 1);
    assert.match(reader.loss().reasons.join(), /page 4294967295 is not in the file/);
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

describe('a ROS 2 bag in SQLite with a write-ahead log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-rosbag2-wal-'));
  after(() => rmSync(folder, { recursive: true }));

  /** A bag that its recorder, killed, left behind: 100 messages in the database, `logged` more in its log. */
  function killed(logged: number): { database: Buffer; log: Buffer } {
    const path = join(folder, 'live.db3');
    for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
    writeFileSync(path, bagOf({ topics: [FLOAT_TOPIC], messages: floats(100) }));
    const live = new DatabaseSync(path);
    live.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
    const add = live.prepare('INSERT INTO messages VALUES (NULL, ?, ?, ?)');
    for (let from = 100; from < 100 + logged; from += 500) {
      live.exec('BEGIN');
      const count = Math.min(500, 100 + logged - from);
      for (const { topicId, timeNs, data } of floats(count, from)) add.run(topicId, timeNs, data);
      live.exec('COMMIT');
    }
    const copy = join(folder, 'copy');
    copyFileSync(path, copy);
    const database = readFileSync(copy);
    const log = existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
    live.close();
    return { database, log };
  }

  const openWith = (bytes: Uint8Array, log: Uint8Array | undefined) =>
    openRosbag2(byteSourceOf(bytes), {
      name: 'test.db3',
      decompressors: createDecompressors(),
      companion: (ending) => Promise.resolve(ending === '-wal' && log ? byteSourceOf(log) : undefined),
    });

  async function valuesOf(reader: RecordingReader): Promise<unknown> {
    return (await collectTables(reader)).get('/value')?.columns.get('data');
  }

  it('has the messages of the log too', async () => {
    const { database, log } = killed(3000);
    const reader = await openWith(database, log);
    assert.deepEqual(
      await valuesOf(reader),
      Array.from({ length: 3100 }, (_, i) => i),
    );
    assert.equal(reader.summary.endTimeNs, START_NS + 3099n);
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('is read from its log alone, where SQLite had not yet moved anything', async () => {
    for (const pageSizeBytes of [512, 4096, 65_536]) {
      const path = join(folder, `unmoved-${pageSizeBytes}.db3`);
      const live = new DatabaseSync(path);
      live.exec(
        `PRAGMA page_size = ${pageSizeBytes}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0`,
      );
      live.exec(`CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT);
        CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);
        INSERT INTO topics VALUES (7, '/value', 'std_msgs/msg/Float64', 'cdr')`);
      const add = live.prepare('INSERT INTO messages VALUES (NULL, ?, ?, ?)');
      for (const { topicId, timeNs, data } of floats(200)) add.run(topicId, timeNs, data);
      const log = readFileSync(`${path}-wal`);
      live.close();
      const reader = await openWith(new Uint8Array(0), log);
      assert.deepEqual(
        await valuesOf(reader),
        Array.from({ length: 200 }, (_, i) => i),
      );
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    }
    for (const log of [undefined, new Uint8Array(0), new Uint8Array(5000)]) {
      await assert.rejects(openWith(new Uint8Array(0), log), /it is empty, and no -wal file/);
    }
  });

  it('without its log has what the database holds, and says what may be missing', async () => {
    const { database } = killed(3000);
    const reader = await openWith(database, undefined);
    assert.equal(((await valuesOf(reader)) as unknown[]).length, 100);
    assert.match(reader.summary.properties['writeAheadLog'] ?? '', /its last messages were there/);
    const closed = await open(bagOf({ topics: [FLOAT_TOPIC], messages: floats(3) }));
    assert.equal(closed.summary.properties['writeAheadLog'], undefined);
  });

  it('cut off in its log has all that was committed, and counts what was not', async () => {
    const { database, log } = killed(3000);
    const wholeTransactions = new Set<number>();
    for (let sizeBytes = log.length; sizeBytes > 0; sizeBytes -= 4120 * 3) {
      const reader = await openWith(database, log.subarray(0, sizeBytes));
      const values = (await valuesOf(reader)) as number[];
      assert.equal((values.length - 100) % 500, 0, `${values.length} rows of ${sizeBytes} bytes of log`);
      assert.deepEqual(values, [...values.keys()]);
      wholeTransactions.add(values.length);
      const isAtCommit = reader.loss().bytes === 0;
      assert.equal(isAtCommit, !reader.loss().reasons.join().includes('never committed'));
    }
    assert.ok(wholeTransactions.size >= 5);
  });

  it('whose bytes are changed is read up to the change; one of other pages is left alone', async () => {
    const { database, log } = killed(3000);
    const changed = Buffer.from(log);
    changed[Math.floor(log.length / 2)]! ^= 1;
    const values = (await valuesOf(await openWith(database, changed))) as number[];
    assert.ok(values.length > 100 && values.length < 3100 && values.length % 500 === 100);
    const foreign = Buffer.from(log);
    foreign.writeUInt32BE(8192, 8);
    assert.equal(((await valuesOf(await openWith(database, foreign))) as number[]).length, 100);
  });
});
