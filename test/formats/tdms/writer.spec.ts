import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { type NewSegment, TdmsWriter, type TdmsWriterOptions } from '#formats/tdms/writer.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { collectTable, collectTables } from '#test/support/table-columns.ts';
import { openBytes } from './tdms-bytes.ts';

async function written(
  segments: readonly NewSegment[],
  options: TdmsWriterOptions = {},
): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = new TdmsWriter(sink, options);
  for (const segment of segments) await writer.addSegment(segment);
  return sink.bytes();
}

const START_NS = 1_533_226_488_303_313_007n;

const SEGMENTS: readonly NewSegment[] = [
  {
    rootProperties: { author: 'A', count: 3, ratio: 0.5, isReal: true, when: { utcNs: START_NS } },
    groups: { "it's": { description: 'quoted' } },
    channels: [
      {
        group: 'numbers',
        name: 'i16',
        properties: { wf_start_time: { utcNs: START_NS }, wf_increment: 0.01, unit_string: 'V' },
        values: Int16Array.of(1, -2),
      },
      {
        group: 'numbers',
        name: 'f64',
        properties: { wf_start_time: { utcNs: START_NS }, wf_increment: 0.01 },
        values: Float64Array.of(0.5, Number.NaN),
      },
      { group: "it's", name: 'texts', values: { texts: ['ä', ''] } },
      { group: "it's", name: 'flags', values: { booleans: [true, false] } },
      { group: "it's", name: 'when', values: { utcNs: BigInt64Array.of(START_NS, -1n) } },
      { group: "it's", name: 'u64', values: BigUint64Array.of(2n ** 63n, 1n) },
    ],
  },
];

