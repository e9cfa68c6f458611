import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { byteSourceOf } from '#formats/byte-source.ts';
import { type CanFrames, canFramesOf } from '#formats/dbc/can-frames.ts';
import { compileDbc } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import type { ColumnSchema, RecordingReader, TableBatch } from '#formats/recording-reader.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { RECORDINGS_FOLDER, recordingOrSkip } from '#test/support/recordings.ts';

const DATA = RECORDINGS_FOLDER;
const DRIVE = `${DATA}/drive-comma2k19`;

interface Statistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly first: number;
  readonly last: number;
}

interface ExpectedChannel {
  readonly name: string;
  readonly role: string;
  readonly unit: string | null;
  readonly values?: Statistics;
}

interface ExpectedFile {
  readonly headerStartUtcNs: string;
  readonly startUtcNs: string;
  readonly endUtcNs: string;
  readonly properties: Record<string, string>;
  readonly channelGroups: readonly {
    readonly acquisitionName: string;
    readonly recordCount: number;
    readonly startUtcNs: string;
    readonly endUtcNs: string;
    readonly channels: readonly ExpectedChannel[];
  }[];
  readonly ids?: readonly {
    readonly groupIndex: number;
    readonly id: number;
    readonly dataLength: number;
    readonly count: number;
    readonly payloadSha256: string;
  }[];
}

interface Expected {
  readonly files: Record<string, ExpectedFile>;
  readonly decodedWithDbc: {
    readonly signals: readonly {
      readonly dbc: string;
      readonly busChannel: number;
      readonly group: string;
      readonly signal: string;
      readonly unit: string;
      readonly startUtcNs: string;
      readonly endUtcNs: string;
      readonly values: Statistics;
    }[];
  };
}

const loadExpected = () => JSON.parse(readFileSync(`${DRIVE}/expected.json`, 'utf8')) as Expected;

function open(file: string): Promise<RecordingReader> {
  return openMdf4(byteSourceOf(readFileSync(`${DRIVE}/${file}`)), {
    name: file,
    decompressors: NODE_DECOMPRESSORS,
  });
}

async function batchesByTable(reader: RecordingReader): Promise<Map<string, TableBatch[]>> {
  const batches = await Array.fromAsync(reader.read());
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  return Map.groupBy(batches, (batch) => batch.table.name);
}

function numbersOf(batches: readonly TableBatch[], column: string): number[] {
  return batches.flatMap((batch) => {
    const values = batch.columns[batch.columnSchemas.findIndex((schema) => schema.name === column)]?.values;
    assert.ok(values !== undefined && !('kind' in values), `column ${column} is missing`);
    return Array.from<number | bigint, number>(values as ArrayLike<number | bigint>, Number);
  });
}

