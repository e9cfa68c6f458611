import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { DeltaFleetTables } from '#adapters/delta/delta-fleet-tables.ts';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import { SystemClock } from '#adapters/node/system-clock.ts';
import { ParquetTableReader } from '#adapters/parquet/parquet-table-reader.ts';
import { readSettings } from '#composition/settings.ts';
import { blobStoreOf } from '#composition/storage.ts';
import { TABLES_CONTAINER } from '#composition/zone-containers.ts';
import { FLEET_TABLE_KINDS } from '#domain/fleet-tables.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';
import { type RunningStack, startRunningStack } from './running-stack.ts';

/**
 * Journeys on the running product, started as a user starts it, with real bytes. Everything is fed through Landing
 * and read back through the command line, the API, storage and Service Bus.
 */
describe('the road', function () {
  // A busy machine is slow, not wrong.
  this.timeout(600_000);
  let stack: RunningStack;
  let folders: string;
  const events: Record<string, unknown>[] = [];
  let subscriber: ServiceBusClient;
  let demoMeasurementId: string;

  before(async () => {
    folders = await mkdtemp(join(tmpdir(), 'landfall-recordings-'));
    stack = await startRunningStack({ LANDFALL_LANDING_WAIT_SECONDS: '4' });
    subscriber = new ServiceBusClient((await exported())['LANDFALL_SERVICE_BUS_CONNECTION_STRING']!);
    subscriber.createReceiver('events', 'perception').subscribe({
      processMessage: async (message) => {
        events.push(message.body as Record<string, unknown>);
      },
      processError: async () => undefined,
    });
  });

  after(async () => {
    await subscriber?.close();
    assert.equal(await stack?.stop(), 0, 'landfall up ends cleanly');
    await rm(folders, { recursive: true, force: true });
  });

  async function exported(): Promise<Record<string, string>> {
    const { out } = await stack.landfall('env');
    return Object.fromEntries(
      [...out.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name!, value!]),
    );
  }

  async function folderWith(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>>,
  ): Promise<string> {
    const folder = join(folders, name);
    await mkdir(folder, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      if (typeof content === 'string') await cp(content, join(folder, path));
      else await writeFile(join(folder, path), content);
    }
    return folder;
  }

  async function demoBag(): Promise<string> {
    const path = join(folders, 'demo.bag');
    if (existsSync(path)) return path;
    const sink = await openFileByteSink(path);
    await writeDriveBag(sink, { drive: DEMO_DRIVE, startTimeNs: 1_764_000_000_000_000_000n, seed: 3 });
    await sink.close();
    return path;
  }

  function status(measurementId: string): Promise<MeasurementStatus> {
    return stack.json<MeasurementStatus>('status', measurementId);
  }

  function rowsByTable(of: MeasurementStatus, kind: string): Record<string, number[]> {
    const files = of.dataStreams.find((stream) => stream.kind === kind)?.files ?? [];
    const rows: Record<string, number[]> = {};
    for (const { table, rows: count } of files) {
      if (table !== undefined) rows[table] = [...(rows[table] ?? []), count ?? 0].toSorted((a, b) => a - b);
    }
    return rows;
  }

  const DRIVE = 'drive-comma2k19';

  function driveFolder(context: Mocha.Context): Promise<string> {
    const files = ['can.mf4', 'vehicle.mf4', 'imu.tdms', 'imu.tdms_index', 'perception.bag'];
    const paths = files.map((file) => [file, recordingOrSkip(context, `${DRIVE}/${file}`)] as const);
    return folderWith('comma', Object.fromEntries(paths));
  }

  /** Uploads, waits for the end of the road, and looks at what became of it. */
  async function shared(folder: string, ...options: readonly string[]): Promise<MeasurementStatus> {
    const { code, out, err } = await stack.landfall('upload', folder, ...options, '--wait', '--json');
    assert.equal(code, 0, `${folder}: ${err}${out}`);
    return status((JSON.parse(out) as { measurementId: string }).measurementId);
  }

  /** The one table of a data stream such as `synchronized`, read back from where it lies. */
  async function tableOf(of: MeasurementStatus, kind: string) {
    const stream = of.dataStreams.find((candidate) => candidate.kind === kind);
    const file = stream?.files.find(({ table }) => table === kind);
    assert.ok(file !== undefined, `${of.recordingId} has a table ${kind}`);
    const { account, container, path } = file;
    const blobs = blobStoreOf(readSettings({ ...(await exported()) }));
    const localPath = join(folders, `${of.measurementId}-${kind}.parquet`);
    await writeFile(localPath, await blobs.read({ account, container, path }, 64 * 1024 ** 2));
    const reader = new ParquetTableReader();
    const { definition, rowCount } = await reader.describe(localPath);
    const valuesOf = async (column: string): Promise<number[]> => {
      const values: number[] = [];
      for await (const rows of reader.read(localPath, [column]))
        values.push(...Array.from(rows.columns[0]!.values as Float64Array | BigInt64Array, Number));
      return values;
    };
    return { columns: definition.columns.map(({ name }) => name), rowCount, valuesOf };
  }

  async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const seen = await look();
      if (seen !== undefined) return seen;
      if (Date.now() > deadline) throw new Error(`${what} did not happen within a minute`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  it('a drive of a vehicle with a DBC ends Shared, its scenes found, its CAN decoded', async () => {
    const dbc = join(await folderWith('dbc', { 'demo.dbc': new TextEncoder().encode(DEMO_DBC) }), 'demo.dbc');
    const set = await stack.landfall('vehicle', 'set', 'WVWZZZ1KZ6W000001', '--dbc', `powertrain=${dbc}`);
    assert.equal(set.code, 0, set.err);
    const folder = await folderWith('demo-drive', { 'drive.bag': await demoBag() });
    const upload = await stack.landfall('upload', folder, '--vin', 'WVWZZZ1KZ6W000001', '--wait', '--json');
    assert.equal(upload.code, 0, upload.err);
    const { measurementId, state } = JSON.parse(upload.out) as { measurementId: string; state: string };
    assert.equal(state, 'Shared');
    demoMeasurementId = measurementId;
    const seen = await status(measurementId);
    assert.deepEqual(
      seen.stages.map((stage) => stage.state),
      seen.stages.map(() => 'Succeeded'),
    );
    assert.deepEqual(
      seen.scenes.map((scene) => scene.type),
      DEMO_DRIVE.scenes.toSorted((a, b) => a.startSeconds - b.startSeconds).map((scene) => scene.type),
    );
    const rows = rowsByTable(seen, 'extracted');
    assert.deepEqual(rows['/imu/data'], [4200]);
    assert.deepEqual(rows['/can/powertrain'], [2938]);
    assert.deepEqual(rows['powertrain.VEHICLE_DYNAMICS'], [2099]);
    assert.deepEqual(rows['powertrain.STEERING'], [839]);
    assert.deepEqual(rows['/camera/front/image_raw'], [209]);
    const link = await stack.json<{ url: string }>('share-link', measurementId);
    const packaged = await fetch(link.url);
    assert.equal(packaged.status, 200);
    const text = Buffer.from(await packaged.arrayBuffer()).toString('latin1');
    assert.match(text, /"schema_version": "1.0.0"/);
    assert.match(text, /frames\/camera_front_image_raw\/00000000.jpg/);
  });

  it('a real drive of four recorders and three formats ends Shared on one timeline, all rows there', async function () {
    const [folder, expectation] = [await driveFolder(this), recordingOrSkip(this, `${DRIVE}/expected.json`)];
    const buses = { 1: 'toyota_2017_ref_pt', 2: 'toyota_adas' };
    const dbc = Object.entries(buses).flatMap(([bus, name]) => [
      '--dbc',
      `${bus}=${recordingOrSkip(this, `dbc/${name}.dbc`)}`,
    ]);
    const vin = 'JTMBFREV2HJ000040';
    const set = await stack.landfall('vehicle', 'set', vin, ...dbc);
    assert.equal(set.code, 0, set.err);
    const seen = await shared(folder, '--vin', vin);
    const rows = rowsByTable(seen, 'extracted');
    for (const [table, count] of expectedRows(JSON.parse(await readFile(expectation, 'utf8'))))
      assert.ok(rows[table]?.includes(count), `${table}: ${rows[table]} rows instead of ${count}`);
    const { columns, valuesOf } = await tableOf(seen, 'enriched');
    for (const name of [
      'gnss.latitude',
      'imu.angular_velocity.z',
      'Accelerometer.forward',
      'Speed.VehicleSpeed',
      'can.CAN1.VSC1F01.VXFL',
      'can.CAN2.TRACK_A_0.LONG_DIST',
    ])
      assert.ok(columns.includes(name), `${name} is on the timeline`);
    const timestamps = await valuesOf('timestamp');
    assert.equal(timestamps[0], 1_533_226_488_300_000_000);
    assert.equal(timestamps.length, 1201);
    // README of the recording: the speed each five seconds from the start of the MDF files.
    const speed = await valuesOf('vehicle.speed');
    const everyFiveSeconds = [14.65, 19.83, 19.01, 18.71, 17.77, 16.88, 13.81, 16.61, 17.56, 17.87, 17.02];
    for (const [index, metresPerSecond] of everyFiveSeconds.entries()) {
      const found = speed[(index + 1) * 100]!;
      assert.ok(Math.abs(found - metresPerSecond) < 0.1, `${found} m/s instead of ${metresPerSecond} m/s`);
    }
    // Three sensors that know nothing of each other felt the same braking at the same time.
    const wheels = (await valuesOf('can.CAN1.VSC1F01.VXFL')).map((kmh) => kmh / 3.6);
    assert.ok(Math.abs(wheels[1100]! - speed[1100]!) < 0.3, `${wheels[1100]} and ${speed[1100]} m/s`);
    assert.equal(
      (await valuesOf('sun.elevation')).filter((degrees) => degrees > 30 && degrees < 40).length > 1100,
      true,
    );
  });

  it('MCAP, a ROS 2 bag, an unfinalized MDF and a robot run end Shared beside each other', async function () {
    const recordings = (...names: string[]) =>
      Object.fromEntries(names.map((name) => [basename(name), recordingOrSkip(this, name)]));
    const folders = await Promise.all([
      folderWith('mcap', recordings('mcap/camera-mono.mcap', 'mcap/strings-cdr.mcap')),
      folderWith('rosbag2', recordings('rosbag2/battery-imu-pose.db3')),
      folderWith('canedge', recordings('mdf4/canedge-unfinalized.mf4')),
      folderWith('tilt', recordings('rosbag/tilt_laser.bag')),
    ]);
    const vin = 'WDB00000000000001';
    const dbc = recordingOrSkip(this, 'dbc/CSS-Electronics-SAE-J1939-DEMO.dbc');
    const set = await stack.landfall('vehicle', 'set', vin, '--dbc', `1=${dbc}`);
    assert.equal(set.code, 0, set.err);
    const [mcap, rosbag2, canedge, robot] = await Promise.all(
      folders.map((folder) => shared(folder, ...(folder.endsWith('canedge') ? ['--vin', vin] : []))),
    );
    const rows = (seen: MeasurementStatus | undefined) => rowsByTable(seen!, 'extracted');
    assert.partialDeepStrictEqual(rows(mcap), { AAA: [174], HHH: [148], '/dvs/image_raw': [4] });
    assert.partialDeepStrictEqual(rows(rosbag2), { '/imu': [1565], '/pose': [1565], '/battery': [1565] });
    assert.partialDeepStrictEqual(rows(canedge), { CAN9_Rx: [11_275], CAN1_Rx_IDE: [139_136] });
    assert.partialDeepStrictEqual(rows(canedge), { 'CAN1.EEC1': [3993], 'CAN1.CCVS1': [3993] });
    assert.partialDeepStrictEqual(rows(robot), { '/imu_data': [356], '/position_gps': [356] });
    assert.equal(rows(robot)['/scan']![0], 178);
    assert.equal((await tableOf(canedge!, 'synchronized')).rowCount, 8028);
    assert.equal((await tableOf(rosbag2!, 'synchronized')).rowCount, 1251);
  });

  it('a file with other bytes than its manifest says is moved to the error zone, and the right one is taken later', async () => {
    const bag = await readFile(await demoBag());
    const folder = await folderWith('broken', { 'drive.bag': bag });
    assert.equal((await stack.landfall('manifest', folder)).code, 0);
    const damaged = Uint8Array.from(bag);
    damaged[100_000] = damaged[100_000]! ^ 0xff;
    await writeFile(join(folder, 'drive.bag'), damaged);
    const first = await stack.landfall('upload', folder, '--wait', '--json');
    assert.equal(first.code, 3);
    const { measurementId, state } = JSON.parse(first.out) as { measurementId: string; state: string };
    assert.equal(state, 'Rejected');
    const rejected = await status(measurementId);
    assert.equal(rejected.reason?.code, 'file-checksum-mismatch');
    assert.match(rejected.reason?.details?.join(' ') ?? '', /drive.bag has sha256/);
    const blobs = blobStoreOf(readSettings({ ...(await exported()) }));
    const inError = await eventually('the move to the error zone', async () => {
      const names: string[] = [];
      for await (const blob of blobs.list({ account: 'errorzone', container: 'recordings', path: '' })) {
        if (blob.location.path.includes(measurementId)) names.push(blob.location.path.split('/').at(-1)!);
      }
      return names.includes('reason.json') && names.includes('drive.bag') ? names : undefined;
    });
    assert.ok(inError.includes('manifest.json'));
    await writeFile(join(folder, 'drive.bag'), bag);
    const second = await stack.landfall('upload', folder, '--wait', '--json');
    assert.equal(second.code, 0, second.err + second.out);
  });

  it('a manifest that arrives long before its file waits, is Incomplete, and goes on when the file comes', async () => {
    const bag = await demoBag();
    const folder = await folderWith('late', { 'drive.bag': bag });
    assert.equal((await stack.landfall('manifest', folder)).code, 0);
    await rm(join(folder, 'drive.bag'));
    const { measurementId, state } = await stack.json<{ measurementId: string; state: string }>(
      'upload',
      folder,
    );
    assert.equal(state, 'Receiving');
    const incomplete = await eventually('Incomplete', async () => {
      const { code, out } = await stack.landfall('status', measurementId, '--json');
      const seen = code === 0 ? (JSON.parse(out) as MeasurementStatus) : undefined;
      return seen?.state === 'Incomplete' ? seen : undefined;
    });
    assert.match(incomplete.reason?.message ?? '', /drive\.bag|missing/);
    await cp(bag, join(folder, 'drive.bag'));
    const upload = await stack.landfall('upload', folder, '--wait', '--json');
    assert.equal(upload.code, 0, upload.err + upload.out);
  });

  it('the same folder again changes nothing', async () => {
    const before = await status(demoMeasurementId);
    const folder = join(folders, 'demo-drive');
    const words = ['upload', folder, '--vin', 'WVWZZZ1KZ6W000001', '--wait'];
    const again = await stack.json<{ measurementId: string; state: string }>(...words);
    assert.deepEqual(again, { measurementId: demoMeasurementId, state: 'Shared' });
    const after = await status(demoMeasurementId);
    assert.equal(after.generation, before.generation);
    assert.deepEqual(after.dataStreams, before.dataStreams);
  });

  it('a rerun from sync makes a new generation and keeps the old one', async () => {
    const { code, err } = await stack.landfall(
      'rerun',
      demoMeasurementId,
      '--from',
      'sync',
      '--reason',
      'new tolerance',
    );
    assert.equal(code, 0, err);
    const seen = await eventually('the second generation', async () => {
      const now = await status(demoMeasurementId);
      return now.generation === 2 && now.state === 'Shared' ? now : undefined;
    });
    const states = seen.dataStreams
      .filter((stream) => stream.kind === 'synchronized')
      .map((stream) => stream.state);
    assert.deepEqual(states.toSorted(), ['Completed', 'Superseded']);
  });

  it('the tables of the fleet hold what the rerun made, and nothing of the run before it', async () => {
    const blobs = blobStoreOf(readSettings({ ...(await exported()) }));
    const ports = { blobs, clock: new SystemClock(), storedColumns: () => [] };
    for (const kind of FLEET_TABLE_KINDS)
      await eventually(`the second generation among the ${kind}`, async () => {
        const files = await new DeltaFleetTables(ports, TABLES_CONTAINER).files({
          account: kind,
          fleet: 'default',
          kind,
        });
        const own = files.filter(({ measurementId }) => measurementId === demoMeasurementId);
        return own.length === 1 && own[0]?.generation === 2 ? own : undefined;
      });
  });

  it('other teams got every event of all this, valid against its published schema', async () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const shared = () => events.filter((event) => event['type'] === 'landfall.measurement.shared.v1').length;
    await eventually('the events', async () => (shared() >= 4 ? true : undefined));
    for (const event of events) {
      const type = String(event['type']);
      const known = ajv.getSchema(type);
      const validate =
        known ??
        ajv.compile({
          ...JSON.parse(await readFile(join('docs', 'schemas', `${type}.json`), 'utf8')),
          $id: type,
        });
      assert.equal(validate(event), true, `${type}: ${JSON.stringify(validate.errors)}`);
    }
    const types = new Set(events.map((event) => event['type']));
    for (const noun of [
      'measurement.received',
      'measurement.validated',
      'extraction.completed',
      'scenes.detected',
      'measurement.rejected',
    ]) {
      assert.ok(types.has(`landfall.${noun}.v1`), noun);
    }
  });
});

