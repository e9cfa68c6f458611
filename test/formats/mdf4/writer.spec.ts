import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { canFramesOf } from '#formats/dbc/can-frames.ts';
import { canFrameGroup, type WrittenFrames } from '#formats/mdf4/bus-frames.ts';
import { writeMdf4, writeUnfinalizedMdf4 } from '#formats/mdf4/writer.ts';
import type { WrittenRecording } from '#formats/mdf4/written-recording.ts';
import { openBytes, readTables } from './reading.ts';

const START_NS = 1_533_226_488_270_000_000n;
const ROWS = 3000;

function frames(bus: number, stepNs: bigint): WrittenFrames {
  const lengths = Array.from({ length: ROWS }, (_, i) => [8, 3, 0, 64][i % 4]!);
  const payloadOffsets = new Uint32Array(ROWS + 1);
  lengths.forEach((length, i) => {
    payloadOffsets[i + 1] = payloadOffsets[i]! + length;
  });
  return {
    count: ROWS,
    timestampsNs: BigInt64Array.from({ length: ROWS }, (_, i) => START_NS + BigInt(i) * stepNs),
    ids: Uint32Array.from({ length: ROWS }, (_, i) => (i % 2 === 0 ? 0x123 : 0x18f00400)),
    extended: Uint8Array.from({ length: ROWS }, (_, i) => i % 2),
    bus: new Uint8Array(ROWS).fill(bus),
    payloadOffsets,
    payload: Uint8Array.from({ length: payloadOffsets[ROWS]! }, (_, i) => (i * 7) & 0xff),
  };
}

const RECORDING: WrittenRecording = {
  startTimeNs: START_NS,
  timeZoneMinutes: 60,
  comment: 'A & B <drive>',
  properties: { VIN: 'JTMBFREV2HJ000040', author: 'test "quoted"' },
  groups: [
    canFrameGroup('CAN1', frames(1, 1_000_000n)),
    canFrameGroup('CAN2', frames(2, 1_500_001n)),
    {
      name: 'Speed',
      timestampsNs: BigInt64Array.from({ length: ROWS }, (_, i) => START_NS + BigInt(i) * 10_000_000n),
      channels: [
        {
          name: 'Speed',
          unit: 'km/h',
          values: Uint16Array.from({ length: ROWS }, (_, i) => i),
          linear: { factor: 0.01, offset: 1 },
        },
        {
          name: 'Gear',
          values: Int8Array.from({ length: ROWS }, (_, i) => (i % 3) - 1),
          choices: { [-1]: 'R', 0: 'N', 1: 'D' },
        },
        { name: 'Counter', values: BigUint64Array.from({ length: ROWS }, (_, i) => 2n ** 63n + BigInt(i)) },
        { name: 'Level', values: Float32Array.from({ length: ROWS }, (_, i) => i / 4) },
      ],
    },
  ],
  attachments: [{ name: 'notes.txt', mediaType: 'text/plain', bytes: Buffer.from('hello') }],
};

const VARIANTS: Readonly<Record<string, () => Iterable<Uint8Array>>> = {
  'finalized, plain': () => writeMdf4(RECORDING),
  'finalized, compressed': () => writeMdf4(RECORDING, { deflate: (bytes) => deflateSync(bytes) }),
  'unfinalized, unsorted': () => writeUnfinalizedMdf4(RECORDING),
};

