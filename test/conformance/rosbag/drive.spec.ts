import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openFileByteSource } from '#adapters/file/file-byte-source.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { recordingOrSkip } from '../../support/recordings.ts';
import { type CollectedTable, collectTables } from '../../support/table-columns.ts';

interface ExpectedField {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly first: number;
  readonly last: number;
  readonly firstUtcNs?: string;
  readonly lastUtcNs?: string;
}

interface ExpectedTopic {
  readonly name: string;
  readonly type: string;
  readonly frameId: string;
  readonly messageCount: number;
  readonly startUtcNs: string;
  readonly endUtcNs: string;
  readonly fields: Readonly<Record<string, ExpectedField>>;
  readonly K?: readonly number[];
  readonly imageSha256?: string;
}

interface ExpectedBag {
  readonly messageCount: number;
  readonly startUtcNs: string;
  readonly endUtcNs: string;
  readonly topics: readonly ExpectedTopic[];
}

for (const name of ['perception.bag', 'perception-lz4.bag']) {
  describe(`the drive's ${name}, against what python3-rosbag reads of it`, () => {
    let expected: ExpectedBag;
    let tables: Map<string, CollectedTable>;

    before(async function () {
      const path = recordingOrSkip(this, `drive-comma2k19/${name}`);
      const truth = recordingOrSkip(this, 'drive-comma2k19/expected.json');
      expected = JSON.parse(readFileSync(truth, 'utf8')).files[name];
      const source = await openFileByteSource(path);
      const reader = await openRosbag(source, { name, decompressors: createDecompressors() });
      assert.equal(String(reader.summary.startTimeNs), expected.startUtcNs);
      assert.equal(String(reader.summary.endTimeNs), expected.endUtcNs);
      const types = reader.summary.tables.map(
        (table) => `${table.name} ${table.schemaName} ${table.rowCount}`,
      );
      const wanted = expected.topics.map((topic) => `${topic.name} ${topic.type} ${topic.messageCount}`);
      assert.deepEqual(types.sort(), wanted.sort());
      tables = await collectTables(reader);
      await source.close();
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });

    it('yields every message of every topic at its receive time', () => {
      for (const topic of expected.topics) {
        const times = tables.get(topic.name)?.timestampsNs ?? [];
        assert.equal(times.length, topic.messageCount, topic.name);
        assert.equal(String(times[0]), topic.startUtcNs, topic.name);
        assert.equal(String(times.at(-1)), topic.endUtcNs, topic.name);
      }
    });

    it('yields the same values in every field', () => {
      for (const topic of expected.topics) {
        const columns = tables.get(topic.name)!.columns;
        assert.deepEqual(new Set(columns.get('header.frame_id')), new Set([topic.frameId]));
        for (const [field, values] of Object.entries(topic.fields)) {
          assertField(`${topic.name} ${field}`, columns.get(field) ?? [], values);
        }
      }
    });

    it('yields fixed arrays as lists and the image unchanged', () => {
      const info = expected.topics.find((topic) => topic.K !== undefined)!;
      assert.deepEqual(tables.get(info.name)?.columns.get('K'), [info.K]);
      const image = expected.topics.find((topic) => topic.imageSha256 !== undefined)!;
      const data = tables.get(image.name)?.columns.get('data')?.[0];
      assert.ok(data instanceof Uint8Array);
      assert.equal(createHash('sha256').update(data).digest('hex'), image.imageSha256);
    });
  });
}

function assertField(name: string, values: readonly unknown[], expected: ExpectedField): void {
  if (expected.firstUtcNs !== undefined) {
    assert.equal(String(values[0]), expected.firstUtcNs, name);
    assert.equal(String(values.at(-1)), expected.lastUtcNs, name);
    return;
  }
  const numbers = values.map(Number);
  assert.equal(numbers.length, expected.count, name);
  assert.equal(numbers[0], expected.first, name);
  assert.equal(numbers.at(-1), expected.last, name);
  assert.equal(Math.min(...numbers), expected.min, name);
  assert.equal(Math.max(...numbers), expected.max, name);
  const sum = numbers.reduce((total, value) => total + value, 0);
  assert.ok(
    Math.abs(sum - expected.sum) <= 1e-9 * Math.max(1, Math.abs(expected.sum)),
    `${name}: sum ${sum}`,
  );
}
