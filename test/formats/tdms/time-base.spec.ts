import assert from 'node:assert/strict';
import { collectTable } from '#test/support/table-columns.ts';
import {
  channel,
  F64,
  I16,
  little,
  openBytes,
  type Property,
  rawIndex,
  segment,
  TIMESTAMP,
  UNIX_EPOCH,
} from './tdms-bytes.ts';

const START = { seconds: UNIX_EPOCH + 1_000n, fractions: 2n ** 63n };
const START_NS = 1_000_500_000_000n;
const UNSET = { seconds: 0n, fractions: 0n };

type Properties = Readonly<Record<string, Property>>;

const waveform = (increment: number, start: Property | undefined = START, offset = 0): Properties => ({
  wf_increment: increment,
  wf_start_offset: offset,
  ...(start === undefined ? {} : { wf_start_time: start }),
});

/** A group with one channel of two values for each entry. */
const group = (channels: Readonly<Record<string, Properties>>) =>
  segment({
    objects: Object.entries(channels).map(([name, properties]) =>
      channel(name, rawIndex(I16, 2), properties),
    ),
    data: Buffer.concat(Object.keys(channels).map(() => little.i16(1, 2))),
  });

describe('TDMS: tables and times', () => {
  it('a waveform starts at its start time and offset, and goes on by its increment', async () => {
    const reader = await openBytes(group({ a: waveform(0.25, START, 2), b: waveform(0.25, START, 2) }));
    const { timestampsNs } = await collectTable(reader, 'g');
    assert.deepEqual(timestampsNs, [START_NS + 2_000_000_000n, START_NS + 2_250_000_000n]);
    const [table] = reader.summary.tables;
    assert.deepEqual([table!.startTimeNs, table!.endTimeNs], [timestampsNs[0], timestampsNs[1]]);
    assert.equal(reader.summary.endTimeNs, timestampsNs[1]);
  });

  it('channels of another start or increment are tables of their own', async () => {
    const reader = await openBytes(
      group({ slow: waveform(1), a: waveform(0.25), b: waveform(0.25), none: {} }),
    );
    assert.deepEqual(
      reader.summary.tables.map(({ name, group: of, columns }) => [name, of, columns.map((c) => c.name)]),
      [
        ['g/slow', 'g', ['slow']],
        ['g', 'g', ['a', 'b']],
        ['g/none', 'g', ['none']],
      ],
    );
  });

  it('a waveform without a start counts from 1970, and the summary has no start', async () => {
    for (const start of [undefined, UNSET]) {
      const properties = start === undefined ? { wf_increment: 0.5 } : waveform(0.5, start);
      const reader = await openBytes(group({ a: properties }));
      assert.deepEqual((await collectTable(reader, 'g')).timestampsNs, [0n, 500_000_000n]);
      assert.equal(reader.summary.tables[0]!.startTimeNs, undefined);
      assert.equal(reader.summary.startTimeNs, undefined);
      assert.match(reader.summary.properties['time.g']!, /no start time/);
    }
  });

  it('without any time, rows are numbered', async () => {
    const reader = await openBytes(group({ a: {} }));
    assert.deepEqual((await collectTable(reader, 'g')).timestampsNs, [0n, 1n]);
    assert.match(reader.summary.properties['time.g']!, /row i has i nanoseconds/);
  });

  it('a channel of timestamps gives its group the time, and stays a column', async () => {
    const reader = await openBytes(
      segment({
        objects: [channel('a', rawIndex(I16, 2)), channel('when', rawIndex(TIMESTAMP, 2))],
        data: Buffer.concat([
          little.i16(1, 2),
          little.time(UNIX_EPOCH + 5n, 0n),
          little.time(UNIX_EPOCH + 6n, 1n << 60n),
        ]),
      }),
    );
    const { timestampsNs, columns } = await collectTable(reader, 'g');
    assert.deepEqual(timestampsNs, [5_000_000_000n, 6_062_500_000n]);
    assert.deepEqual(Object.fromEntries(columns), { a: [1, 2], when: timestampsNs });
    const narrow = await collectTable(reader, 'g', { columns: ['a'] });
    assert.deepEqual(narrow.timestampsNs, timestampsNs);
    assert.deepEqual([...narrow.columns.keys()], ['a']);
  });

  it('a channel named as time counts in its unit from its wf_start_time', async () => {
    const time = (name: string, properties: Properties) =>
      segment({
        objects: [channel(name, rawIndex(F64, 2), properties), channel('a', rawIndex(I16, 2))],
        data: Buffer.concat([little.f64(0), little.f64(1.5), little.i16(1, 2)]),
      });
    for (const [name, properties, stepNs] of [
      ['Time', { unit_string: 's', wf_start_time: START }, 1_500_000_000n],
      ['Time', { unit_string: 'ms', wf_start_time: START }, 1_500_000n],
      ['Zeit [min]', { wf_start_time: START }, 90_000_000_000n],
    ] as const) {
      const reader = await openBytes(time(name, properties));
      const { timestampsNs } = await collectTable(reader, 'g');
      assert.deepEqual(
        timestampsNs,
        [START_NS, START_NS + stepNs],
        `${name} ${JSON.stringify(stepNs, String)}`,
      );
    }
    const reader = await openBytes(time('Time', { unit_string: 'furlong' }));
    assert.deepEqual((await collectTable(reader, 'g')).timestampsNs, [0n, 1n]);
  });

  it('rows are selected by time, and rows outside of it are not read', async () => {
    const count = 200_000;
    const values = Float64Array.from({ length: count }, (_, i) => i);
    const reader = await openBytes(
      segment({
        objects: [channel('a', rawIndex(F64, count), waveform(0.001))],
        data: new Uint8Array(values.buffer),
      }),
    );
    const selection = {
      startTimeNs: START_NS + 150_000_000_000n,
      endTimeNs: START_NS + 150_003_000_000n,
    };
    const { timestampsNs, columns } = await collectTable(reader, 'g', selection);
    assert.deepEqual(columns.get('a'), [150_000, 150_001, 150_002]);
    assert.equal(timestampsNs[0], selection.startTimeNs);
    const none = await Array.fromAsync(reader.read({ endTimeNs: START_NS }));
    assert.deepEqual(none, []);
  });
});
