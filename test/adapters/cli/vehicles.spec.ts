import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '#adapters/cli/api-client.ts';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { setVehicle, showVehicle } from '#adapters/cli/vehicles.ts';
import { FakeApi, RecordedTerminal } from '#test/support/fake-api.ts';

const SAVED = {
  vin: 'WLF1',
  validFrom: '2026-03-01T00:00:00.000Z',
  dbc: { powertrain: { account: 'operations', container: 'vehicles', path: 'WLF1/drive.dbc' } },
  topicMap: { '/front': 'camera' },
  referenceClock: '/gnss',
};

describe('landfall vehicle', () => {
  let api: FakeApi;
  let base: string;
  let folder: string;
  let terminal: RecordedTerminal;
  beforeEach(async () => {
    api = new FakeApi();
    base = await api.start();
    terminal = new RecordedTerminal();
    folder = mkdtempSync(join(tmpdir(), 'vehicle-'));
    writeFileSync(join(folder, 'drive.dbc'), 'BO_ 1 Speed: 8 ECU');
    api.answers.set('POST /vehicles/WLF1/configurations', { status: 201, body: SAVED });
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await api.stop();
  });
  const ports = (messageCount = 1) => ({
    api: new ApiClient(base),
    terminal,
    readDbc: () => ({ messageCount, signalCount: 3, problems: messageCount === 0 ? ['line 1: what?'] : [] }),
  });
  const refused = async (work: Promise<number>, exitCode: number, message: RegExp) =>
    assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, message);
      assert.equal(error.exitCode, exitCode);
      assert.deepEqual(api.requests, []);
      return true;
    });

  it('sends the bytes of the DBC file per bus, the topics, the clock and the time', async () => {
    const code = await setVehicle(ports(), 'WLF1', {
      dbc: [`powertrain=${join(folder, 'drive.dbc')}`],
      topic: ['/a=b/front=camera'],
      referenceClock: '/gnss',
      validFrom: '2026-03-01T01:00:00+01:00',
      json: false,
    });
    assert.equal(code, EXIT.ok);
    assert.deepEqual(
      api.requests.map((request) => request.body),
      [
        {
          dbc: {
            powertrain: {
              name: 'drive.dbc',
              content: Buffer.from('BO_ 1 Speed: 8 ECU').toString('base64'),
            },
          },
          topicMap: { '/a=b/front': 'camera' },
          referenceClock: '/gnss',
          validFrom: '2026-03-01T00:00:00.000Z',
        },
      ],
    );
    assert.match(terminal.text, /Saved[\s\S]*powertrain: drive\.dbc[\s\S]*\/front: camera[\s\S]*\/gnss/);
    assert.deepEqual(terminal.notes, ['bus powertrain: drive.dbc, 1 messages, 3 signals']);
  });

  it('refuses a file that holds no CAN messages, before anything is sent', async () => {
    const options = { dbc: [`1=${join(folder, 'drive.dbc')}`], json: false };
    await refused(setVehicle(ports(0), 'WLF1', options), EXIT.failed, /drive\.dbc is not a DBC file.*line 1/);
  });

  it('says what is wrong with an option', async () => {
    const set = (options: object) => setVehicle(ports(), 'WLF1', { json: false, ...options });
    await refused(set({}), EXIT.usage, /nothing to set.*--dbc/);
    await refused(set({ dbc: ['drive.dbc'] }), EXIT.usage, /drive\.dbc is not of the form --dbc/);
    await refused(set({ dbc: ['1=/nowhere.dbc'] }), EXIT.usage, /nowhere\.dbc cannot be read \(ENOENT\)/);
    const file = join(folder, 'drive.dbc');
    await refused(set({ dbc: [`1=${file}`, `1=${file}`] }), EXIT.usage, /names bus 1 twice/);
    await refused(set({ topic: ['/front=kamera'] }), EXIT.usage, /kamera is no kind.*camera, lidar/);
    await refused(
      set({ referenceClock: '/gnss', validFrom: 'soon' }),
      EXIT.usage,
      /--valid-from soon is not a time/,
    );
  });

  it('shows what is known, in the order of time', async () => {
    const later = { ...SAVED, validFrom: '2026-09-01T00:00:00.000Z', dbc: {} };
    api.answers.set('GET /vehicles/W%2FF/configurations', {
      status: 200,
      body: { configurations: [later, SAVED] },
    });
    await showVehicle(ports(), 'W/F', { json: false });
    assert.match(terminal.text, /2026-03-01[\s\S]*2026-09-01/);
    await showVehicle(ports(), 'W/F', { json: true });
    assert.deepEqual(JSON.parse(terminal.printed[1]!), [SAVED, later]);
  });

  it('says how to tell something of a vehicle of which nothing is known', async () => {
    api.answers.set('GET /vehicles/WLF1/configurations', { status: 200, body: { configurations: [] } });
    await showVehicle(ports(), 'WLF1', { json: false });
    assert.match(terminal.text, /Nothing is known.*landfall vehicle set WLF1/);
  });
});
