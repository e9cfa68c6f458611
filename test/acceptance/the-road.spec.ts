import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import { readSettings } from '#composition/settings.ts';
import { blobStoreOf } from '#composition/storage.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { recordingOrSkip } from '#test/support/recordings.ts';
import { type RunningStack, startRunningStack } from './running-stack.ts';

/**
 * Journeys on the running product, started as a user starts it, with real bytes. Everything is fed through Landing
 * and read back through the command line, the API, storage and Service Bus.
 */
describe('the road', function () {
  this.timeout(240_000);
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

  it('a real robot run and a real drive end Shared, with the row counts their authors name', async function () {
    const tilt = recordingOrSkip(this, 'rosbag/tilt_laser.bag');
    const drive = recordingOrSkip(this, 'drive-comma2k19/perception.bag');
    const expectation = recordingOrSkip(this, 'drive-comma2k19/expected.json');
    const uploads = await Promise.all([
      stack.landfall('upload', await folderWith('tilt', { 'tilt_laser.bag': tilt }), '--wait', '--json'),
      stack.landfall('upload', await folderWith('comma', { 'perception.bag': drive }), '--wait', '--json'),
    ]);
    const [robot, car] = await Promise.all(
      uploads.map(async ({ code, out, err }) => {
        assert.equal(code, 0, err);
        return status((JSON.parse(out) as { measurementId: string }).measurementId);
      }),
    );
    const robotRows = rowsByTable(robot!, 'extracted');
    assert.equal(robotRows['/scan']![0], 178);
    assert.deepEqual(robotRows['/imu_data'], [356]);
    assert.deepEqual(robotRows['/position_gps'], [356]);
    const expected = JSON.parse(await readFile(expectation, 'utf8'));
    const topics = topicCountsOf(expected);
    const carRows = rowsByTable(car!, 'extracted');
    assert.ok(Object.keys(topics).length >= 12);
    for (const [topic, count] of Object.entries(topics)) {
      assert.ok(carRows[topic]?.includes(count), `${topic}: ${carRows[topic]} instead of ${count}`);
    }
    assert.deepEqual(car!.scenes, []);
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

function topicCountsOf(expected: unknown): Readonly<Record<string, number>> {
  const { files } = expected as {
    files: Record<string, { topics: readonly { name: string; messageCount: number }[] }>;
  };
  return Object.fromEntries(
    files['perception.bag']!.topics.map(({ name, messageCount }) => [name, messageCount]),
  );
}
