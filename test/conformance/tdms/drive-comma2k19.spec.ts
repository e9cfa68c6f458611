import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { byteSourceOf } from '#formats/byte-source.ts';
import type { RecordingReader } from '#formats/recording-reader.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';
import { collectTables } from '#test/support/table-columns.ts';

interface Statistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly first: number;
  readonly last: number;
}

interface ExpectedFile {
  readonly startUtcNs: string;
  readonly endUtcNs: string;
  readonly properties: Record<string, unknown>;
  readonly groups: readonly {
    readonly name: string;
    readonly startUtcNs: string;
    readonly endUtcNs: string;
    readonly channels: readonly {
      readonly name: string;
      readonly count: number;
      readonly unit: string;
      readonly values?: Statistics;
    }[];
  }[];
}

function assertStatistics(values: readonly number[], expected: Statistics, what: string): void {
  const near = (actual: number, wanted: number) =>
    Math.abs(actual - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
  const actual = {
    count: values.length,
    first: values[0]!,
    last: values.at(-1)!,
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
    sum: values.reduce((a, b) => a + b, 0),
  };
  for (const key of ['count', 'first', 'last', 'min', 'max', 'sum'] as const) {
    assert.ok(near(actual[key], expected[key]), `${what}: ${key} ${actual[key]} is not ${expected[key]}`);
  }
}

describe('the IMU of the comma2k19 drive, written by npTDMS', () => {
  let expected: ExpectedFile;
  let file: Uint8Array;
  let index: Uint8Array;

  before(function () {
    const expectations = recordingOrSkip(this, 'drive-comma2k19/expected.json');
    expected = JSON.parse(readFileSync(expectations, 'utf8')).files['imu.tdms'];
    file = readFileSync(recordingOrSkip(this, 'drive-comma2k19/imu.tdms'));
    index = readFileSync(recordingOrSkip(this, 'drive-comma2k19/imu.tdms_index'));
  });

  const open = (withIndex: boolean): Promise<RecordingReader> =>
    openTdms(byteSourceOf(file), {
      name: 'imu.tdms',
      decompressors: NODE_DECOMPRESSORS,
      ...(withIndex ? { companion: () => Promise.resolve(byteSourceOf(index)) } : {}),
    });

  for (const withIndex of [false, true]) {
    it(`gives every channel as npTDMS reads it, ${withIndex ? 'by its index' : 'without its index'}`, async () => {
      const reader = await open(withIndex);
      assert.equal(reader.summary.properties['index'], withIndex ? 'used' : undefined);
      assert.equal(reader.summary.startTimeNs, BigInt(expected.startUtcNs));
      assert.equal(reader.summary.endTimeNs, BigInt(expected.endUtcNs));
      assert.equal(reader.summary.properties['VIN'], expected.properties['VIN']);
      assert.equal(reader.summary.properties['datetime'], '2018-08-02T16:14:48.303313000Z');
      assert.deepEqual(
        reader.summary.tables.map(({ name }) => name),
        expected.groups.map(({ name }) => name),
      );
      const tables = await collectTables(reader);
      for (const group of expected.groups) {
        const table = tables.get(group.name)!;
        const summary = reader.summary.tables.find(({ name }) => name === group.name)!;
        assert.equal(table.timestampsNs[0], BigInt(group.startUtcNs));
        assert.equal(table.timestampsNs.at(-1), BigInt(group.endUtcNs));
        for (const { name, count, unit, values } of group.channels) {
          const what = `${group.name}/${name}`;
          const column = table.columns.get(name);
          assert.equal(column?.length, count, what);
          assert.equal(summary.columns.find((schema) => schema.name === name)?.unit ?? '', unit, what);
          if (values !== undefined) assertStatistics(column as number[], values, what);
        }
      }
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });
  }

  it('an index of another file is not used', async () => {
    const other = index.slice();
    other[12] = other[12]! + 1;
    const reader = await openTdms(byteSourceOf(file), {
      name: 'imu.tdms',
      decompressors: NODE_DECOMPRESSORS,
      companion: () => Promise.resolve(byteSourceOf(other)),
    });
    assert.match(reader.summary.properties['index']!, /^not used: /);
    assert.equal(reader.summary.tables.length, expected.groups.length);
  });
});
