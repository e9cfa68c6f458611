import assert from 'node:assert/strict';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, type DriveBagFacts, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import { memorySink } from '#formats/byte-source.ts';
import { queryParquet } from '#test/support/parquet-query.ts';
import { RoadBench, type StageOutput } from '#test/support/road-bench.ts';
import { tarNames } from '#test/support/tar-names.ts';

const START_NS = 1_750_000_000_000_000_000n;

describe('the demo drive, from its bag to the partner', function () {
  this.timeout(60_000);
  const bench = new RoadBench();
  let facts: DriveBagFacts;
  let extracted: StageOutput<'landfall.extraction.completed.v1'>;
  let road: Awaited<ReturnType<RoadBench['follow']>>;

  before(async () => {
    const sink = memorySink();
    facts = await writeDriveBag(sink, { drive: DEMO_DRIVE, startTimeNs: START_NS, seed: 7 });
    extracted = await bench.extract({ 'demo.bag': sink.bytes() }, { dbc: { powertrain: DEMO_DBC } });
    road = await bench.follow(extracted);
  });
  after(() => bench.dispose());

  const table = (name: string, role: string): ResultFile => {
    const file = extracted.manifest.files.find(
      (candidate) => candidate.table?.name === name && candidate.table.role === role,
    );
    assert.ok(file, `no table ${name} of role ${role}`);
    return file;
  };
  const query = async (file: ResultFile, sql: string) =>
    queryParquet(await bench.blobs.readPinned(file), sql);

  it('has a row for every message that was recorded, each in its sensor’s container', () => {
    assert.equal(extracted.said.outcome, 'succeeded');
    const counted = (name: string, role: string) => {
      const file = table(name, role);
      return [file.container, file.rowCount];
    };
    const { messageCounts } = facts;
    assert.deepEqual(counted('/imu/data', 'topic'), ['imu', messageCounts['/imu/data']]);
    assert.deepEqual(counted('/gnss/fix', 'topic'), ['gnss', messageCounts['/gnss/fix']]);
    assert.deepEqual(counted('/can/powertrain', 'can-raw'), ['can', messageCounts['/can/powertrain']]);
    assert.deepEqual(counted('powertrain.VEHICLE_DYNAMICS', 'can-decoded'), ['can', 2099]);
    assert.deepEqual(counted('powertrain.STEERING', 'can-decoded'), ['can', 839]);
    assert.deepEqual(counted('/camera/front/image_raw', 'frames'), ['camera', 209]);
    assert.deepEqual(counted('/camera/rear/compressed', 'frames'), ['camera', 83]);
    assert.deepEqual(counted('/lidar/points', 'topic'), ['lidar', 209]);
    assert.deepEqual(counted('/lidar/points', 'points'), ['lidar', 209 * 720]);
    assert.deepEqual(counted('/lidar/points', 'scans'), ['lidar', 209]);
  });

  it('opens in DuckDB with UTC timestamps that lose no nanosecond, and with units', async () => {
    const imu = table('/imu/data', 'topic');
    const [first] = await query(
      imu,
      'SELECT typeof(timestamp) AS type, timestamp_ns::VARCHAR AS ns, timestamp::VARCHAR AS text FROM {file} LIMIT 1',
    );
    assert.deepEqual(first, {
      type: 'TIMESTAMP WITH TIME ZONE',
      ns: '1750000000000000000',
      text: '2025-06-15 15:06:40+00',
    });
    const footer = await query(
      imu,
      "SELECT decode(value) AS value FROM parquet_kv_metadata({file}) WHERE decode(key) = 'landfall.columns'",
    );
    const columns = JSON.parse(String(footer[0]?.['value'])) as { name: string; unit?: string }[];
    const unitOf = (name: string) => columns.find((column) => column.name === name)?.unit;
    assert.equal(unitOf('angular_velocity.z'), 'rad/s');
    assert.equal(unitOf('linear_acceleration.x'), 'm/s²');
  });

  it('decodes CAN with the unit and the labels of the DBC', async () => {
    const dynamics = table('powertrain.VEHICLE_DYNAMICS', 'can-decoded');
    const speed = dynamics.table?.columns.find((column) => column.name === 'VEHICLE_SPEED');
    assert.equal(speed?.unit, 'km/h');
    const [top] = await query(
      dynamics,
      'SELECT max("VEHICLE_SPEED") AS kmh, min("BRAKE_PRESSED") AS least FROM {file}',
    );
    assert.equal(top?.['kmh'], 57.6);
    assert.equal(top?.['least'], 0);
  });

  it('finds exactly its known scenes, each within half a second', () => {
    assert.deepEqual(
      bench.scenes.map((scene) => scene.type),
      DEMO_DRIVE.scenes.map((scene) => scene.type),
    );
    const seconds = (time: string) => (Date.parse(time) - Number(START_NS / 1_000_000n)) / 1000;
    bench.scenes.forEach((scene, index) => {
      const known = DEMO_DRIVE.scenes[index]!;
      const [start, end] = [seconds(scene.startTime), seconds(scene.endTime)];
      assert.ok(Math.abs(start - known.startSeconds) <= 0.5, `${scene.type} starts at ${start} s`);
      assert.ok(Math.abs(end - known.endSeconds) <= 0.5, `${scene.type} ends at ${end} s`);
    });
    assert.equal(road.detected.said.sceneCount, 4);
  });

  it('takes the speed from the CAN signal, and says so', async () => {
    const enriched = road.enriched.manifest.files[0]!;
    const footer = await query(
      enriched,
      "SELECT decode(value) AS value FROM parquet_kv_metadata({file}) WHERE decode(key) = 'landfall.columns'",
    );
    const columns = JSON.parse(String(footer[0]?.['value'])) as { name: string; source?: string }[];
    const speed = columns.find((column) => column.name === 'vehicle.speed');
    assert.equal(speed?.source, 'can.powertrain.VEHICLE_DYNAMICS.VEHICLE_SPEED in km/h');
  });

  it('is enriched row for row with the synchronized table: in Berlin, on a June afternoon', async () => {
    const [synchronized, enriched] = [road.synchronized.manifest.files[0]!, road.enriched.manifest.files[0]!];
    assert.equal(enriched.rowCount, synchronized.rowCount);
    assert.equal(synchronized.rowCount, 840);
    const [sun] = await query(
      enriched,
      'SELECT any_value("sun.day_phase") AS phase, round(avg("sun.elevation"), 1) AS elevation, round(avg("sun.azimuth")) AS azimuth FROM {file}',
    );
    assert.equal(sun?.['phase'], 'day');
    assert.ok(Math.abs(Number(sun?.['elevation']) - 36.4) < 0.5, JSON.stringify(sun));
    assert.ok(Math.abs(Number(sun?.['azimuth']) - 261) < 1, JSON.stringify(sun));
  });

  it('is offered as one tar file with frames, OpenLABEL and COCO', async () => {
    const [file] = road.shared.manifest.files;
    const bytes = await bench.blobs.readPinned(file!);
    const names = tarNames(bytes);
    assert.deepEqual(names.slice(0, 2), ['openlabel.json', 'coco.json']);
    assert.equal(names.length, 2 + 50);
    assert.ok(
      names
        .slice(2)
        .every((name) => /^frames\/camera_(front_image_raw|rear_compressed)\/\d{8}\.jpg$/.test(name)),
    );
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(
      bench.offers.map((offer) => offer.package.sha256),
      [file!.sha256],
    );
  });
});
