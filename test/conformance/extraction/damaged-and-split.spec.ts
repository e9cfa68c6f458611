import assert from 'node:assert/strict';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { memorySink } from '#formats/byte-source.ts';
import { RoadBench } from '#test/support/road-bench.ts';
import { tarNames } from '#test/support/tar-names.ts';

const START_NS = 1_750_000_000_000_000_000n;

async function drive(durationSeconds: number, startTimeNs: bigint): Promise<Uint8Array> {
  const sink = memorySink();
  await writeDriveBag(sink, { drive: { ...DEMO_DRIVE, durationSeconds }, startTimeNs, seed: 5 });
  return sink.bytes();
}

describe('extraction of recordings as they are', function () {
  this.timeout(60_000);
  let bench: RoadBench;
  beforeEach(() => {
    bench = new RoadBench();
  });
  afterEach(() => bench.dispose());

  it('of a bag that was cut off takes what is whole, counts the rest, and is partial', async () => {
    const whole = await drive(6, START_NS);
    const { said, manifest } = await bench.extract({ 'cut.bag': whole.subarray(0, whole.length >> 1) });
    assert.equal(said.outcome, 'partial');
    assert.match(said.reason?.message ?? '', /records and \d+ bytes of the raw files could not be read/);
    const imu = manifest.files.find((file) => file.table?.name === '/imu/data');
    assert.ok(imu?.rowCount !== undefined && imu.rowCount > 100 && imu.rowCount < 600, String(imu?.rowCount));
  });

  it('of a drive split over two files joins its signals on one timeline and packs the frames of both', async () => {
    const files = { '0.bag': await drive(4, START_NS), '1.bag': await drive(4, START_NS + 4_000_000_000n) };
    const extracted = await bench.extract(files);
    const { synchronized, shared } = await bench.follow(extracted);
    const columns = synchronized.manifest.files[0]!.table!.columns.map((column) => column.name);
    assert.ok(columns.includes('imu.angular_velocity.z'));
    assert.ok(!columns.some((name) => name.startsWith('imu_2.')), 'two parts are one signal');
    assert.equal(synchronized.manifest.files[0]?.rowCount, 160);
    const frames = extracted.manifest.files.filter((file) => file.table?.role === 'frames');
    assert.equal(frames.length, 4);
    const [result] = await bench.results('landfall/package');
    assert.equal(result?.facts['frameCount'], 50);
    const names = tarNames(await bench.blobs.readPinned(shared.manifest.files[0]!));
    assert.equal(new Set(names).size, 2 + 50, 'frames of the second file do not take the names of the first');
    assert.equal(shared.said.outcome, 'succeeded');
  });

  it('reports what downsampling achieved, per file and topic', async () => {
    const profile = { downsampling: { camera: { '*': { rateHzMax: 1 } } }, pcd: false };
    const { manifest } = await bench.extract({ 'a.bag': await drive(4, START_NS) }, { profile });
    const [result] = await bench.results('landfall/extract-camera');
    assert.deepEqual(result?.facts['downsampling'], [
      { file: 'a.bag', topic: '/camera/front/image_raw', rowsSeen: 19, rowsKept: 4, ratio: 4 / 19 },
      { file: 'a.bag', topic: '/camera/rear/compressed', rowsSeen: 7, rowsKept: 4, ratio: 4 / 7 },
    ]);
    assert.ok(!manifest.files.some((file) => file.path.includes('.pcd/')));
  });
});
