import assert from 'node:assert/strict';
import { RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { collectTable, collectTables } from '#test/support/table-columns.ts';
import {
  channel,
  F64,
  I16,
  INTERLEAVED,
  little,
  METADATA,
  NEW_LIST,
  openBytes,
  RAW_DATA,
  rawIndex,
  SAME_AS_BEFORE,
  segment,
  textIndex,
  texts,
  UNIX_EPOCH,
  UNKNOWN_OFFSET,
} from './tdms-bytes.ts';

const PAIR = [channel('a', rawIndex(I16, 2)), channel('b', rawIndex(I16, 2))];
const i16 = (...values: number[]) => little.i16(...values);

/** Three segments of two rows: 1 2 | 3 4 | 5 6 in `a`, ten times as much in `b`. */
const [FIRST, SECOND, THIRD] = [1, 3, 5].map((value, position) =>
  segment({
    ...(position === 0 ? { objects: PAIR } : {}),
    data: i16(value, value + 1, value * 10, value * 10 + 10),
  }),
) as [Buffer, Buffer, Buffer];

async function columnsOf(reader: RecordingReader) {
  return Object.fromEntries((await collectTable(reader, 'g')).columns);
}

describe('TDMS: damaged and cut files', () => {
  it('a file cut at any byte is refused, or yields a part of what was there and says what is lost', async () => {
    const parts = [
      segment({
        objects: [{ path: '/', properties: { author: 'A' } }, ...PAIR, channel('t', textIndex(2, 8 + 3))],
        data: Buffer.concat([i16(1, 2, 10, 20), texts(['x', 'yz'])]),
      }),
      segment({ data: Buffer.concat([i16(3, 4, 30, 40), texts(['uvw', ''])]) }),
      segment({
        objects: [channel('a', SAME_AS_BEFORE), channel('b', SAME_AS_BEFORE)],
        toc: METADATA | NEW_LIST | RAW_DATA | INTERLEAVED,
        data: i16(5, 50, 6, 60),
      }),
    ];
    const whole = Buffer.concat(parts);
    const ends = [parts[0]!.length, parts[0]!.length + parts[1]!.length];
    const all = await collectTables(await openBytes(whole));
    const whatWas = { a: [1, 2, 3, 4, 5, 6], b: [10, 20, 30, 40, 50, 60], t: ['x', 'yz', 'uvw', ''] };
    const merged = Object.assign({}, ...[...all.values()].map(({ columns }) => Object.fromEntries(columns)));
    assert.deepEqual(merged, whatWas);
    let refused = 0;
    for (let length = 0; length < whole.length; length++) {
      let reader: RecordingReader;
      try {
        reader = await openBytes(whole.subarray(0, length));
      } catch (error) {
        assert.ok(error instanceof RecordingFormatError, `cut at ${length}: ${error}`);
        refused += 1;
        continue;
      }
      for (const { columns } of (await collectTables(reader)).values()) {
        for (const [name, values] of columns) {
          const left = values.filter((value) => value !== null);
          const were = whatWas[name as keyof typeof whatWas];
          assert.deepEqual(left, were.slice(0, left.length), `cut at ${length}: ${name}`);
        }
      }
      const { records, bytes } = reader.loss();
      assert.equal(records + bytes > 0, !ends.includes(length), `cut at ${length}`);
    }
    const firstData = 8 + 8 + 3;
    assert.equal(refused, parts[0]!.length - firstData, 'only a file without any data is refused');
  });

  it('a segment that was never closed yields its whole chunks and what came first of the last one', async () => {
    const open = segment({
      objects: PAIR,
      data: i16(1, 2, 10, 20, 3, 4, 30),
      nextSegmentOffset: UNKNOWN_OFFSET,
    });
    const reader = await openBytes(open);
    assert.deepEqual(await columnsOf(reader), { a: [1, 2, 3, 4], b: [10, 20, 30, null] });
    assert.equal(reader.loss().records, 1);
    assert.match(reader.loss().reasons[0]!, /never closed .* 1 rows are missing or incomplete/);
  });

  it('channels behind the one at which the writer stopped have no values in that chunk', async () => {
    const open = segment({ objects: PAIR, data: i16(1, 2, 10, 20, 3), nextSegmentOffset: UNKNOWN_OFFSET });
    const reader = await openBytes(open);
    assert.deepEqual(await columnsOf(reader), { a: [1, 2, 3], b: [10, 20, null] });
    assert.equal(reader.loss().records, 2);
  });

  it('a segment that was never closed and is complete is no loss', async () => {
    const reader = await openBytes(
      segment({ objects: PAIR, data: i16(1, 2, 10, 20), nextSegmentOffset: UNKNOWN_OFFSET }),
    );
    assert.deepEqual(await columnsOf(reader), { a: [1, 2], b: [10, 20] });
    assert.deepEqual(reader.loss().reasons, []);
  });

  it('behind an overwritten lead-in reading goes on, and later rows keep their times', async () => {
    const timed = segment({
      objects: PAIR.map((object) => ({
        ...object,
        properties: { wf_increment: 1, wf_start_time: { seconds: UNIX_EPOCH, fractions: 0n } },
      })),
      data: i16(1, 2, 10, 20),
    });
    const overwritten = Buffer.from(SECOND).fill(0, 0, 4);
    const reader = await openBytes(timed, overwritten, THIRD);
    const { columns, timestampsNs } = await collectTable(reader, 'g');
    assert.deepEqual(columns.get('a'), [1, 2, 5, 6].slice(0, columns.get('a')!.length));
    assert.equal(columns.get('a')?.at(-1), 6);
    assert.ok(timestampsNs.at(-1)! >= 5_000_000_000n);
    assert.ok(reader.loss().bytes >= SECOND.length);
    assert.ok(reader.loss().records >= 2);
  });

  it('an end that is wrong does not swallow the segments behind it', async () => {
    for (const offset of [5n, 20n, 1_000_000n, 60n]) {
      const wrong = segment({ data: i16(3, 4, 30, 40), nextSegmentOffset: offset });
      const reader = await openBytes(FIRST, wrong, THIRD);
      const { a } = await columnsOf(reader);
      assert.ok(a!.includes(5) && a!.includes(6), `with ${offset}: ${a}`);
      assert.deepEqual(
        a!.filter((value) => value !== null && ![1, 2, 3, 4, 5, 6].includes(value as number)),
        [],
      );
      assert.ok(reader.loss().reasons.length > 0);
    }
  });

  it('metadata that cannot be is left out with its segment', async () => {
    const lies = [
      channel('a', rawIndex(0x77, 2)),
      channel('a', Buffer.concat([little.u32(20), little.u32(I16), little.u32(2), little.u64(2)])),
      channel('a', rawIndex(I16, 2n ** 63n)),
      channel('never seen', SAME_AS_BEFORE),
      channel('a', textIndex(1000, 8)),
    ];
    for (const [number, lie] of lies.entries()) {
      const reader = await openBytes(FIRST, segment({ objects: [lie], data: i16(7, 8) }), FIRST);
      assert.deepEqual(
        (await columnsOf(reader))['a']?.filter((value) => value !== null),
        [1, 2, 1, 2],
        `lie ${number}`,
      );
      assert.match(reader.loss().reasons[0]!, /is left out: /, `lie ${number}`);
      assert.ok(reader.loss().bytes > 0);
    }
  });

  it('counts that cannot be are refused before anything is allocated', async () => {
    const huge = segment({ objects: PAIR, data: i16(1, 2, 10, 20) });
    huge.writeUInt32LE(0xffff_fff0, 28);
    await assert.rejects(openBytes(huge), /claims 4294967280 objects/);
    const long = await openBytes(
      segment({ objects: [channel('a', rawIndex(F64, 2 ** 50))], data: little.f64(1.5) }),
    );
    assert.deepEqual(await columnsOf(long), { a: [1.5] });
  });

  it('texts whose ends contradict each other are no values, and are counted', async () => {
    const data = texts(['abc', 'def', 'ghi']);
    data.writeUInt32LE(99, 4);
    const reader = await openBytes(segment({ objects: [channel('t', textIndex(3, data.length))], data }));
    assert.deepEqual(await columnsOf(reader), { t: ['abc', null, null] });
    assert.match(reader.loss().reasons[0]!, /2 of the 3 texts from row 0 on are damaged/);
    await columnsOf(reader);
    assert.equal(reader.loss().reasons.length, 1);
  });

  it('bytes that are no UTF-8 are replaced', async () => {
    const data = texts(['a?b']);
    data[5] = 0xff;
    const reader = await openBytes(segment({ objects: [channel('t', textIndex(1, data.length))], data }));
    assert.deepEqual(await columnsOf(reader), { t: ['a\ufffdb'] });
  });

  it('what is no TDMS file is refused, and an index says what to give instead', async () => {
    await assert.rejects(openBytes(Buffer.alloc(0)), RecordingFormatError);
    await assert.rejects(openBytes(Buffer.from('no recording, and long enough to look')), /no TDMS file/);
    await assert.rejects(openBytes(segment({ tag: 'TDSh', objects: PAIR })), /give the \.tdms file/);
  });
});
