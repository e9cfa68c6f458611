import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openLocalRecording } from '#composition/open-local-recording.ts';
import { memorySink } from '#formats/byte-source.ts';
import { McapWriter } from '#formats/mcap/writer.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import { TdmsWriter } from '#formats/tdms/writer.ts';
import { bagOf, FLOAT_TOPIC, float, floats, START_NS } from '#test/support/rosbag2-files.ts';
import { collectTables } from '#test/support/table-columns.ts';

const OTHER_TOPIC = { id: 8, name: '/other', type: 'std_msgs/msg/Float64' };

/** As rosbag2 of ROS 2 Jazzy writes it. */
function metadataOf(files: readonly [name: string, messages: number][], counts: Record<string, number>) {
  const topics = Object.entries(counts).map(
    ([name, count]) => `    - topic_metadata:
        name: ${name}
        type: std_msgs/msg/Float64
        serialization_format: cdr
        offered_qos_profiles: []
        type_description_hash: RIHS01_705ba9c3d1a09df43737eb67095534de36fd426c0587779bda2bc51fe790182a
      message_count: ${count}`,
  );
  const each = files.map(
    ([name, count]) => `    - path: ${name}
      starting_time:
        nanoseconds_since_epoch: ${START_NS}
      duration:
        nanoseconds: 999
      message_count: ${count}`,
  );
  return `rosbag2_bagfile_information:
  version: 9
  storage_identifier: sqlite3
  duration:
    nanoseconds: 999
  starting_time:
    nanoseconds_since_epoch: ${START_NS}
  message_count: ${Object.values(counts).reduce((sum, count) => sum + count, 0)}
  topics_with_message_count:
${topics.join('\n')}
  compression_format: ""
  compression_mode: ""
  relative_file_paths:
${files.map(([name]) => `    - ${name}`).join('\n')}
  files:
${each.join('\n')}
  custom_data:
    driver: Ada
  ros_distro: jazzy
`;
}

