import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { memorySink } from '#formats/byte-source.ts';
import { queryParquet } from '#test/support/parquet-query.ts';
import { runLandfall } from '#test/support/run-landfall.ts';

const START_NS = 1_750_000_000_000_000_000n;

interface Extracted {
  readonly tables: readonly {
    readonly name: string;
    readonly path: string;
    readonly rows: number;
    readonly columns: readonly { readonly name: string; readonly type: string; readonly unit: string }[];
  }[];
  readonly files: readonly string[];
  readonly loss: { readonly records: number };
  readonly can?: { readonly framesDecoded: number; readonly framesUnknown: number };
  readonly downsampling?: readonly { readonly topic: string; readonly ratio: number }[];
}

describe('landfall inspect and extract', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-recording-'));
  const bag = join(folder, 'drive.bag');
  let messageCounts: Readonly<Record<string, number>>;
  before(async () => {
    const sink = memorySink();
    const drive = { ...DEMO_DRIVE, durationSeconds: 12 };
    ({ messageCounts } = await writeDriveBag(sink, { drive, startTimeNs: START_NS, seed: 3 }));
    writeFileSync(bag, sink.bytes());
    writeFileSync(join(folder, 'demo.dbc'), DEMO_DBC);
  });
  after(() => rmSync(folder, { recursive: true }));

  const landfall = (...argv: string[]) => runLandfall(argv);
  async function extracted(
    ...argv: string[]
  ): Promise<Extracted & { readonly path: (name: string) => string }> {
    const { code, out, errors } = await landfall('extract', bag, '--json', ...argv);
    assert.equal(code, 0, errors);
    const result = JSON.parse(out) as Extracted;
    return {
      ...result,
      path: (name) => {
        const table = result.tables.find((candidate) => candidate.name === name);
        assert.ok(table, `no table ${name} among ${result.tables.map((each) => each.name).join(', ')}`);
        return table.path;
      },
    };
  }

  it('inspect says in JSON what scripts rely on, and nothing else', async () => {
    const { code, out } = await landfall('inspect', bag, '--json');
    assert.equal(code, 0);
    const inspected = JSON.parse(out);
    assert.deepEqual(Object.keys(inspected), [
      'format',
      'version',
      'sizeBytes',
      'startTime',
      'endTime',
      'channels',
      'loss',
    ]);
    assert.equal(inspected.format, 'rosbag');
    assert.equal(inspected.startTime, '2025-06-15T15:06:40.000Z');
    assert.deepEqual(inspected.loss, { records: 0, bytes: 0, reasons: [] });
    const counts = inspected.channels.map((channel: { name: string; count: number }) => [
      channel.name,
      channel.count,
    ]);
    assert.deepEqual(Object.fromEntries(counts), messageCounts);
    const imu = inspected.channels.find((channel: { name: string }) => channel.name === '/imu/data');
    assert.deepEqual(imu, {
      name: '/imu/data',
      group: '/imu/data',
      count: 1200,
      type: 'sensor_msgs/Imu',
      unit: '',
    });
  });

  it('inspect shows people rates, gaps and damage, and draws them', async () => {
    const damaged = join(folder, 'cut.bag');
    writeFileSync(damaged, readFileSync(bag).subarray(0, 500_000));
    const png = join(folder, 'picture.png');
    const { code, out } = await landfall('inspect', damaged, '--png', png);
    assert.equal(code, 0);
    assert.match(out, /format {4}ROS bag 2\.0/);
    assert.match(out, /damage {4}[\d,]+ records? and [\d.]+ [KM]B could not be read/);
    assert.match(
      out,
      /\/imu\/data {2}sensor_msgs\/Imu\n {2}[▁▂▃▄▅▆▇█·]{48} {2}\d+ rows, 100 Hz, longest gap 10 ms/,
    );
    assert.deepEqual([...readFileSync(png).subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  });

  it('extract writes a table per topic and decoded message, images and points, and lists them', async () => {
    const out = join(folder, 'all');
    const result = await extracted('--out', out, '--dbc', join(folder, 'demo.dbc'));
    const rows = Object.fromEntries(result.tables.map((table) => [table.name, table.rows]));
    assert.equal(rows['/imu/data'], messageCounts['/imu/data']);
    assert.equal(rows['/can/powertrain'], messageCounts['/can/powertrain']);
    assert.equal(rows['/camera/front/image_raw'], messageCounts['/camera/front/image_raw']);
    assert.equal(rows['/lidar/points.points'], messageCounts['/lidar/points']! * 720);
    assert.equal(rows['VEHICLE_DYNAMICS'], 599);
    const dynamics = result.tables.find((table) => table.name === 'VEHICLE_DYNAMICS')!;
    assert.deepEqual(
      dynamics.columns.find((column) => column.name === 'VEHICLE_SPEED'),
      {
        name: 'VEHICLE_SPEED',
        type: 'float64',
        unit: 'km/h',
      },
    );
    assert.ok(result.files.every((file) => existsSync(file)));
    assert.ok(result.files.some((file) => file.endsWith('camera_front_image_raw/00000.tar')));
    assert.ok(result.tables.every((table) => result.files.includes(table.path)));
    assert.equal(result.loss.records, 0);
  });

  it('extract takes only the topics and the time that are asked for', async () => {
    const out = join(folder, 'part');
    const until = '2025-06-15T15:06:44Z';
    const result = await extracted('--out', out, '--topics', '/imu/data', '--from', '2', '--to', until);
    assert.deepEqual(
      result.tables.map((table) => table.name),
      ['/imu/data'],
    );
    const [span] = await queryParquet(
      readFileSync(result.path('/imu/data')),
      'SELECT count(*)::INT AS rows, min(timestamp)::VARCHAR AS first, max(timestamp)::VARCHAR AS last FROM {file}',
    );
    assert.deepEqual(span, {
      rows: 200,
      first: '2025-06-15 15:06:42+00',
      last: '2025-06-15 15:06:43.99+00',
    });
  });

  it('extract thins and says what it achieved', async () => {
    const out = join(folder, 'thin');
    const rule = 'rate=10,keep=3..4';
    const result = await extracted('--out', out, '--topics', '/imu/data', '--downsample', rule);
    const kept = result.tables[0]!.rows;
    assert.ok(Math.abs(kept - (110 + 101)) <= 2, String(kept));
    assert.deepEqual(
      result.downsampling?.map(({ topic, ratio }) => [topic, ratio]),
      [['/imu/data', kept / 1200]],
    );
  });

  it('extract of a damaged recording ends with 0 and tables of what is intact, and counts the loss', async () => {
    const cut = join(folder, 'cut-for-extract.bag');
    writeFileSync(cut, readFileSync(bag).subarray(0, 500_000));
    const { code, out, errors } = await landfall(
      'extract',
      cut,
      '--json',
      '--topics',
      '/imu/data',
      '--out',
      join(folder, 'cut'),
    );
    assert.equal(code, 0, errors);
    const { tables, loss } = JSON.parse(out) as Extracted;
    const [imu] = tables;
    assert.ok(imu !== undefined && imu.rows > 0 && imu.rows < messageCounts['/imu/data']!);
    assert.ok(loss.records > 0);
  });

  it('extract decodes the frames of a bus with the database of that bus, and with no other', async () => {
    const database = join(folder, 'demo.dbc');
    const topic = ['--topics', '/can/powertrain'];
    const databases = ['--dbc', `powertrain=${database}`, '--dbc', `7=${database}`];
    const { tables, can } = await extracted('--out', join(folder, 'buses'), ...topic, ...databases);
    const decoded = tables.map((table) => table.name).filter((name) => name !== '/can/powertrain');
    assert.ok(decoded.includes('powertrain.VEHICLE_DYNAMICS'), decoded.join());
    assert.ok(
      decoded.every((name) => name.startsWith('powertrain.')),
      decoded.join(),
    );
    assert.ok(can!.framesDecoded > 0);
  });

  it('a way in metres thins what the vehicle saw while it stood', async () => {
    const out = join(folder, 'way');
    const result = await extracted(
      '--out',
      out,
      '--topics',
      '/camera/front/image_raw',
      '--downsample',
      'distance=5',
    );
    // It stands for 6 s, then covers 34 m; frames are up to 2 m apart, so that every step is 5 to 7 m.
    const frames = result.tables[0]!.rows;
    assert.ok(frames >= 5 && frames <= 8, String(frames));
  });

  const wrong: readonly (readonly [string, number, RegExp, readonly string[]])[] = [
    ['a file that is no recording', 4, /none of a known recording/, ['inspect', import.meta.filename]],
    ['a file that is not there', 4, /there is no such file/, ['inspect', join(folder, 'nothing.bag')]],
    [
      'extract of no recording',
      4,
      /none of a known recording/,
      ['extract', import.meta.filename, '--out', folder],
    ],
    ['a folder', 4, /it is a folder/, ['inspect', folder]],
    [
      'an unknown topic',
      2,
      /has no \/nope; it has: .*\/imu\/data/,
      ['extract', bag, '--out', folder, '--topics', '/nope'],
    ],
    [
      'a time that is none',
      2,
      /--from "noon" is no time/,
      ['extract', bag, '--out', folder, '--from', 'noon'],
    ],
    [
      'a rule that is none',
      2,
      /--downsample "much" is not understood/,
      ['extract', bag, '--out', folder, '--downsample', 'much'],
    ],
    [
      'a DBC that is not there',
      2,
      /there is no file no\.dbc/,
      ['extract', bag, '--out', folder, '--dbc', '1=no.dbc'],
    ],
  ];
  for (const [name, code, message, argv] of wrong) {
    it(`${name} ends with exit code ${code} and a sentence`, async () => {
      const ended = await landfall(...argv);
      assert.equal(ended.code, code);
      assert.match(ended.errors, message);
      assert.equal(ended.out, '');
      assert.doesNotMatch(ended.errors, /\n\s+at /, 'no stack trace');
    });
  }
});