/** Rows per table as the readers of others counted them: MDF groups, TDMS groups, topics, decoded messages. */
function expectedRows(expected: unknown): ReadonlyMap<string, number> {
  const { files, decodedWithDbc } = expected as {
    files: Record<
      string,
      {
        topics?: readonly { name: string; messageCount: number }[];
        channelGroups?: readonly { acquisitionName: string; recordCount: number }[];
        groups?: readonly { name: string; channels: readonly { count: number }[] }[];
      }
    >;
    decodedWithDbc: { signals: readonly { signal: string; values: { count: number } }[] };
  };
  const decoded = (signal: string) =>
    decodedWithDbc.signals.find((candidate) => candidate.signal === signal)!.values.count;
  const rows = new Map([
    ...files['perception.bag']!.topics!.map(({ name, messageCount }) => [name, messageCount] as const),
    ...['can.mf4', 'vehicle.mf4'].flatMap((file) =>
      files[file]!.channelGroups!.map((group) => [group.acquisitionName, group.recordCount] as const),
    ),
    ...files['imu.tdms']!.groups!.map(({ name, channels }) => [name, channels[0]!.count] as const),
    ['CAN1.VSC1F01', decoded('VXFL')] as const,
    ['CAN1.STR1S01', decoded('SSA')] as const,
    ['CAN1.YGS1S03', decoded('YR')] as const,
    ['CAN2.TRACK_A_0', decoded('LONG_DIST')] as const,
  ]);
  assert.ok(rows.size >= 30, `${rows.size} tables are expected`);
  return rows;
}
