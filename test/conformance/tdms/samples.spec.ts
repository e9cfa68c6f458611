import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { byteSourceOf } from '#formats/byte-source.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';
import { collectTables, type Value } from '#test/support/table-columns.ts';

interface Sample {
  readonly file: string;
  readonly what: string;
  readonly startUtcNs?: bigint;
  /** As npTDMS 1.13.0 reads them: rows, first and last values. */
  readonly tables: Readonly<
    Record<string, readonly [column: string, rows: number, first: Value, last: Value]>
  >;
}

const DIGITAL = '07/09/2012 06:58:23 PM - Digital Input';
const LINE = 'Dev1_port3_line7 - line 0';

const SAMPLES: readonly Sample[] = [
  {
    file: 'raw1.tdms',
    what: 'DAQmx scalers with a linear scale',
    startUtcNs: 1_481_841_321_000_000_000n,
    tables: { 'Layer Data': ['First  Channel', 2000, -0.18402661214026306, 0.0009155552842799158] },
  },
  {
    file: 'Digital_Input.tdms',
    what: 'digital lines in three groups, over several segments',
    startUtcNs: 1_341_878_304_593_732_900n,
    tables: {
      [`${DIGITAL} - All Data`]: [LINE, 20_000, 0, 1],
      [`${DIGITAL} - Decimated Data_Level1`]: [LINE, 400, 0, 1],
      [`${DIGITAL} - Decimated Data_Level2`]: [LINE, 8, 0, 1],
    },
  },
  {
    file: 'IncrementalMetaInformation.tdms',
    what: 'channels that change between segments',
    tables: { group: ['channel1', 6, 1, 3] },
  },
  {
    file: 'IncrementalMetaInformationInterleavedData.tdms',
    what: 'interleaved segments, each with its own list',
    tables: { 'Time Domain': ['Chassis temp', 2, 22.75, 23] },
  },
  {
    file: 'AdditionalProperties.tdms',
    what: 'channels of two lengths in one group',
    startUtcNs: 1_378_293_928_825_120_449n,
    tables: {
      'Z Sweep Data': ['Freq (Hz)', 321, 45.750465, 15_083.244141],
      'Z Sweep Data/Re (Ohms)': ['Re (Ohms)', 1, 7.051, 7.051],
    },
  },
];

describe('TDMS files from elsewhere', () => {
  for (const { file, what, startUtcNs, tables } of SAMPLES) {
    it(`${file}: ${what}`, async function () {
      const bytes = readFileSync(recordingOrSkip(this, `tdms/${file}`));
      const reader = await openTdms(byteSourceOf(bytes), { name: file, decompressors: NODE_DECOMPRESSORS });
      assert.equal(reader.summary.startTimeNs, startUtcNs);
      const read = await collectTables(reader);
      assert.deepEqual([...read.keys()], Object.keys(tables));
      for (const [name, [column, rows, first, last]] of Object.entries(tables)) {
        const values = read.get(name)!.columns.get(column)!;
        assert.deepEqual([values.length, values[0], values.at(-1)], [rows, first, last]);
      }
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });
  }
});