describe('an MDF 4 file that we wrote', () => {
  for (const [variant, write] of Object.entries(VARIANTS)) {
    it(`${variant}, gives back what was put in`, async () => {
      const reader = await openBytes(Buffer.concat([...write()]));
      assert.deepEqual(
        reader.summary.tables.map((table) => [table.name, table.schemaName, table.rowCount]),
        [
          ['CAN1', 'CAN_DataFrame', ROWS],
          ['CAN2', 'CAN_DataFrame', ROWS],
          ['Speed', '', ROWS],
        ],
      );
      assert.equal(reader.summary.properties['VIN'], 'JTMBFREV2HJ000040');
      assert.equal(reader.summary.properties['author'], 'test "quoted"');
      assert.equal(reader.summary.properties['comment'], 'A & B <drive>');
      assert.equal(Buffer.from(await reader.summary.attachments[0]!.read()).toString(), 'hello');
      assert.equal(reader.summary.startTimeNs, START_NS);
      assert.equal(reader.summary.endTimeNs, START_NS + BigInt(ROWS - 1) * 10_000_000n);

      const read = (await Array.fromAsync(reader.read({ tables: ['CAN2'] }))).map(
        (batch) => canFramesOf(batch)!,
      );
      const wanted = frames(2, 1_500_001n);
      assert.deepEqual(
        read.flatMap((each) => [...each.timestampsNs]),
        [...wanted.timestampsNs],
      );
      assert.deepEqual(
        read.flatMap((each) => [...each.ids]),
        [...wanted.ids],
      );
      assert.deepEqual(
        read.flatMap((each) => [...each.extended]),
        [...wanted.extended],
      );
      assert.deepEqual(Buffer.concat(read.map((each) => each.payload)), Buffer.from(wanted.payload));

      const { Speed } = await readTables(reader, { tables: ['Speed'] });
      assert.deepEqual(Speed?.columns['Speed']?.slice(0, 3), [1, 1.01, 1.02]);
      assert.deepEqual(Speed?.columns['Counter']?.at(-1), 2n ** 63n + BigInt(ROWS - 1));
      const gear = reader.summary.tables[2]?.columns.find((column) => column.name === 'Gear');
      assert.deepEqual(gear?.choices, { '-1': 'R', '0': 'N', '1': 'D' });
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });
  }
});

describe('an MDF 4 file that we wrote, read by asammdf', () => {
  const python = process.env['LANDFALL_PYTHON'] ?? 'python3';
  let folder: string;

  before(function () {
    // Set LANDFALL_PYTHON to a Python that has asammdf (`pip install asammdf`) to run these.
    if (spawnSync(python, ['-c', 'import asammdf']).status !== 0) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'landfall-mdf4-'));
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  for (const [variant, write] of Object.entries(VARIANTS)) {
    it(`${variant}, has the same values there`, function () {
      this.timeout(60_000);
      const path = join(folder, 'written.mf4');
      writeFileSync(path, Buffer.concat([...write()]));
      const output = execFileSync(python, ['-c', ASAMMDF, path], { stdio: ['ignore', 'pipe', 'pipe'] });
      const found = JSON.parse(output.toString().trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
      const payload = frames(1, 1n).payload.reduce((sum, byte) => sum + byte, 0);
      assert.deepEqual(found, {
        rows: [ROWS, ROWS, ROWS],
        start: '2018-08-02 16:14:48.270000',
        speed: [1, 1.01, 30.99],
        gear: ['R', 'N', 'D'],
        ids: [0x123, 0x18f00400],
        payloadSum: payload,
      });
    });
  }
});

const ASAMMDF = `
import json, sys, datetime
from asammdf import MDF
mdf = MDF(sys.argv[1])
groups = [i for i, g in enumerate(mdf.groups) if g.channels]
speed = mdf.get('Speed', group=groups[2]).samples
data = mdf.get('CAN_DataFrame.DataBytes', group=groups[0]).samples
lengths = mdf.get('CAN_DataFrame.DataLength', group=groups[0]).samples
print(json.dumps({
  'rows': [int(mdf.groups[i].channel_group.cycles_nr) for i in groups],
  'start': mdf.header.start_time.astimezone(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M:%S.%f'),
  'speed': [round(float(v), 6) for v in (speed[0], speed[1], speed[-1])],
  'gear': [v.decode() for v in mdf.get('Gear', group=groups[2]).samples[:3]],
  'ids': [int(v) for v in mdf.get('CAN_DataFrame.ID', group=groups[0]).samples[:2]],
  'payloadSum': int(sum(int(row[:n].sum()) for row, n in zip(data, lengths))),
}))
`;
