import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import {
  all,
  channel,
  channelGroup,
  dataGroup,
  f64,
  type HeaderSpec,
  header,
  MASTER,
  mdfBytes,
  oneGroup,
  START_NS,
  type TestFile,
  text,
  texts,
  u8,
  u16,
  u32,
  u64,
} from './blocks-in-test.ts';
import { openBytes, readTables } from './reading.ts';

const MINUTE_NS = 60_000_000_000n;

function withHeader(spec: HeaderSpec): TestFile {
  const file = oneGroup('x', 1, [u8(7)], channel({ label: 'x', byteOffset: 8 }));
  return { ...file, ...header({ dataGroup: 'dg', ...spec }) };
}

async function startOf(spec: HeaderSpec): Promise<bigint | undefined> {
  const { group } = await readTables(await openBytes(mdfBytes(withHeader(spec))));
  return group?.time[0];
}

describe('opening an MDF file', () => {
  it('of version 3 names the version and what to do', async () => {
    const bytes = mdfBytes({ ...header({}) }, { version: 330 });
    await assert.rejects(openBytes(bytes), (error: unknown) => {
      assert.ok(error instanceof RecordingFormatError);
      assert.match(error.message, /^test\.mf4: MDF version 3\.30 is not read.*convert/);
      return true;
    });
  });

  it('that is no MDF file says so', async () => {
    for (const bytes of [new Uint8Array(0), u8(1, 2, 3), Buffer.from('#ROSBAG V2.0\n'.padEnd(100))]) {
      await assert.rejects(openBytes(bytes), RecordingFormatError);
    }
  });

  it('reads versions 4.00 to 4.30', async () => {
    for (const version of [400, 410, 411, 420, 430]) {
      const reader = await openBytes(mdfBytes(withHeader({}), { version }));
      assert.equal(reader.summary.version, (version / 100).toFixed(2));
      assert.equal(reader.summary.writer, 'by hand');
    }
  });

  it('without data groups is an empty recording', async () => {
    const reader = await openBytes(mdfBytes({ ...header({}) }));
    assert.deepEqual([reader.summary.tables, reader.summary.startTimeNs], [[], undefined]);
    assert.deepEqual(await readTables(reader), {});
  });
});

describe('the start time of an MDF file', () => {
  it('is UTC, whatever the zone says', async () => {
    assert.equal(await startOf({ timeFlags: 0 }), START_NS);
    assert.equal(await startOf({ timeFlags: 2, timeZone: 60, daylightSaving: 60 }), START_NS);
  });

  it('in local time with offsets is brought to UTC', async () => {
    assert.equal(
      await startOf({ timeFlags: 3, timeZone: 60, daylightSaving: 60 }),
      START_NS - 120n * MINUTE_NS,
    );
    assert.equal(
      await startOf({ timeFlags: 3, timeZone: -480, daylightSaving: 60 }),
      START_NS + 420n * MINUTE_NS,
    );
  });

  it('in local time of an unknown zone stays as it is, and says so', async () => {
    assert.equal(await startOf({ timeFlags: 1, timeZone: 60 }), START_NS);
    const reader = await openBytes(mdfBytes(withHeader({ timeFlags: 1 })));
    assert.equal(reader.summary.properties['startTime.reference'], 'local time of an unknown zone');
  });

  it('that no clock can show is counted, and times count from 1970', async () => {
    const reader = await openBytes(mdfBytes(withHeader({ startNs: 2n ** 64n - 1n })));
    assert.equal((await readTables(reader))['group']?.time[0], 0n);
    assert.match(reader.loss().reasons.join(), /start time/);
  });
});

