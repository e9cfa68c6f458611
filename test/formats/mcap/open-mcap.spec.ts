import assert from 'node:assert/strict';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { type ByteSource, byteSourceOf } from '#formats/byte-source.ts';
import { openMcap } from '#formats/mcap/open-mcap.ts';
import { RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { collectTable, collectTables } from '../../support/table-columns.ts';
import {
  cdr,
  channel,
  chunk,
  chunkIndex,
  DATA_OFFSET,
  MAGIC,
  mcapOf,
  message,
  messageIndex,
  record,
  schema,
  sized,
  str,
  type TestChunk,
  u32,
  u64,
} from './mcap-bytes.ts';

const decompressors = createDecompressors();
const open = (source: ByteSource | Uint8Array): Promise<RecordingReader> =>
  openMcap(source instanceof Uint8Array ? byteSourceOf(source) : source, {
    name: 'test.mcap',
    decompressors,
  });

const SCHEMA = schema(1, 'acme_msgs/msg/Speed', 'ros2msg', 'float64 value # m/s\n');
const NOTE_SCHEMA = schema(2, 'std_msgs/msg/String', 'ros2msg', 'string data\n');
const CHANNEL = channel(1, 1, '/speed', 'cdr');
const NOTE_CHANNEL = channel(2, 2, '/note', 'cdr');
const DESCRIPTIONS = [SCHEMA, NOTE_SCHEMA, CHANNEL, NOTE_CHANNEL];
const speed = (time: number, value: number) =>
  message(1, time, cdr(Buffer.from(new Float64Array([value]).buffer)));
const note = (time: number, text: string) => message(2, time, cdr(str(`${text}\0`)));

const FIRST: TestChunk = {
  records: Buffer.concat([...DESCRIPTIONS, speed(10, 1), note(11, 'ä b'), speed(12, 2)]),
  startTime: 10,
  endTime: 12,
};
const SECOND: TestChunk = {
  records: Buffer.concat([speed(20, 3), speed(21, 4), speed(22, 5)]),
  startTime: 20,
  endTime: 22,
};

/** The two chunks with their indexes and a summary. */
function indexed(first: TestChunk, second: TestChunk = SECOND): { bytes: Buffer; secondOffset: number } {
  const firstIndex = Buffer.concat([messageIndex(1, 2), messageIndex(2, 1)]);
  const secondIndex = messageIndex(1, 3);
  const [firstChunk, secondChunk] = [chunk(first), chunk(second)];
  const secondOffset = DATA_OFFSET + firstChunk.length + firstIndex.length;
  const summary = [
    ...DESCRIPTIONS,
    chunkIndex(first, DATA_OFFSET, firstChunk.length, [1, 2], firstIndex.length),
    chunkIndex(second, secondOffset, secondChunk.length, [1], secondIndex.length),
  ];
  return { bytes: mcapOf([firstChunk, firstIndex, secondChunk, secondIndex], summary), secondOffset };
}

async function speedsOf(reader: RecordingReader): Promise<readonly unknown[]> {
  return (await collectTables(reader)).get('/speed')?.columns.get('value') ?? [];
}

async function rowsOf(reader: RecordingReader): Promise<number> {
  const tables = await collectTables(reader);
  return [...tables.values()].reduce((sum, { timestampsNs }) => sum + timestampsNs.length, 0);
}

describe('an MCAP file with a summary', () => {
  it('says what it holds and yields its rows at their log time', async () => {
    const reader = await open(indexed(FIRST).bytes);
    const { summary } = reader;
    assert.equal(summary.writer, 'test library');
    assert.equal(summary.startTimeNs, 10n);
    assert.equal(summary.endTimeNs, 22n);
    assert.deepEqual(
      summary.tables.map(({ name, schemaName, encoding }) => [name, schemaName, encoding]),
      [
        ['/speed', 'acme_msgs/msg/Speed', 'cdr'],
        ['/note', 'std_msgs/msg/String', 'cdr'],
      ],
    );
    const { timestampsNs, columns } = await collectTable(reader, '/speed');
    assert.deepEqual(timestampsNs, [10n, 12n, 20n, 21n, 22n]);
    assert.deepEqual(columns.get('value'), [1, 2, 3, 4, 5]);
    assert.deepEqual((await collectTable(reader, '/note')).columns.get('data'), ['ä b']);
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('reads only the chunks that hold selected topics and times', async () => {
    const { bytes, secondOffset } = indexed(FIRST);
    const offsets: number[] = [];
    const source = byteSourceOf(bytes);
    const reader = await open({
      sizeBytes: source.sizeBytes,
      read(offset, lengthBytes) {
        offsets.push(offset);
        return source.read(offset, lengthBytes);
      },
    });
    offsets.length = 0;
    await collectTable(reader, '/note');
    assert.deepEqual(offsets, [DATA_OFFSET]);
    offsets.length = 0;
    const late = await collectTable(reader, '/speed', { startTimeNs: 21n, endTimeNs: 22n });
    assert.deepEqual(offsets, [secondOffset]);
    assert.deepEqual(late.columns.get('value'), [4]);
  });

  for (const [name, compress] of Object.entries({ lz4: compressLz4Frame, zstd: compressZstd })) {
    it(`reads chunks compressed with ${name}`, async () => {
      const compressed = Buffer.from(compress(FIRST.records));
      const reader = await open(indexed({ ...FIRST, compression: name, compressed }).bytes);
      assert.deepEqual(await speedsOf(reader), [1, 2, 3, 4, 5]);
      assert.equal(reader.loss().records, 0);
    });
  }

  it('finds messages outside the chunks that the summary lists', async () => {
    const secondChunk = chunk(SECOND);
    const loose = Buffer.concat([speed(1, 10), speed(2, 11)]);
    const offset = DATA_OFFSET + loose.length;
    const summary = [...DESCRIPTIONS, chunkIndex(SECOND, offset, secondChunk.length, [1], 0)];
    const reader = await open(mcapOf([loose, secondChunk, speed(30, 12)], summary));
    assert.deepEqual(await speedsOf(reader), [10, 11, 3, 4, 5, 12]);
  });

  it('finds attachments and metadata between chunks', async () => {
    const content = Buffer.from('a: 1\n');
    const attachment = record(
      0x09,
      u64(1),
      u64(2),
      str('cal.yaml'),
      str('text/yaml'),
      u64(5),
      content,
      u32(0),
    );
    const metadata = record(0x0c, str('vehicle'), sized(Buffer.concat([str('vin'), str('WVW')])));
    const reader = await open(mcapOf([...DESCRIPTIONS, attachment, metadata, speed(1, 1)]));
    assert.equal(reader.summary.properties['vehicle.vin'], 'WVW');
    const [found] = reader.summary.attachments;
    assert.equal(found?.name, 'cal.yaml');
    assert.deepEqual(Buffer.from((await found?.read()) ?? ''), content);
  });

  it('says that values may be wrong when a checksum is', async () => {
    const reader = await open(indexed({ ...FIRST, crc: 7 }).bytes);
    assert.equal(await rowsOf(reader), 6);
    assert.match(reader.loss().reasons.join(), /checksum/);
  });
});

describe('an MCAP file without a summary', () => {
  it('is read by walking its records', async () => {
    const reader = await open(mcapOf([chunk(FIRST), chunk(SECOND)]));
    assert.deepEqual(await speedsOf(reader), [1, 2, 3, 4, 5]);
    assert.equal(reader.summary.tables[0]?.rowCount, 5);
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('may have no chunks', async () => {
    const reader = await open(mcapOf([...DESCRIPTIONS, speed(1, 1), note(2, 'x'), speed(3, 2)]));
    assert.deepEqual(await speedsOf(reader), [1, 2]);
    assert.equal(reader.summary.endTimeNs, 3n);
  });

  it('skips records of later versions', async () => {
    const reader = await open(mcapOf([record(0x42, u64(1)), ...DESCRIPTIONS, speed(1, 1)]));
    assert.deepEqual(await speedsOf(reader), [1]);
    assert.equal(reader.loss().records, 0);
  });
});

describe('an MCAP file that was cut off', () => {
  it('yields every message that is whole, at whatever byte it ends', async () => {
    const { bytes } = indexed(FIRST);
    const ends = [speed(10, 1), note(11, 'ä b'), speed(12, 2), speed(20, 3), speed(21, 4), speed(22, 5)].map(
      (whole) => bytes.indexOf(whole) + whole.length,
    );
    for (let size = MAGIC.length; size < bytes.length; size += 1) {
      const reader = await open(bytes.subarray(0, size));
      assert.equal(await rowsOf(reader), ends.filter((end) => end <= size).length, `cut at ${size}`);
      assert.ok(reader.loss().reasons.length > 0, `cut at ${size}: no word about it`);
    }
  });

  it('loses a compressed chunk that is not whole, and says how much', async () => {
    const compressed = Buffer.from(compressZstd(SECOND.records));
    const second = { ...SECOND, compression: 'zstd', compressed };
    const { bytes, secondOffset } = indexed(FIRST, second);
    const reader = await open(bytes.subarray(0, secondOffset + 80));
    assert.deepEqual(await speedsOf(reader), [1, 2]);
    assert.ok(reader.loss().records >= 1);
    assert.match(reader.loss().reasons.join(), /cut off/);
  });
});

describe('a compressed chunk that was cut off', () => {
  for (const [name, compress] of Object.entries({ lz4: compressLz4Frame, zstd: compressZstd })) {
    it(`yields the messages in its whole ${name} blocks`, async () => {
      const speeds = Array.from({ length: 200_000 }, (_, i) => speed(i, Math.sin(i)));
      const records = Buffer.concat([...DESCRIPTIONS, ...speeds]);
      const compressed = Buffer.from(compress(records));
      const whole = mcapOf([
        chunk({ records, startTime: 0, endTime: 200_000, compression: name, compressed }),
      ]);
      const reader = await open(whole.subarray(0, Math.floor(whole.length * 0.8)));
      const values = await speedsOf(reader);
      assert.ok(values.length > 50_000 && values.length < 200_000, `${values.length} rows`);
      assert.ok(values.every((value, i) => value === Math.sin(i)));
      assert.ok(reader.loss().records > 0 && reader.loss().bytes > 0);
    });
  }
});

describe('a damaged MCAP file', () => {
  it('is read without a hang or a silent loss, whichever bit is flipped', async () => {
    const { bytes } = indexed(FIRST);
    for (let bit = DATA_OFFSET * 8; bit < bytes.length * 8; bit += 5) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const reader = await open(damaged);
      const rows = await rowsOf(reader);
      // One flipped bit costs one message, one chunk, or the topic whose schema it changed.
      assert.ok(rows >= 1, `bit ${bit}: no rows`);
      assert.ok(rows >= 6 || reader.loss().records > 0, `bit ${bit}: ${rows} rows and nothing said`);
    }
  });

  it('goes on at the next chunk behind bytes that are no record', async () => {
    const garbage = Buffer.alloc(1000, 0xff);
    const reader = await open(mcapOf([chunk(FIRST), garbage, chunk(SECOND)]));
    assert.deepEqual(await speedsOf(reader), [1, 2, 3, 4, 5]);
    assert.equal(reader.loss().bytes, 1000);
  });

  it('goes on behind a message whose length lies, inside a chunk', async () => {
    const lying = speed(2, 2);
    lying.writeUInt32LE(0xffff_fff0, 1);
    const records = Buffer.concat([...DESCRIPTIONS, speed(1, 1), lying, speed(3, 3)]);
    const reader = await open(mcapOf([chunk({ records, startTime: 1, endTime: 3 }), messageIndex(1, 3)]));
    assert.deepEqual(await speedsOf(reader), [1, 3]);
    assert.equal(reader.loss().records, 1);
  });

  for (const [what, change] of Object.entries({
    'claims to be 16 EB': { compression: 'zstd', uncompressedSize: Number.MAX_SAFE_INTEGER },
    'becomes more than it claims': {
      compression: 'zstd',
      compressed: Buffer.from(compressZstd(Buffer.alloc(1 << 26))),
      uncompressedSize: 1000,
    },
    'is not what its compression says': { compression: 'lz4' },
    'uses an unknown compression': { compression: 'zpaq' },
  })) {
    it(`loses only the chunk that ${what}`, async () => {
      const reader = await open(indexed({ ...FIRST, ...change }).bytes);
      assert.deepEqual(await speedsOf(reader), [3, 4, 5]);
      assert.equal(reader.loss().records, 3);
      assert.match(reader.loss().reasons.join(), /chunk at byte \d+ cannot be read/);
    });
  }

  it('counts messages of a channel that nothing describes', async () => {
    const records = Buffer.concat([...DESCRIPTIONS, speed(1, 1), message(9, 2, cdr(u32(0)))]);
    const reader = await open(mcapOf([chunk({ records, startTime: 1, endTime: 2 })]));
    assert.equal(await rowsOf(reader), 1);
    assert.equal(reader.loss().records, 1);
  });
});

describe('an MCAP topic', () => {
  it('whose schema changed becomes two tables', async () => {
    const other = [schema(3, 'acme_msgs/msg/Speed2', 'ros2msg', 'int8 v\n'), channel(3, 3, '/speed', 'cdr')];
    const reader = await open(
      mcapOf([...DESCRIPTIONS, ...other, speed(1, 1), message(3, 2, cdr(Buffer.of(5)))]),
    );
    assert.deepEqual([...(await collectTables(reader)).keys()], ['/speed', '/speed [acme_msgs/msg/Speed2]']);
  });

  it('in an encoding that is not read leaves as bytes, and says so', async () => {
    const flat = [schema(3, 'Flat', 'flatbuffer', 'xx'), channel(3, 3, '/flat', 'flatbuffer')];
    const reader = await open(mcapOf([...flat, message(3, 2, Buffer.of(1, 2))]));
    const table = await collectTable(reader, '/flat');
    assert.deepEqual(table.columns.get('message'), [Uint8Array.of(1, 2)]);
    assert.match(reader.loss().reasons.join(), /flatbuffer/);
  });

  it('without a schema is one column of JSON text', async () => {
    const data = Buffer.from('{"speed": 1.5}');
    const reader = await open(mcapOf([channel(3, 0, '/json', 'json'), message(3, 2, data)]));
    assert.deepEqual((await collectTable(reader, '/json')).columns.get('message'), ['{"speed":1.5}']);
  });
});

describe('a file that is no MCAP file', () => {
  const refused = async (bytes: Uint8Array, text: RegExp) =>
    assert.rejects(open(bytes), (error) => error instanceof RecordingFormatError && text.test(error.message));

  it('is refused by name, with the reason', async () => {
    await refused(new Uint8Array(0), /test\.mcap: .*no MCAP/);
    await refused(Buffer.from('#ROSBAG V2.0\n'), /no MCAP/);
    await refused(MAGIC.with(5, 0x31), /MCAP of version 1; only 0/);
  });

  it('is empty when only its magic was written', async () => {
    const reader = await open(MAGIC);
    assert.equal(await rowsOf(reader), 0);
    assert.ok(reader.loss().reasons.length > 0);
  });
});