describe('TDMS writer', () => {
  for (const isBigEndian of [false, true]) {
    it(`what is written is read again, ${isBigEndian ? 'big' : 'little'} endian`, async () => {
      const reader = await openBytes(await written(SEGMENTS, { isBigEndian }));
      const numbers = await collectTable(reader, 'numbers');
      assert.deepEqual(Object.fromEntries(numbers.columns), { i16: [1, -2], f64: [0.5, Number.NaN] });
      assert.deepEqual(numbers.timestampsNs, [START_NS, START_NS + 10_000_000n]);
      const others = await collectTable(reader, "it's");
      assert.deepEqual(Object.fromEntries(others.columns), {
        texts: ['ä', ''],
        flags: [1, 0],
        when: [START_NS, -1n],
        u64: [2n ** 63n, 1n],
      });
      assert.equal(reader.summary.properties['when'], '2018-08-02T16:14:48.303313007Z');
      assert.equal(reader.summary.properties["it's.description"], 'quoted');
    });
  }

  it('segments that are as before carry no metadata', async () => {
    const rows = (...values: number[]) => ({
      channels: [{ group: 'g', name: 'a', values: Int16Array.from(values) }],
    });
    const one = await written([rows(1, 2)]);
    const two = await written([rows(1, 2), rows(3, 4)]);
    assert.equal(two.length - one.length, 28 + 4);
    const three = await openBytes(await written([rows(1, 2), rows(3, 4), rows(5)]));
    assert.deepEqual((await collectTable(three, 'g')).columns.get('a'), [1, 2, 3, 4, 5]);
  });

  it('interleaved and contiguous files read the same', async () => {
    const channels = [
      { group: 'g', name: 'a', values: Int16Array.of(1, 2, 3) },
      { group: 'g', name: 'b', values: Float32Array.of(0.5, 1.5, 2.5) },
    ];
    const read = async (isInterleaved: boolean) =>
      collectTables(await openBytes(await written([{ channels, isInterleaved }])));
    assert.deepEqual(await read(true), await read(false));
    await assert.rejects(
      written([{ channels: [{ group: 'g', name: 't', values: { texts: ['x'] } }], isInterleaved: true }]),
      /must be equally long and hold no texts/,
    );
  });

  it('any segments: every slice by time and column is a slice of the whole, with and without the index', async () => {
    const counts = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 });
    const options = fc.record({ isInterleaved: fc.boolean(), isBigEndian: fc.boolean() });
    const bound = fc.integer({ min: -2, max: 32 });
    await fc.assert(
      fc.asyncProperty(
        counts,
        options,
        bound,
        bound,
        async (rowCounts, { isInterleaved, isBigEndian }, from, to) => {
          let row = 0;
          const segments = rowCounts.map((rows, position) => {
            const numbers = Array.from({ length: rows }, () => row++);
            const time = { wf_start_time: { utcNs: START_NS }, wf_increment: 1 };
            const properties = position === 0 ? { properties: time } : {};
            return {
              isInterleaved,
              channels: [
                { group: 'g', name: 'a', ...properties, values: Int32Array.from(numbers) },
                { group: 'g', name: 'b', ...properties, values: Float64Array.from(numbers, (n) => -n) },
              ],
            };
          });
          const index = memorySink();
          const bytes = await written(segments, { isBigEndian, index });
          const wanted = Array.from({ length: row }, (_, i) => i).filter((i) => i >= from && i < to);
          const selection = {
            columns: ['b'],
            startTimeNs: START_NS + BigInt(from) * 1_000_000_000n,
            endTimeNs: START_NS + BigInt(to) * 1_000_000_000n,
          };
          for (const indexSource of [undefined, byteSourceOf(index.bytes())]) {
            const reader = await openTdms(byteSourceOf(bytes), {
              name: 'written.tdms',
              decompressors: NODE_DECOMPRESSORS,
              companion: () => Promise.resolve(indexSource),
            });
            const tables = await collectTables(reader, selection);
            assert.deepEqual([...(tables.get('g')?.columns.keys() ?? ['b'])], ['b']);
            assert.deepEqual(
              tables.get('g')?.columns.get('b') ?? [],
              wanted.map((n) => -n),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  describe('as npTDMS reads it', () => {
    const python = process.env['LANDFALL_BENCH_PYTHON'] ?? join(tmpdir(), 'landfall-bench-venv/bin/python');
    let folder: string;

    before(function () {
      if (!existsSync(python)) {
        console.log(`skipped: no Python with npTDMS at ${python}; set LANDFALL_BENCH_PYTHON`);
        this.skip();
      }
      folder = mkdtempSync(join(tmpdir(), 'landfall-tdms-'));
    });

    after(() => {
      if (folder !== undefined) rmSync(folder, { recursive: true });
    });

    for (const isBigEndian of [false, true]) {
      it(`${isBigEndian ? 'big' : 'little'} endian, with its index`, async function () {
        this.timeout(30_000);
        const index = memorySink();
        const path = join(folder, `${isBigEndian}.tdms`);
        const more = [{ channels: SEGMENTS[0]!.channels!.map(({ properties: _, ...channel }) => channel) }];
        writeFileSync(path, await written([...SEGMENTS, ...more], { isBigEndian, index }));
        writeFileSync(`${path}_index`, index.bytes());
        const script = `
import json, sys
from nptdms import TdmsFile
file = TdmsFile(sys.argv[1])
print(json.dumps({
  'author': file.properties['author'],
  'i16': file['numbers']['i16'][:].tolist(),
  'texts': list(file["it's"]['texts'][:]),
  'flags': [bool(flag) for flag in file["it's"]['flags'][:]],
  'when': [str(when) for when in file["it's"]['when'][:]],
  'u64': [str(value) for value in file["it's"]['u64'][:]],
}))`;
        const read = JSON.parse(execFileSync(python, ['-c', script, path], { encoding: 'utf8' }));
        assert.equal(read.author, 'A');
        assert.deepEqual(read.i16, [1, -2, 1, -2]);
        assert.deepEqual(read.texts, ['ä', '', 'ä', '']);
        assert.deepEqual(read.flags, [true, false, true, false]);
        assert.match(read.when[0], /^2018-08-02T16:14:48\.303313/);
        assert.deepEqual(read.u64.slice(0, 2), ['9223372036854775808', '1']);
      });
    }
  });
});