describe('the time of an MDF row', () => {
  const rows = (seconds: readonly number[]) => ({
    ...header({ dataGroup: 'dg' }),
    ...dataGroup('dg', 'group', 'data'),
    ...channelGroup({ label: 'group', first: 'time', cycles: seconds.length, dataBytes: 9 }),
    ...channel({ ...MASTER, next: 'x' }),
    ...channel({ label: 'x', byteOffset: 8 }),
    data: { id: 'DT', data: all(...seconds.map((second, row) => all(f64(second), u8(row)))) },
  });

  it('is rounded to the nanosecond, before the start too', async () => {
    const { group } = await readTables(
      await openBytes(mdfBytes(rows([0.1, 60.030908571, -1.5, 4.3, 1e-9, 2.6e-9]))),
    );
    const since = group?.time.map((time) => time - START_NS);
    assert.deepEqual(since, [100_000_000n, 60_030_908_571n, -1_500_000_000n, 4_300_000_000n, 1n, 3n]);
  });

  it('keeps the order of the records, going back or standing still', async () => {
    const { group } = await readTables(await openBytes(mdfBytes(rows([3, 1, 1, 2]))));
    assert.deepEqual(group?.columns['x'], [0, 1, 2, 3]);
  });

  it('that is no time leaves the row out and counts it', async () => {
    const reader = await openBytes(mdfBytes(rows([0, Number.NaN, 1e300, Number.POSITIVE_INFINITY, 1])));
    assert.deepEqual((await readTables(reader))['group']?.columns['x'], [0, 4]);
    assert.equal(reader.loss().records, 3);
  });

  it('comes from a virtual master by its conversion', async () => {
    const file = {
      ...rows([0, 0, 0]),
      ...channel({ label: 'time', type: 3, sync: 1, bitCount: 0, conversion: 'cc', next: 'x' }),
      cc: {
        id: 'CC',
        links: ['', '', '', ''],
        data: all(u8(1, 0), u16(0), u16(0), u16(2), f64(0), f64(0), f64(5), f64(0.5)),
      },
    };
    const { group } = await readTables(await openBytes(mdfBytes(file)));
    assert.deepEqual(
      group?.time.map((time) => time - START_NS),
      [5_000_000_000n, 5_500_000_000n, 6_000_000_000n],
    );
  });

  it('is the start time where the group has no time master', async () => {
    const file = {
      ...rows([5]),
      ...channel({ label: 'time', type: 2, sync: 3, dataType: 4, bitCount: 64, next: 'x' }),
    };
    const { group } = await readTables(await openBytes(mdfBytes(file)));
    assert.deepEqual([group?.time, group?.columns['time']], [[START_NS], [5]]);
  });
});

describe('what else an MDF file carries', () => {
  it('events are a table of their own', async () => {
    const file = {
      ...withHeader({ event: 'e1' }),
      e1: {
        id: 'EV',
        links: ['e2', '', '', 'brake', ''],
        data: all(u8(6, 1, 0, 4, 0, 0, 0, 0), u32(0), u16(0), u16(0), u64(25), f64(0.1)),
      },
      e2: {
        id: 'EV',
        links: ['', '', '', '', 'note'],
        data: all(u8(5, 1, 1, 2, 0, 0, 0, 0), u32(0), u16(0), u16(0), u64(3), f64(1)),
      },
      ...texts('brake', 'note'),
    };
    const { events } = await readTables(await openBytes(mdfBytes(file)));
    assert.deepEqual(events?.time, [START_NS + 2_500_000_000n, START_NS + 3_000_000_000n]);
    assert.deepEqual(events?.columns, {
      name: ['brake', ''],
      type: ['marker', 'trigger'],
      range: ['point', 'begin'],
      cause: ['user', 'tool'],
      comment: ['', 'note'],
    });
  });

  it('embedded files can be read, compressed or not; external ones are named', async () => {
    const content = Buffer.from('BO_ 1 A: 8 X\n'.repeat(50));
    const packed = deflateSync(content);
    const at = (next: string, name: string, flags: number, size: number, bytes: Uint8Array) => ({
      id: 'AT',
      links: [next, name, 'text/plain', ''],
      data: all(u16(flags), u16(0), u32(0), new Uint8Array(16), u64(size), u64(bytes.length), bytes),
    });
    const file = {
      ...withHeader({ attachment: 'a1' }),
      a1: at('a2', 'plain.dbc', 1, content.length, content),
      a2: at('a3', 'packed.dbc', 3, content.length, packed),
      a3: at('', 'C:\\video.avi', 0, 0, u8()),
      ...texts('plain.dbc', 'packed.dbc', 'C:\\video.avi', 'text/plain'),
    };
    const { summary } = await openBytes(mdfBytes(file));
    const found = summary.attachments.map(({ name, mediaType, sizeBytes }) => [name, mediaType, sizeBytes]);
    assert.deepEqual(found, [
      ['plain.dbc', 'text/plain', content.length],
      ['packed.dbc', 'text/plain', content.length],
    ]);
    for (const attachment of summary.attachments)
      assert.deepEqual(Buffer.from(await attachment.read()), content);
    assert.equal(summary.properties['externalAttachment.1'], 'C:\\video.avi');
  });

  it('comments and common properties are the properties of the recording', async () => {
    const xml =
      '<HDcomment><TX>Drive &lt;1&gt;</TX><common_properties><e name="VIN" type="string">W0L</e>' +
      '<tree name="Device"><e name="serial">42</e></tree><e name="empty"/></common_properties></HDcomment>';
    const base = withHeader({});
    const file = {
      ...base,
      header: { ...base['header'], id: 'HD', links: ['dg', '', '', '', '', 'comment'] },
      comment: { id: 'MD', data: text(xml) },
    };
    const { summary } = await openBytes(mdfBytes(file));
    assert.deepEqual(summary.properties, {
      comment: 'Drive <1>',
      VIN: 'W0L',
      'Device.serial': '42',
      empty: '',
    });
  });
});