function assertStatistics(values: readonly number[], expected: Statistics, what: string): void {
  const near = (actual: number, wanted: number) =>
    Math.abs(actual - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
  assert.equal(values.length, expected.count, `${what}: count`);
  assert.ok(near(values[0]!, expected.first), `${what}: first ${values[0]} is not ${expected.first}`);
  assert.ok(near(values.at(-1)!, expected.last), `${what}: last ${values.at(-1)} is not ${expected.last}`);
  const [min, max] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  assert.ok(near(min, expected.min), `${what}: min ${min} is not ${expected.min}`);
  assert.ok(near(max, expected.max), `${what}: max ${max} is not ${expected.max}`);
  const sum = values.reduce((a, b) => a + b, 0);
  assert.ok(near(sum, expected.sum), `${what}: sum ${sum} is not ${expected.sum}`);
}

describe('the comma2k19 drive, written by asammdf', () => {
  before(function () {
    recordingOrSkip(this, 'drive-comma2k19/expected.json');
  });

  for (const file of ['can.mf4', 'vehicle.mf4']) {
    it(`${file} gives every group and channel as asammdf reads it`, async () => {
      const expected = loadExpected().files[file]!;
      const reader = await open(file);
      assert.equal(reader.summary.startTimeNs, BigInt(expected.startUtcNs));
      assert.equal(reader.summary.endTimeNs, BigInt(expected.endUtcNs));
      for (const [name, value] of Object.entries(expected.properties)) {
        assert.equal(reader.summary.properties[name], value, name);
      }
      const byTable = await batchesByTable(reader);
      assert.equal(byTable.size, expected.channelGroups.length);
      for (const group of expected.channelGroups) {
        const batches = byTable.get(group.acquisitionName);
        assert.ok(batches, `table ${group.acquisitionName} is missing`);
        const times = batches.flatMap((batch) => [...batch.timestampsNs]);
        assert.equal(times.length, group.recordCount);
        assert.deepEqual([times[0], times.at(-1)], [BigInt(group.startUtcNs), BigInt(group.endUtcNs)]);
        for (const channel of group.channels) {
          if (channel.role === 'master' || channel.values === undefined) continue;
          if (channel.name === 'CAN_DataFrame' || channel.name.endsWith('.DataBytes')) continue;
          const schema: ColumnSchema | undefined = batches[0]?.columnSchemas.find(
            (candidate) => candidate.name === channel.name,
          );
          assert.equal(schema?.unit ?? null, channel.unit || null, `${channel.name}: unit`);
          assertStatistics(
            numbersOf(batches, channel.name),
            channel.values,
            `${group.acquisitionName} ${channel.name}`,
          );
        }
      }
    });
  }

  it('can.mf4 gives the payload of every frame, byte for byte', async () => {
    const expected = loadExpected().files['can.mf4']!;
    const byTable = await batchesByTable(await open('can.mf4'));
    for (const [groupIndex, group] of expected.channelGroups.entries()) {
      const payloads = new Map<number, { count: number; hash: ReturnType<typeof createHash> }>();
      for (const frames of (byTable.get(group.acquisitionName) ?? []).map(canFramesOf)) {
        assert.ok(frames);
        for (let frame = 0; frame < frames.count; frame++) {
          const id = frames.ids[frame]!;
          const entry = payloads.get(id) ?? { count: 0, hash: createHash('sha256') };
          payloads.set(id, entry);
          entry.count += 1;
          entry.hash.update(
            frames.payload.subarray(frames.payloadOffsets[frame], frames.payloadOffsets[frame + 1]),
          );
        }
      }
      const ids = expected.ids?.filter((entry) => entry.groupIndex === groupIndex) ?? [];
      assert.equal(payloads.size, ids.length);
      for (const entry of ids) {
        const actual = payloads.get(entry.id);
        assert.deepEqual([entry.id, actual?.count], [entry.id, entry.count]);
        assert.equal(actual?.hash.digest('hex'), entry.payloadSha256, `payloads of ${entry.id}`);
      }
    }
  });

  it('can.mf4 decodes with the DBC of each bus to the signals that asammdf and canmatrix give', async function () {
    recordingOrSkip(this, 'dbc/toyota_adas.dbc');
    const byTable = await batchesByTable(await open('can.mf4'));
    const frames = [...byTable]
      .filter(([name]) => name.endsWith('Rx'))
      .flatMap(([, batches]) => batches.map((batch) => canFramesOf(batch) as CanFrames));
    for (const expected of loadExpected().decodedWithDbc.signals) {
      const database = parseDbc(readFileSync(`${DATA}/dbc/${expected.dbc}`));
      const decoder = compileDbc(database, { name: expected.dbc, bus: expected.busChannel });
      const id = Number(/ID=(0x[0-9A-F]+)/.exec(expected.group)?.[1]);
      const message = database.messages.find((candidate) => candidate.id === id)?.name;
      const batches = frames
        .flatMap((each) => decoder.decode(each).batches)
        .filter((batch) => batch.table.schemaName === message);
      assertStatistics(
        numbersOf(batches, expected.signal),
        expected.values,
        `${expected.group} ${expected.signal}`,
      );
      const times = batches.flatMap((batch) => [...batch.timestampsNs]);
      assert.deepEqual([times[0], times.at(-1)], [BigInt(expected.startUtcNs), BigInt(expected.endUtcNs)]);
    }
  });
});