describe('the folder of a ROS 2 bag', () => {
  const folders: string[] = [];
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  function folderOf(files: Readonly<Record<string, Uint8Array | string>>): string {
    const folder = mkdtempSync(join(tmpdir(), 'landfall-bag-folder-'));
    folders.push(folder);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return folder;
  }

  async function read(path: string, selection = {}) {
    const recording = await openLocalRecording(path, { decompressors: createDecompressors() });
    try {
      const tables = await collectTables(recording.reader, selection);
      return { tables, summary: recording.reader.summary, loss: recording.reader.loss() };
    } finally {
      await recording.close();
    }
  }

  const first = bagOf({ topics: [FLOAT_TOPIC], messages: floats(5) });
  const second = bagOf({
    topics: [OTHER_TOPIC, FLOAT_TOPIC],
    messages: [...floats(5, 5), { topicId: 8, timeNs: START_NS + 10n, data: float(42) }],
  });

  it('is one recording: topics of all files, in the order that metadata.yaml gives', async () => {
    const metadata = metadataOf(
      [
        ['z.db3', 5],
        ['a.db3', 6],
      ],
      { '/value': 10, '/other': 1 },
    );
    const folder = folderOf({ 'z.db3': first, 'a.db3': second, 'metadata.yaml': metadata });
    for (const path of [folder, join(folder, 'metadata.yaml')]) {
      const { tables, summary, loss } = await read(path);
      assert.deepEqual(tables.get('/value')?.columns.get('data'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      assert.deepEqual(tables.get('/other')?.columns.get('data'), [42]);
      assert.deepEqual(loss, { records: 0, bytes: 0, reasons: [] });
      assert.deepEqual([summary.startTimeNs, summary.endTimeNs], [START_NS, START_NS + 10n]);
      assert.equal(summary.sizeBytes, first.length + second.length);
      assert.equal(summary.properties['rosDistro'], 'jazzy');
      assert.equal(summary.properties['custom.driver'], 'Ada');
    }
    const part = await read(folder, { tables: ['/other'] });
    assert.deepEqual([...part.tables.keys()], ['/other']);
    const middle = await read(folder, { startTimeNs: START_NS + 4n, endTimeNs: START_NS + 6n });
    assert.deepEqual(middle.tables.get('/value')?.columns.get('data'), [4, 5]);
    assert.equal(middle.loss.records, 0);
  });

  it('counts the messages of a file that is missing or broken, and of those that no file has', async () => {
    const metadata = metadataOf(
      [
        ['bag_0.db3', 7],
        ['bag_1.db3', 6],
        ['bag_2.db3', 3],
      ],
      { '/value': 15, '/other': 1 },
    );
    const files = { 'bag_0.db3': first, 'metadata.yaml': metadata };
    const missing = await read(folderOf({ ...files, 'bag_1.db3': second }));
    assert.equal(missing.loss.records, 5);
    assert.match(
      missing.loss.reasons.join(),
      /bag_2\.db3 is listed in metadata\.yaml and is not in the folder/,
    );
    assert.match(missing.loss.reasons.join(), /counted are in no file: 5 of \/value/);
    const broken = await read(folderOf({ ...files, 'bag_1.db3': second, 'bag_2.db3': 'no database' }));
    assert.equal(broken.loss.records, 5);
    assert.match(broken.loss.reasons.join(), /bag_2\.db3: its first bytes are none/);
  });

  it('has the files that a killed recorder did not list, by their numbers', async () => {
    const third = bagOf({ topics: [FLOAT_TOPIC], messages: floats(1, 10) });
    const metadata = metadataOf([['bag_0.db3', 5]], { '/value': 5 });
    const files = { 'bag_0.db3': first, 'bag_2.db3': second, 'bag_10.db3': third, 'other_0.db3': third };
    const listed = await read(folderOf({ ...files, 'metadata.yaml': metadata }));
    assert.deepEqual(listed.tables.get('/value')?.columns.get('data'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const { 'other_0.db3': _, ...own } = files;
    const bare = await read(folderOf(own));
    assert.deepEqual(bare.tables.get('/value')?.columns.get('data'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('may be compressed file by file, whether or not metadata.yaml says so', async () => {
    const metadata = metadataOf([['bag_0.db3', 5]], { '/value': 5 });
    const folder = folderOf({ 'bag_0.db3.zstd': compressZstd(first), 'metadata.yaml': metadata });
    const { tables, loss } = await read(folder);
    assert.equal(tables.get('/value')?.timestampsNs.length, 5);
    assert.equal(loss.records, 0);
  });

  it('may have MCAP files, compressed as a whole or message by message', async () => {
    for (const packed of [false, true]) {
      const sink = memorySink();
      const definition = new TextEncoder().encode('float64 data\n');
      const writer = await McapWriter.create(sink, { chunkSizeBytes: 100, profile: 'ros2' });
      const schemaId = writer.addSchema({
        name: 'std_msgs/msg/Float64',
        encoding: 'ros2msg',
        data: definition,
      });
      const channel = writer.addChannel({ topic: '/value', schemaId, messageEncoding: 'cdr' });
      for (const { timeNs, data } of floats(5)) {
        await writer.addMessage(channel, timeNs, packed ? compressZstd(data) : data);
      }
      await writer.close();
      const metadata = metadataOf([['bag_0.mcap', 5]], { '/value': 5 }).replace('sqlite3', 'mcap');
      for (const whole of [false, true]) {
        const content = whole ? compressZstd(sink.bytes()) : sink.bytes();
        const name = whole ? 'bag_0.mcap.zstd' : 'bag_0.mcap';
        const { tables, summary, loss } = await read(
          folderOf({ [name]: content, 'metadata.yaml': metadata }),
        );
        assert.equal(summary.format, 'mcap');
        assert.deepEqual(tables.get('/value')?.columns.get('data'), [0, 1, 2, 3, 4]);
        assert.deepEqual(loss, { records: 0, bytes: 0, reasons: [] });
      }
    }
  });

  it('keeps a topic apart whose type changed between the files', async () => {
    const other = bagOf({
      topics: [{ ...FLOAT_TOPIC, type: 'std_msgs/msg/Int64' }],
      messages: [
        { topicId: 7, timeNs: START_NS, data: Buffer.concat([Buffer.of(0, 1, 0, 0), Buffer.alloc(8, 1)]) },
      ],
    });
    const { tables } = await read(folderOf({ 'bag_0.db3': first, 'bag_1.db3': other }));
    assert.deepEqual([...tables.keys()], ['/value', '/value (bag_1.db3)']);
  });

  it('without any file of a bag, or with metadata that is none, is refused with what to do', async () => {
    const refused = (pattern: RegExp) => (error: unknown) =>
      error instanceof RecordingFormatError && pattern.test(error.message);
    await assert.rejects(read(folderOf({ 'a.txt': 'x' })), refused(/name one of its recording files/));
    await assert.rejects(read(folderOf({ 'metadata.yaml': 'a: [' })), refused(/is no YAML/));
    const text = 'rosbag2_bagfile_information:\n  version: x\n';
    await assert.rejects(
      read(folderOf({ 'metadata.yaml': text })),
      refused(/not that of a ROS 2 bag \(.*version/),
    );
    const bomb = `a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: [${'*b,'.repeat(40)}*b]\n`;
    await assert.rejects(read(folderOf({ 'metadata.yaml': bomb })), refused(/is no YAML/));
  });
});

describe('a recording with a file beside it', () => {
  it('takes the index of a TDMS file, and goes without it where it is another file’s', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'landfall-beside-'));
    mkdirSync(folder, { recursive: true });
    try {
      const write = async (rows: number) => {
        const [sink, index] = [memorySink(), memorySink()];
        const writer = new TdmsWriter(sink, { index });
        const values = Float64Array.from({ length: rows }, (_, i) => i);
        await writer.addSegment({ channels: [{ group: 'g', name: 'a', values }] });
        return { bytes: sink.bytes(), index: index.bytes() };
      };
      const [own, other] = [await write(3), await write(2000)];
      for (const [index, used] of [
        [own.index, /^used$/],
        [other.index, /^not used: /],
      ] as const) {
        writeFileSync(join(folder, 'a.tdms'), own.bytes);
        writeFileSync(join(folder, 'a.tdms_index'), index);
        const recording = await openLocalRecording(join(folder, 'a.tdms'), {
          decompressors: createDecompressors(),
        });
        assert.match(recording.reader.summary.properties['index'] ?? 'absent', used);
        assert.deepEqual((await collectTables(recording.reader)).get('g')?.columns.get('a'), [0, 1, 2]);
        await recording.close();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
