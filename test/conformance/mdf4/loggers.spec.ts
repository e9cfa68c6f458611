import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { byteSourceOf } from '#formats/byte-source.ts';
import { canFramesOf } from '#formats/dbc/can-frames.ts';
import { compileDbc } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';

/** Rows per table that has any, as asammdf 8.8.28 counts them after finalizing. */
const ROWS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'canedge-unfinalized.mf4': { CAN9_Rx: 11_275, CAN1_Rx_IDE: 139_136 },
  'canedge-ev-uds.mf4': { CAN_DataFrame: 2010 },
  'canedge-gnss-uds.mf4': { CAN_DataFrame: 5588 },
  'hl-dz-transposed.mf4': { AcqName: 100_000 },
  'asap2-demo.mf4': {
    '100ms_sync': 124,
    '10ms_sync': 1240,
    Engine_1: 12_402,
    Engine_2: 12_402,
    Engine_3: 12_402,
    Leading_All: 12_402,
    'CalibrationRecordingSingleShotGroup\\ETK test device:1': 2,
    events: 2,
  },
};

async function read(context: Mocha.Context, file: string) {
  const bytes = readFileSync(recordingOrSkip(context, `mdf4/${file}`));
  const reader = await openMdf4(byteSourceOf(bytes), {
    name: file,
    decompressors: NODE_DECOMPRESSORS,
  });
  const batches = await Array.fromAsync(reader.read());
  return { reader, batches };
}

describe('MDF 4 files of real loggers and tools', () => {
  for (const [file, rows] of Object.entries(ROWS)) {
    it(`${file} gives every row, and says so when it is opened`, async function () {
      const { reader, batches } = await read(this, file);
      const counted: Record<string, number> = {};
      for (const batch of batches)
        counted[batch.table.name] = (counted[batch.table.name] ?? 0) + batch.rowCount;
      assert.deepEqual(counted, rows);
      const announced = reader.summary.tables.filter((table) => table.rowCount !== 0);
      assert.deepEqual(Object.fromEntries(announced.map((table) => [table.name, table.rowCount])), rows);
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
      for (const batch of batches) {
        const { startTimeNs = 0n, endTimeNs = 0n } = reader.summary;
        if (batch.table.name === 'events') continue;
        assert.ok(batch.timestampsNs.every((time) => startTimeNs <= time && time <= endTimeNs));
      }
    });
  }

  it('a GNSS logger in Denmark decodes to places in Denmark', async function () {
    const { batches } = await read(this, 'canedge-gnss-uds.mf4');
    const database = readFileSync(recordingOrSkip(this, 'dbc/canmod-gps.dbc'));
    const decoder = compileDbc(parseDbc(database), {
      name: 'canmod-gps.dbc',
    });
    const decoded = batches.flatMap((batch) => decoder.decode(canFramesOf(batch)!).batches);
    const positions = decoded.filter((batch) => batch.table.name === 'gnss_pos');
    assert.ok(positions.length > 0);
    for (const value of valuesOf(positions, 'Latitude'))
      assert.ok(Math.abs(value - 56.15) < 0.1, `${value} N`);
    for (const value of valuesOf(positions, 'Longitude'))
      assert.ok(Math.abs(value - 10.17) < 0.1, `${value} E`);
  });
});

function valuesOf(batches: readonly TableBatch[], name: string): number[] {
  return batches.flatMap((batch) => {
    const index = batch.columnSchemas.findIndex((schema) => schema.name === name);
    return [...(batch.columns[index]!.values as Float64Array)];
  });
}
