import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { writeMdf4, writeUnfinalizedMdf4 } from '#formats/mdf4/writer.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import {
  all,
  channel,
  channelGroup,
  dataGroup,
  f64,
  header,
  MASTER,
  mdfBytes,
  oneGroup,
  type TestFile,
  u8,
  u16,
  u32,
  u64,
} from './blocks-in-test.ts';
import { openBytes, readTables } from './reading.ts';

const ROWS = 1000;
const RECORDS = all(...Array.from({ length: ROWS }, (_, row) => all(f64(row), u16(row))));
const X = channel({ label: 'x', byteOffset: 8, bitCount: 16 });
const dt = (from: number, to: number) => ({ id: 'DT', data: RECORDS.subarray(from, to) });

function file(data: TestFile, cycles: bigint | number = ROWS): TestFile {
  return oneGroup('x', 2, [], X, { data, cycles });
}

async function rowsAndLoss(bytes: Uint8Array) {
  const reader = await openBytes(bytes);
  const { group } = await readTables(reader);
  return { rows: (group?.columns['x'] ?? []) as number[], loss: reader.loss() };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

describe('a damaged MDF 4 file', () => {
  it('cut short gives the rows that are there and counts the others', async () => {
    const whole = mdfBytes(file({ data: dt(0, 10_000) }));
    const { rows, loss } = await rowsAndLoss(whole.subarray(0, whole.length - 2005));
    assert.deepEqual(rows, range(0, 799));
    assert.equal(loss.records, 201);
    assert.match(loss.reasons.join(), /lacks its last 2005 bytes/);
  });

  it('with a counter above what is there counts the difference', async () => {
    const { rows, loss } = await rowsAndLoss(mdfBytes(file({ data: dt(0, 10_000) }, 1500)));
    assert.deepEqual([rows.length, loss.records], [ROWS, 500]);
  });

  it('with counters of 2^63 reads what is there', async () => {
    const { rows, loss } = await rowsAndLoss(mdfBytes(file({ data: dt(0, 10_000) }, 2n ** 63n)));
    assert.equal(rows.length, ROWS);
    assert.equal(loss.reasons.length, 1);
    const recordless = {
      ...header({ dataGroup: 'dg' }),
      ...dataGroup('dg', 'group', ''),
      ...channelGroup({ label: 'group', first: 'time', cycles: 2n ** 63n, dataBytes: 0 }),
      ...channel({ label: 'time', type: 3, sync: 1, bitCount: 0 }),
    };
    const reader = await openBytes(mdfBytes(recordless));
    assert.deepEqual(await readTables(reader), {});
  });

  it('with invalidation bytes beside columns of no bytes has no rows without end', async () => {
    const reader = await openBytes(
      mdfBytes(
        {
          ...header({ dataGroup: 'dg' }),
          ...dataGroup('dg', 'group', 'list'),
          ...channelGroup({ label: 'group', first: 'time', cycles: 0, dataBytes: 0, invalidationBytes: 1 }),
          ...channel({ label: 'time', type: 3, sync: 1, bitCount: 0 }),
          list: { id: 'LD', links: ['', 'v', 'i'], data: all(u32(0x8000_0001), u32(1), u64(8)) },
          v: { id: 'DV', data: u8() },
          i: { id: 'DI', data: u8(0, 1, 0, 1, 0, 1, 0, 1) },
        },
        { version: 420 },
      ),
    );
    assert.deepEqual(await readTables(reader), {});
  });

  it('whose records in any order are said to be the master of another group keeps both tables apart', async () => {
    const reader = await openBytes(
      mdfBytes({
        ...header({ dataGroup: 'mixed' }),
        ...dataGroup('mixed', 'first', 'records', 1, 'own'),
        ...dataGroup('own', 'second', 'values'),
        ...channelGroup({ label: 'first', first: 'a', recordId: 1, cycles: 2, dataBytes: 1 }),
        ...channelGroup({ label: 'second', first: 'b', cycles: 2, dataBytes: 1, flags: 8, master: 'first' }),
        ...channel({ label: 'a' }),
        ...channel({ label: 'b' }),
        records: { id: 'DT', data: u8(1, 10, 1, 20) },
        values: { id: 'DT', data: u8(30, 40) },
      }),
    );
    const tables = await readTables(reader);
    assert.deepEqual(tables['first']?.columns, { a: [10, 20] });
    assert.deepEqual(tables['second']?.columns, { b: [30, 40] });
  });

  it('that claims to have lost more than it could ever hold is not followed record by record', async () => {
    const list = {
      id: 'DL',
      links: ['', 'a', 1, 'c'],
      data: all(u8(0, 0, 0, 0), u32(3), u64(0), u64(3000), u64(3000 + 2 ** 31)),
    };
    const { rows, loss } = await rowsAndLoss(
      mdfBytes(file({ data: list, a: dt(0, 3000), c: dt(3000, 10_000) }, 0)),
    );
    assert.deepEqual(rows, range(0, 300));
    assert.ok(loss.bytes >= 2 ** 31);
    assert.equal(loss.records, 0);
  });

  it('with a counter of 0 and data gives the data', async () => {
    assert.equal((await rowsAndLoss(mdfBytes(file({ data: dt(0, 10_000) }, 0)))).rows.length, ROWS);
  });

  it('with one broken block in a list loses the rows of that block, whatever broke', async () => {
    const list = (broken: string | number) => ({
      id: 'DL',
      links: ['', 'a', broken, 'c'],
      data: all(u8(0, 0, 0, 0), u32(3), u64(0), u64(3000), u64(6005)),
    });
    const garbage = Buffer.alloc(50, 7);
    const claims = (original: bigint, packed: bigint | number) =>
      all(Buffer.from('DT'), u8(0, 0), u32(0), u64(original), u64(packed), garbage);
    const cases: readonly TestFile[] = [
      { data: list('b'), b: { id: 'DZ', data: claims(3005n, 50) } },
      { data: list('b'), b: { id: 'DZ', data: claims(3005n, 2n ** 63n) } },
      { data: list('b'), b: { id: 'XX', data: u8(1), length: 3n } },
      { data: list(2 ** 40) },
      { data: list(66) },
    ];
    for (const [index, data] of cases.entries()) {
      const { rows, loss } = await rowsAndLoss(
        mdfBytes(file({ ...data, a: dt(0, 3000), c: dt(6005, 10_000) })),
      );
      assert.deepEqual(rows, [...range(0, 300), ...range(601, 1000)], `case ${index}`);
      assert.equal(loss.records, 301, `case ${index}: ${loss.reasons.join('; ')}`);
    }
  });

  it('with compressed blocks that claim to become huge does not make room for them', async () => {
    for (const original of [2n ** 63n, 2n ** 40n, 500_000_000n]) {
      const data = all(Buffer.from('DT'), u8(0, 0), u32(0), u64(original), u64(20), deflateSync(u8(1)));
      const { rows, loss } = await rowsAndLoss(mdfBytes(file({ data: { id: 'DZ', data } })));
      assert.deepEqual(rows, []);
      assert.equal(loss.records, ROWS);
    }
  });

  it('with lists that go in circles comes to an end', async () => {
    const circles: readonly TestFile[] = [
      file(
        {
          data: { id: 'DL', links: ['data', 'a'], data: all(u8(0, 0, 0, 0), u32(1), u64(0)) },
          a: dt(0, 10_000),
        },
        0,
      ),
      file({ data: { id: 'HL', links: ['data'], data: new Uint8Array(8) } }),
      file({ data: { id: 'DL', links: ['', 'data'], data: all(u8(0, 0, 0, 0), u32(1), u64(0)) } }),
      { ...file({ data: dt(0, 10_000) }), ...dataGroup('dg', 'group', 'data', 0, 'dg') },
      {
        ...file({ data: dt(0, 10_000) }),
        ...channel({ ...X, label: 'x', next: 'time', byteOffset: 8, bitCount: 16 }),
      },
      {
        ...file({ data: dt(0, 10_000) }),
        ...channel({ label: 'x', composition: 'x', byteOffset: 8, bitCount: 16 }),
      },
    ];
    for (const [index, blocks] of circles.entries()) {
      const { loss } = await rowsAndLoss(mdfBytes(blocks));
      assert.ok(loss.reasons.length > 0, `case ${index}`);
    }
  });

  it('with metadata that cannot be followed keeps the groups before it', async () => {
    const good = file({ data: dt(0, 10_000) });
    for (const next of [2 ** 50, 65, 72]) {
      const blocks = { ...good, dg: { ...good['dg']!, links: [next, 'group', 'data', ''] } };
      const { rows, loss } = await rowsAndLoss(mdfBytes(blocks));
      assert.deepEqual([rows.length, loss.reasons.length], [ROWS, 1], `link to ${next}`);
    }
  });

  it('read twice has lost no more than once', async () => {
    const reader = await openBytes(mdfBytes(file({ data: dt(0, 10_000) }, 1500)));
    await readTables(reader);
    const once = reader.loss();
    await readTables(reader);
    assert.deepEqual([once.records, reader.loss()], [500, once]);
  });

  it('of which nothing can be read is refused', async () => {
    const good = mdfBytes(file({ data: dt(0, 10_000) }));
    await assert.rejects(openBytes(good.subarray(0, 100)), RecordingFormatError);
    await assert.rejects(openBytes(good.subarray(0, 180)), RecordingFormatError);
  });

  it('with channels outside of their record loses those only', async () => {
    const blocks = {
      ...file({ data: dt(0, 10_000) }),
      ...channel({ label: 'time', type: 2, sync: 1, dataType: 4, bitCount: 64, next: 'y' }),
      ...channel({ label: 'y', next: 'z', byteOffset: 9, bitCount: 16 }),
      ...channel({ label: 'z', next: 'x', byteOffset: 0xffff_fff0, bitCount: 0xffff_fff0, dataType: 10 }),
    };
    const { rows, loss } = await rowsAndLoss(mdfBytes(blocks));
    assert.deepEqual([rows.length, loss.reasons.length], [ROWS, 2]);
  });

  it('with values of lying length gives null for them and counts them', async () => {
    const blocks = {
      ...oneGroup('v', 8, [u64(0), u64(7), u64(2n ** 60n)], {
        ...channel({ label: 'v', type: 1, dataType: 7, byteOffset: 8, bitCount: 64, dataLink: 'sd' }),
        sd: { id: 'SD', data: all(u32(3), Buffer.from('one'), u32(0xffff_ffff), Buffer.from('two')) },
      }),
    };
    const reader = await openBytes(mdfBytes(blocks));
    assert.deepEqual((await readTables(reader))['group']?.columns['v'], ['one', null, null]);
    assert.match(reader.loss().reasons.join(), /of 2 values from 0 on, 1 are not in the signal data/);
  });
});

describe('damaged unsorted MDF 4 data', () => {
  const mixed = (data: Uint8Array, blocks: TestFile = { data: { id: 'DT', data } }) => ({
    ...header({ dataGroup: 'dg' }),
    ...dataGroup('dg', 'group', 'data', 1),
    ...channelGroup({ label: 'group', next: 'other', first: 'time', recordId: 1, cycles: 0, dataBytes: 10 }),
    ...channelGroup({ label: 'other', next: '', first: '', recordId: 2, cycles: 0, dataBytes: 0, flags: 1 }),
    ...channel({ ...MASTER, next: 'x' }),
    ...X,
    ...blocks,
  });
  const record = (row: number) => all(u8(1), f64(row), u16(row));

  it('with an unknown record id gives what is before it', async () => {
    const { rows, loss } = await rowsAndLoss(mdfBytes(mixed(all(record(0), record(1), u8(9), record(2)))));
    assert.deepEqual([rows, loss.bytes], [[0, 1], 12]);
    assert.match(loss.reasons.join(), /record id 9/);
  });

  it('with a broken block goes on with the next one', async () => {
    const blocks = {
      data: {
        id: 'DL',
        links: ['', 'a', 'b', 'c'],
        data: all(u8(0, 0, 0, 0), u32(3), u64(0), u64(11), u64(22)),
      },
      a: { id: 'DT', data: record(0) },
      b: { id: 'DZ', data: new Uint8Array(60) },
      c: { id: 'DT', data: record(2) },
    };
    const { rows, loss } = await rowsAndLoss(mdfBytes(mixed(u8(), blocks)));
    assert.deepEqual(rows, [0, 2]);
    assert.equal(loss.reasons.length, 1);
  });

  it('with an unknown record id takes up no records in the middle of the same block', async () => {
    // Bytes of 1 are whole records wherever reading begins.
    const data = all(record(0), u8(9), new Uint8Array(6_000_000).fill(1));
    const { rows, loss } = await rowsAndLoss(mdfBytes(mixed(data)));
    assert.deepEqual([rows, loss.bytes], [[0], 6_000_001]);
  });

  it('with a broken block gives no value of variable length that belongs to another record', async () => {
    const value = (text: string) => all(u8(2), u32(text.length), Buffer.from(text));
    const pointer = (row: number, place: number) => all(u8(1), f64(row), u64(place));
    const blocks = {
      ...mixed(u8(), {
        data: {
          id: 'DL',
          links: ['', 'a', 'b', 'c'],
          data: all(u8(0, 0, 0, 0), u32(3), u64(0), u64(24), u64(49)),
        },
        a: { id: 'DT', data: all(value('one'), pointer(0, 0)) },
        b: { id: 'DZ', data: new Uint8Array(60) },
        c: { id: 'DT', data: all(value('two'), pointer(2, 7)) },
      }),
      ...channelGroup({
        label: 'group',
        next: 'other',
        first: 'time',
        recordId: 1,
        cycles: 0,
        dataBytes: 16,
      }),
      ...channel({ label: 'x', type: 1, dataType: 7, byteOffset: 8, bitCount: 64, dataLink: 'other' }),
    };
    const { rows, loss } = await rowsAndLoss(mdfBytes(blocks));
    assert.deepEqual(rows, ['one', null]);
    assert.equal(loss.reasons.length, 2);
  });

  it('with a value of lying length stops there', async () => {
    const { rows, loss } = await rowsAndLoss(
      mdfBytes(mixed(all(record(0), u8(2), u32(0xffff_ffff), record(1)))),
    );
    assert.deepEqual(rows, [0]);
    assert.equal(loss.bytes, 16);
  });

  it('with fewer records than a finalized file claims counts the difference', async () => {
    const blocks = {
      ...mixed(all(record(0), record(1), record(2).subarray(0, 4))),
      ...channelGroup({
        label: 'group',
        next: 'other',
        first: 'time',
        recordId: 1,
        cycles: 10,
        dataBytes: 10,
      }),
    };
    const { rows, loss } = await rowsAndLoss(mdfBytes(blocks));
    assert.deepEqual([rows, loss.records], [[0, 1], 8]);
  });

  it('cut in the middle of a record counts it', async () => {
    const { rows, loss } = await rowsAndLoss(
      mdfBytes(mixed(all(record(0), record(1).subarray(0, 6))), { magic: 'UnFinMF ', unfinished: 1 }),
    );
    assert.deepEqual([rows, loss.records, loss.bytes], [[0], 1, 6]);
  });
});

describe('any damage to an MDF 4 file', () => {
  const recording = {
    startTimeNs: 1_600_000_000_000_000_000n,
    groups: [
      {
        name: 'A',
        timestampsNs: BigInt64Array.from(range(0, 60), (row) => 1_600_000_000_000_000_000n + BigInt(row)),
        channels: [
          { name: 'n', values: Uint16Array.from(range(0, 60)), choices: { 1: 'one' } },
          {
            name: 's',
            kind: 'string' as const,
            values: {
              kind: 'variable' as const,
              offsets: Uint32Array.from(range(0, 61), (row) => row * 3),
              bytes: Buffer.alloc(180, 'abc'),
            },
          },
        ],
      },
    ],
  };
  const originals = [
    Buffer.concat([...writeMdf4(recording)]),
    Buffer.concat([...writeMdf4(recording, { deflate: (bytes) => deflateSync(bytes) })]),
    Buffer.concat([...writeUnfinalizedMdf4(recording)]),
  ];
  const NASTY = [0, 1, 0x7f, 0x80, 0xff];

  it('ends in a refusal or in at most the rows there were, never in another error', async function () {
    this.timeout(60_000);
    const change = fc.record({
      at: fc.nat(5000),
      value: fc.oneof(fc.constantFrom(...NASTY), fc.nat(255)),
      width: fc.constantFrom(1, 1, 2, 8),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat(40),
        async (original, changes, cut) => {
          const bytes = new Uint8Array(original.subarray(0, original.length - (cut > 30 ? cut * 20 : 0)));
          for (const { at, value, width } of changes)
            bytes.fill(value, at % bytes.length, (at % bytes.length) + width);
          try {
            const reader = await openBytes(bytes);
            for await (const batch of reader.read()) assert.ok(batch.rowCount <= 2_000_000);
          } catch (error) {
            if (!(error instanceof RecordingFormatError)) throw error;
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});
