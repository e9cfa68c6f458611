import assert from 'node:assert/strict';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { type ByteSource, byteSourceOf } from '#formats/byte-source.ts';
import { RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { collectTable, collectTables } from '../../support/table-columns.ts';
import {
  bagOf,
  connectionRecord,
  f64,
  fields,
  messageRecord,
  record,
  type TestChunk,
  text,
  time,
  u32,
} from './bag-bytes.ts';

const decompressors = createDecompressors();
const open = (source: ByteSource | Uint8Array): Promise<RecordingReader> =>
  openRosbag(source instanceof Uint8Array ? byteSourceOf(source) : source, {
    name: 'test.bag',
    decompressors,
  });

const SPEED = connectionRecord(0, '/speed', 'acme/Speed', 'float64 value # m/s\n');
const NOTE = connectionRecord(1, '/note', 'acme/Note', 'string text\n');
const speed = (seconds: number, value: number) => messageRecord(0, seconds, f64(value));
const note = (seconds: number, value: string) => messageRecord(1, seconds, text(value));

const FIRST: TestChunk = {
  records: [SPEED, NOTE, speed(10, 1), note(11, 'ä b'), speed(12, 2)],
  counts: { 0: 2, 1: 1 },
  startSeconds: 10,
  endSeconds: 12,
};
const SECOND: TestChunk = {
  records: [speed(20, 3), speed(21, 4), speed(22, 5)],
  counts: { 0: 3 },
  startSeconds: 20,
  endSeconds: 22,
};
const BAG = bagOf([SPEED, NOTE], [FIRST, SECOND]);

async function speedsOf(reader: RecordingReader): Promise<readonly unknown[]> {
  return (await collectTables(reader)).get('/speed')?.columns.get('value') ?? [];
}

describe('an indexed ROS bag', () => {
  it('says what it holds before a message is read', async () => {
    const { summary } = await open(BAG.bytes);
    assert.equal(summary.version, '2.0');
    assert.equal(summary.startTimeNs, 10_000_000_000n);
    assert.equal(summary.endTimeNs, 22_000_000_000n);
    assert.deepEqual(summary.tables, [
      {
        name: '/speed',
        group: '/speed',
        schemaName: 'acme/Speed',
        encoding: 'ros1',
        rowCount: 5,
        columns: [{ name: 'value', type: 'float64', description: 'm/s' }],
      },
      {
        name: '/note',
        group: '/note',
        schemaName: 'acme/Note',
        encoding: 'ros1',
        rowCount: 1,
        columns: [{ name: 'text', type: 'string' }],
      },
    ]);
  });

  it('yields rows at their receive time', async () => {
    const reader = await open(BAG.bytes);
    const { timestampsNs, columns } = await collectTable(reader, '/speed');
    assert.deepEqual(columns.get('value'), [1, 2, 3, 4, 5]);
    assert.deepEqual(
      timestampsNs,
      [10n, 12n, 20n, 21n, 22n].map((s) => s * 1_000_000_000n),
    );
    assert.deepEqual((await collectTable(reader, '/note')).columns.get('text'), ['ä b']);
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('reads only the chunks that hold selected topics and times', async () => {
    const ranges: number[] = [];
    const source = byteSourceOf(BAG.bytes);
    const reader = await open({
      sizeBytes: source.sizeBytes,
      read(offset, lengthBytes) {
        ranges.push(offset);
        return source.read(offset, lengthBytes);
      },
    });
    ranges.length = 0;
    await collectTable(reader, '/note');
    assert.deepEqual(ranges, [BAG.chunkOffsets[0]]);
    ranges.length = 0;
    const late = await collectTable(reader, '/speed', {
      startTimeNs: 21_000_000_000n,
      endTimeNs: 22_000_000_000n,
    });
    assert.deepEqual(ranges, [BAG.chunkOffsets[1]]);
    assert.deepEqual(late.columns.get('value'), [4]);
  });

  it('keeps messages of two publishers of one topic in the order of the file', async () => {
    const other = connectionRecord(5, '/speed', 'acme/Speed', 'float64 value\n');
    const records = [SPEED, other, speed(1, 1), messageRecord(5, 2, f64(2)), speed(3, 3)];
    const chunk = { records, counts: { 0: 2, 5: 1 }, startSeconds: 1, endSeconds: 3 };
    const reader = await open(bagOf([SPEED, other], [chunk]).bytes);
    assert.equal(reader.summary.tables.length, 1);
    assert.deepEqual(await speedsOf(reader), [1, 2, 3]);
  });

  it('makes a table of its own for a topic whose type changed', async () => {
    const other = connectionRecord(5, '/speed', 'acme/Speed', 'float32 value\nstring unit\n', 'y');
    const data = Buffer.concat([u32(0), text('kn')]);
    const records = [SPEED, other, speed(1, 1), messageRecord(5, 2, data)];
    const chunk = { records, counts: { 0: 1, 5: 1 }, startSeconds: 1, endSeconds: 2 };
    const tables = await collectTables(await open(bagOf([SPEED, other], [chunk]).bytes));
    assert.deepEqual([...tables.keys()], ['/speed', '/speed [acme/Speed y]']);
  });

  it('reads header fields in any order', async () => {
    const swapped = record({ time: time(3), op: Buffer.of(2), conn: u32(0) }, f64(9));
    const chunk = { records: [SPEED, swapped], counts: { 0: 1 }, startSeconds: 3, endSeconds: 3 };
    assert.deepEqual(await speedsOf(await open(bagOf([SPEED], [chunk]).bytes)), [9]);
  });

  it('hands out messages as bytes when their definition makes no sense, and says so', async () => {
    const odd = connectionRecord(0, '/odd', 'acme/Odd', 'Missing thing\n');
    const chunk = { records: [odd, speed(3, 1)], counts: { 0: 1 }, startSeconds: 3, endSeconds: 3 };
    const reader = await open(bagOf([odd], [chunk]).bytes);
    assert.deepEqual((await collectTable(reader, '/odd')).columns.get('message'), [new Uint8Array(f64(1))]);
    assert.match(reader.loss().reasons.join(), /\/odd: .*Missing/);
  });

  it('may be empty', async () => {
    const reader = await open(bagOf([], []).bytes);
    assert.deepEqual(reader.summary.tables, []);
    assert.equal((await collectTables(reader)).size, 0);
  });
});

describe('a file that is no readable ROS bag', () => {
  const refused = async (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(
      open(bytes),
      (error) => error instanceof RecordingFormatError && message.test(error.message),
    );

  it('is refused by name, with the reason', async () => {
    await refused(new Uint8Array(0), /test\.bag: .*no ROS bag/);
    await refused(Buffer.from('MDF     4.10    '), /no ROS bag/);
  });

  it('is refused with its version when it is an old one', async () => {
    await refused(Buffer.from('#ROSBAG V1.2\nand more'), /version 1\.2; only 2\.0/);
  });

  it('is refused when it is encrypted', async () => {
    const header = record({ encryptor: 'rosbag/AesCbcEncryptor', op: Buffer.of(3) }, Buffer.alloc(8));
    await refused(Buffer.concat([Buffer.from('#ROSBAG V2.0\n'), header]), /encrypted/);
  });
});

describe('a ROS bag that was cut off', () => {
  it('yields every message that is whole, at whatever byte it ends', async () => {
    const ends = messageEnds(BAG.bytes);
    for (let size = 14; size < BAG.bytes.length; size += 1) {
      const reader = await open(BAG.bytes.subarray(0, size));
      const whole = ends.filter((end) => end <= size).length;
      const tables = await collectTables(reader);
      const rows = [...tables.values()].reduce((sum, { timestampsNs }) => sum + timestampsNs.length, 0);
      assert.equal(rows, whole, `cut at ${size}`);
      assert.ok(reader.loss().reasons.length > 0, `cut at ${size}: no word about it`);
    }
  });

  it('counts a message that is not whole as lost', async () => {
    const [end = 0] = messageEnds(BAG.bytes);
    const reader = await open(BAG.bytes.subarray(0, end + 20));
    assert.deepEqual(await speedsOf(reader), [1]);
    assert.equal(reader.loss().records, 1);
  });

  it('was never closed: no index, no counts, the last chunk without a size', async () => {
    const whole = bagOf([], [FIRST], false).bytes;
    const open_ = record({ compression: 'none', op: Buffer.of(5), size: u32(0) }, Buffer.alloc(0));
    const reader = await open(Buffer.concat([whole, open_, ...SECOND.records]));
    assert.deepEqual(await speedsOf(reader), [1, 2, 3, 4, 5]);
    assert.equal(reader.loss().records, 0);
  });
});

/** Ends of the messages in the bag: each begins with conn, op=2 and time. */
function messageEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  const mark = Buffer.from('time=');
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    if (bytes.subarray(at - 6, at - 4).equals(Buffer.of(0x3d, 2)) === false) continue;
    const dataLength = bytes.readUInt32LE(at + 13);
    ends.push(at + 17 + dataLength);
  }
  return ends;
}

describe('a damaged ROS bag', () => {
  it('is read without a hang or a silent loss, whichever bit is flipped', async () => {
    const from = BAG.chunkOffsets[0]!;
    for (let bit = from * 8; bit < BAG.bytes.length * 8; bit += 5) {
      const damaged = Buffer.from(BAG.bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const reader = await open(damaged);
      const tables = await collectTables(reader);
      const rows = [...tables.values()].reduce((sum, { timestampsNs }) => sum + timestampsNs.length, 0);
      // One flipped bit costs one message, one chunk, or the topic whose definition it changed.
      assert.ok(rows >= 1, `bit ${bit}: no rows`);
      const reported = reader.loss().records > 0;
      assert.ok(rows >= 6 || reported, `bit ${bit}: ${rows} rows and nothing said`);
    }
  });

  it('goes on behind a message whose length lies', async () => {
    const records = [SPEED, speed(1, 1), messageRecord(0, 2, f64(2), 0xffff_fff0), speed(3, 3)];
    const chunk = { records, counts: { 0: 3 }, startSeconds: 1, endSeconds: 3 };
    const reader = await open(bagOf([SPEED], [chunk]).bytes);
    assert.deepEqual(await speedsOf(reader), [1, 3]);
    assert.equal(reader.loss().records, 1);
    assert.match(reader.loss().reasons.join(), /chunk at byte \d+ is damaged/);
  });

  it('leaves out messages whose inner lengths lie, and counts them', async () => {
    const list = connectionRecord(0, '/list', 'acme/List', 'float64[] values\nstring[] names\n');
    const good = Buffer.concat([u32(1), f64(7), u32(1), text('a')]);
    const longList = Buffer.concat([u32(0xffff_ffff), f64(7), u32(0)]);
    const manyNames = Buffer.concat([u32(0), u32(0x7fff_ffff)]);
    const longName = Buffer.concat([u32(0), u32(1), u32(0xffff_fff0), Buffer.from('a')]);
    const tail = Buffer.concat([good, Buffer.alloc(3)]);
    const messages = [longList, good, manyNames, longName, tail].map((data, i) => messageRecord(0, i, data));
    const chunk = { records: [list, ...messages], counts: { 0: 5 }, startSeconds: 0, endSeconds: 4 };
    const reader = await open(bagOf([list], [chunk]).bytes);
    const { columns, timestampsNs } = await collectTable(reader, '/list');
    assert.deepEqual(columns.get('values'), [[7]]);
    assert.deepEqual(columns.get('names'), [['a']]);
    assert.deepEqual(timestampsNs, [1_000_000_000n]);
    assert.equal(reader.loss().records, 4);
  });

  for (const [what, change] of Object.entries({
    'claims to be 4 GB': { compression: 'lz4', declaredSize: 0xffff_ffff },
    'is not what its compression says': { compression: 'lz4', declaredSize: 100 },
    'is cut off inside bz2': { compression: 'bz2', declaredSize: 1000 },
    'uses an unknown compression': { compression: 'zpaq' },
  })) {
    it(`loses only the chunk that ${what}`, async () => {
      const reader = await open(bagOf([SPEED, NOTE], [{ ...FIRST, ...change }, SECOND]).bytes);
      assert.deepEqual(await speedsOf(reader), [3, 4, 5]);
      assert.equal(reader.loss().records, 3);
      assert.match(reader.loss().reasons.join(), /chunk at byte 4109 cannot be read/);
    });
  }

  it('counts its damage once, however often it is read', async () => {
    const reader = await open(bagOf([SPEED, NOTE], [{ ...FIRST, compression: 'zpaq' }, SECOND]).bytes);
    await speedsOf(reader);
    await speedsOf(reader);
    assert.equal(reader.loss().records, 3);
  });

  it('is not trusted about its index', async () => {
    const header = {
      chunk_count: u32(2),
      conn_count: u32(2),
      index_pos: Buffer.alloc(8, 0x10),
      op: Buffer.of(3),
    };
    const lying = Buffer.from(BAG.bytes);
    const bytes = fields(header);
    Buffer.concat([u32(bytes.length), bytes]).copy(lying, 13);
    const reader = await open(lying);
    assert.deepEqual(await speedsOf(reader), [1, 2, 3, 4, 5]);
    assert.equal(reader.loss().records, 0);
  });
});
