import assert from 'node:assert/strict';
import { type ByteSource, byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { TdmsWriter } from '#formats/tdms/writer.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { collectTable } from '#test/support/table-columns.ts';

const START_NS = 1_533_226_488_303_313_007n;
const CHANNELS = 4;

const LINEAR = {
  NI_Number_Of_Scales: 1,
  'NI_Scale[0]_Scale_Type': 'Linear',
  'NI_Scale[0]_Linear_Slope': 0.5,
  'NI_Scale[0]_Linear_Y_Intercept': 3,
  'NI_Scale[0]_Linear_Input_Source': 0xffff_ffff,
};

interface Waveform {
  readonly startNs: bigint;
  readonly increment: number;
}

const EVERY_MS: Waveform = { startNs: START_NS, increment: 0.001 };

/** Segments of so many rows, each of an int16, a float64, a scaled int16 and a scaled float64. */
async function written(rowCounts: readonly number[], { startNs, increment } = EVERY_MS): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = new TdmsWriter(sink);
  const properties = { wf_start_time: { utcNs: startNs }, wf_start_offset: 0, wf_increment: increment };
  let firstRow = 0;
  for (const rows of rowCounts) {
    const counts = Int16Array.from({ length: rows }, (_, row) => firstRow + row);
    const floats = Float64Array.from(counts, (count) => count / 7);
    const named = (
      name: string,
      values: Int16Array | Float64Array,
      scale: Record<string, number | string>,
    ) => ({
      group: 'g',
      name,
      values,
      ...(firstRow === 0 ? { properties: { ...properties, ...scale } } : {}),
    });
    await writer.addSegment({
      channels: [
        named('count', counts, {}),
        named('float', floats, {}),
        named('scaled count', counts, LINEAR),
        named('scaled float', floats, LINEAR),
      ],
    });
    firstRow += rows;
  }
  return sink.bytes();
}

const open = (source: ByteSource) =>
  openTdms(source, { name: 'test.tdms', decompressors: NODE_DECOMPRESSORS });

async function assertRead(source: ByteSource, rowCount: number): Promise<void> {
  const { columns, timestampsNs } = await collectTable(await open(source), 'g');
  const counts = Int16Array.from({ length: rowCount }, (_, row) => row);
  const floats = Float64Array.from(counts, (count) => count / 7);
  const scaled = (value: number) => value * 0.5 + 3;
  assert.deepEqual(Int16Array.from(columns.get('count') as number[]), counts);
  assert.deepEqual(Float64Array.from(columns.get('float') as number[]), floats);
  assert.deepEqual(
    Float64Array.from(columns.get('scaled count') as number[]),
    Float64Array.from(counts, scaled),
  );
  assert.deepEqual(Float64Array.from(columns.get('scaled float') as number[]), floats.map(scaled));
  assert.equal(timestampsNs[rowCount - 1], START_NS + BigInt(rowCount - 1) * 1_000_000n);
}

describe('TDMS: chunks large enough to be batches of their own', () => {
  for (const rows of [20_000, 20_001]) {
    const lies = rows % 4 === 0 ? 'aligned' : 'not aligned';
    it(`values that are ${lies} in the file, read twice: looking at them changes nothing`, async () => {
      const source = byteSourceOf(await written([rows, rows]));
      await assertRead(source, 2 * rows);
      await assertRead(source, 2 * rows);
    });
  }

  it('each chunk is a batch, whose unscaled columns are views on one piece of what was read', async () => {
    const bytes = byteSourceOf(await written([20_000, 24_000]));
    // As files do, and not a view on the array, in which values may lie unaligned.
    const read = async (offset: number, lengthBytes: number) =>
      Uint8Array.from(await bytes.read(offset, lengthBytes));
    const reader = await open({ sizeBytes: bytes.sizeBytes, read });
    const batches = await Array.fromAsync(reader.read());
    assert.deepEqual(
      batches.map(({ rowCount }) => rowCount),
      [20_000, 24_000],
    );
    for (const { columns } of batches) {
      assert.equal(columns.length, CHANNELS);
      const [count, float, ...scaled] = columns.map(({ values }) =>
        'kind' in values ? undefined : values.buffer,
      );
      assert.ok(count === float && !scaled.includes(float));
    }
  });

  it('a read ahead that fails is done again when its rows are due, and fails there if it must', async () => {
    const bytes = byteSourceOf(await written([20_000, 20_000, 20_000, 20_000]));
    const failing = (failures: number): ByteSource => {
      let left = failures;
      return {
        sizeBytes: bytes.sizeBytes,
        read(offset, lengthBytes) {
          const isThird = offset > bytes.sizeBytes / 2 && offset < (bytes.sizeBytes / 4) * 3;
          if (!isThird || lengthBytes < 100_000 || left === 0) return bytes.read(offset, lengthBytes);
          left -= 1;
          return Promise.reject(new Error('the disk is gone'));
        },
      };
    };
    await assertRead(failing(1), 80_000);
    await assert.rejects(assertRead(failing(2), 80_000), /the disk is gone/);
  });

  it('no read is under way when reading was left in the middle', async () => {
    const bytes = byteSourceOf(await written([20_000, 20_000, 20_000, 20_000]));
    let underWay = 0;
    const reader = await open({
      sizeBytes: bytes.sizeBytes,
      async read(offset, lengthBytes) {
        underWay += 1;
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        return bytes.read(offset, lengthBytes);
      },
    });
    let batches = 0;
    for await (const batch of reader.read()) {
      assert.equal(batch.rowCount, 20_000);
      batches += 1;
      if (batches < 2) continue;
      assert.ok(underWay > 0, 'the next chunk is being read while this one is looked at');
      break;
    }
    assert.equal(underWay, 0);
  });
});

describe('TDMS: the times of long waveforms', () => {
  const WAVEFORMS: Readonly<Record<string, Waveform>> = {
    'over many turns of the low word': { startNs: START_NS, increment: 0.7 },
    backwards: { startNs: START_NS, increment: -0.7 },
    'through 1970': { startNs: -5_000_000_001n, increment: 0.001 },
    'of a fraction of a nanosecond': { startNs: START_NS, increment: 3e-10 },
    'further than doubles count nanoseconds': { startNs: START_NS, increment: 250 },
  };
  for (const [which, waveform] of Object.entries(WAVEFORMS)) {
    it(which, async () => {
      const rows = 12_000;
      const reader = await open(byteSourceOf(await written([rows, rows], waveform)));
      const { timestampsNs } = await collectTable(reader, 'g');
      for (let row = 0; row < 2 * rows; row++) {
        const wanted = waveform.startNs + BigInt(Math.round(row * waveform.increment * 1e9));
        if (timestampsNs[row] !== wanted) assert.equal(timestampsNs[row], wanted, `row ${row}`);
      }
    });
  }
});
