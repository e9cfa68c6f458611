import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { queryParquet } from '#test/support/parquet-query.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';
import { RoadBench } from '#test/support/road-bench.ts';

interface ExpectedBag {
  readonly topics: readonly {
    readonly name: string;
    readonly messageCount: number;
    readonly imageSha256?: string;
    readonly fields: Readonly<Record<string, { readonly mean: number; readonly max: number }>>;
  }[];
}

describe('extraction of a real drive', function () {
  this.timeout(90_000);
  let bench: RoadBench;
  beforeEach(() => {
    bench = new RoadBench();
  });
  afterEach(() => bench.dispose());

  async function extract(context: Mocha.Context, names: readonly string[], dbc: Record<string, string> = {}) {
    const files = Object.fromEntries(
      names.map((name) => [basename(name), new Uint8Array(readFileSync(recordingOrSkip(context, name)))]),
    );
    const texts = Object.entries(dbc).map(([bus, name]) => [
      bus,
      new Uint8Array(readFileSync(recordingOrSkip(context, name))),
    ]);
    const extracted = await bench.extract(files, { dbc: Object.fromEntries(texts) });
    const rows = (name: string, role = 'topic') =>
      extracted.manifest.files
        .filter((file) => file.table?.name === name && file.table.role === role)
        .map((file) => file.rowCount);
    const file = (name: string, role = 'topic') =>
      extracted.manifest.files.find((each) => each.table?.name === name && each.table.role === role)!;
    return { extracted, rows, file };
  }

  for (const bag of ['perception.bag', 'perception-lz4.bag']) {
    it(`has the rows that an independent reader counts in ${bag}`, async function () {
      const { extracted, rows, file } = await extract(this, [`drive-comma2k19/${bag}`]);
      const expected = JSON.parse(
        readFileSync(recordingOrSkip(this, 'drive-comma2k19/expected.json'), 'utf8'),
      ) as { readonly files: Readonly<Record<string, ExpectedBag>> };
      const { topics } = expected.files[bag]!;
      for (const topic of topics) {
        const role = topic.name === '/camera/image/compressed' ? 'frames' : 'topic';
        assert.deepEqual(rows(topic.name, role), [topic.messageCount], topic.name);
      }
      assert.deepEqual(rows('/radar/tracks', 'points'), [10_100]);
      assert.deepEqual(extracted.manifest.loss, { records: 0, bytes: 0, reasons: [] });
      const image = extracted.manifest.files.find(
        ({ path }) => path.endsWith('.tar') && path.includes('camera'),
      )!;
      const [place] = await queryParquet(
        await bench.blobs.readPinned(file('/camera/image/compressed', 'frames')),
        'SELECT byte_offset::INT AS byte_offset, size_bytes::INT AS size_bytes, media_type FROM {file}',
      );
      const source = await bench.blobs.open(image);
      const frame = await source.read(Number(place?.['byte_offset']), Number(place?.['size_bytes']));
      const sha256 = createHash('sha256').update(frame).digest('hex');
      assert.equal(sha256, topics.find((topic) => topic.imageSha256)?.imageSha256, 'a PNG passes unchanged');
      const odometry = topics.find((topic) => topic.name === '/camera/odometry')!.fields;
      const [position] = await queryParquet(
        await bench.blobs.readPinned(file('/camera/odometry')),
        'SELECT max("pose.pose.position.x") AS max FROM {file}',
      );
      assert.equal(position?.['max'], odometry['pose.pose.position.x']?.max);
    });
  }

  it('of comma2k19 finds no standstill, no turn, no hard braking: there was none', async function () {
    const { extracted } = await extract(this, ['drive-comma2k19/perception.bag']);
    const { enriched, detected } = await bench.follow(extracted);
    assert.deepEqual(bench.scenes, []);
    assert.equal(detected.said.outcome, 'succeeded');
    const [motion] = await queryParquet(
      await bench.blobs.readPinned(enriched.manifest.files[0]!),
      'SELECT min("vehicle.speed") AS slow, max("vehicle.speed") AS fast, min("vehicle.acceleration") AS brake, any_value("sun.day_phase") AS phase FROM {file}',
    );
    // The drive's README: 7.97 to 19.84 m/s, strongest braking -2.33 m/s² smoothed over 0.5 s; 9 o'clock local time.
    assert.ok(Math.abs(Number(motion?.['slow']) - 7.97) < 0.2, JSON.stringify(motion));
    assert.ok(Math.abs(Number(motion?.['fast']) - 19.84) < 0.2, JSON.stringify(motion));
    assert.ok(Math.abs(Number(motion?.['brake']) + 2.33) < 0.2, JSON.stringify(motion));
    assert.equal(motion?.['phase'], 'day');
  });

  it('with its CAN buses in another file finds none either, and has every decoded message', async function () {
    const { extracted, rows } = await extract(
      this,
      ['drive-comma2k19/can.mf4', 'drive-comma2k19/vehicle.mf4', 'drive-comma2k19/perception.bag'],
      { '1': 'dbc/toyota_2017_ref_pt.dbc', '2': 'dbc/toyota_adas.dbc' },
    );
    const raw = extracted.manifest.files.filter((file) => file.table?.role === 'can-raw');
    assert.deepEqual(
      raw.map((file) => file.rowCount).toSorted((a, b) => Number(a) - Number(b)),
      [12_434, 24_234, 45_000, 53_800],
    );
    const wheelSpeeds = extracted.manifest.files.find((file) =>
      file.table?.columns.some((column) => column.name === 'VXFL'),
    );
    assert.equal(wheelSpeeds?.rowCount, 4974);
    const [frontLeft] = await queryParquet(
      await bench.blobs.readPinned(wheelSpeeds!),
      'SELECT round(min("VXFL"), 6) AS min, round(max("VXFL"), 6) AS max, round(sum("VXFL"), 3) AS sum FROM {file}',
    );
    // expected.json, decodedWithDbc: what asammdf decodes from 0xAA of bus 1.
    assert.deepEqual(frontLeft, { min: 28.83, max: 71.77, sum: 299_938.7 });
    assert.deepEqual(rows('/imu/data'), [6256]);
    const { synchronized } = await bench.follow(extracted);
    assert.deepEqual(bench.scenes, []);
    assert.equal(synchronized.manifest.files[0]?.rowCount, 1201);
  });

  it('of a tilting laser keeps every scan and takes its points apart', async function () {
    const { extracted, rows } = await extract(this, ['rosbag/tilt_laser.bag']);
    assert.deepEqual(rows('/scan'), [178]);
    assert.deepEqual(rows('/position_gps'), [356]);
    assert.deepEqual(rows('/imu_data'), [356]);
    assert.equal(rows('/scan', 'points')[0]! > 100_000, true);
    const { shared } = await bench.follow(extracted);
    assert.equal(shared.said.outcome, 'succeeded');
  });

  it('skips what it cannot do, with the reason, and still offers a package', async function () {
    const { extracted, rows } = await extract(this, ['rosbag/camera-mono.bag']);
    assert.deepEqual([...rows('/dvs/image_raw', 'frames'), ...rows('/dvs1/image_raw', 'frames')], [4, 3]);
    const { synchronized, shared } = await bench.follow(extracted);
    assert.equal(synchronized.said.outcome, 'skipped');
    assert.match(synchronized.said.reason?.message ?? '', /no GNSS, IMU, decoded CAN or vehicle motion/);
    assert.equal(shared.said.outcome, 'succeeded');
  });

  it('takes 4 point clouds, 1,121 CAN frames and 8,647 messages of a turtle without loss', async function () {
    const clouds = await extract(this, ['rosbag/pointcloud2.bag']);
    assert.deepEqual(clouds.rows('/points_concat_downsampled', 'points'), [12_345]);
    const other = new RoadBench();
    try {
      const bytes = (name: string) => new Uint8Array(readFileSync(recordingOrSkip(this, name)));
      const { manifest } = await other.extract({
        'can.bag': bytes('rosbag/can.bag'),
        'turtle.bag': bytes('rosbag/example-bz2.bag'),
      });
      const rows = (role: string, sourceFile: string) =>
        manifest.files
          .filter((file) => file.table?.role === role && file.sourceFile === sourceFile)
          .reduce((sum, file) => sum + (file.rowCount ?? 0), 0);
      assert.equal(rows('can-raw', 'can.bag'), 1121);
      assert.equal(rows('topic', 'turtle.bag'), 8647);
    } finally {
      await other.dispose();
    }
  });
});
