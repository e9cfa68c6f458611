import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmulatorUnderTest } from '../emulator-under-test.ts';
import {
  ACCOUNT_KEY,
  containerClient,
  type EventSink,
  removeFolder,
  startEventSink,
  story,
  temporaryFolder,
  until,
} from './storage-fixture.ts';

describe('storage emulator as a process', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const config = join(folder, 'storage.json');
  let sink: EventSink;
  let running: EmulatorUnderTest | undefined;

  const start = async (port = 0): Promise<EmulatorUnderTest> => {
    const flags = ['--config', config, '--data', join(folder, 'data'), '--port', String(port)];
    running = await EmulatorUnderTest.start('storage', [...flags, '--event-grid', sink.endpoint]);
    return running;
  };

  before(async () => {
    writeFileSync(config, JSON.stringify({ accounts: [{ name: 'landing', key: ACCOUNT_KEY }] }));
    sink = await startEventSink();
  });
  after(async () => {
    await running?.end('SIGKILL');
    sink.close();
    removeFolder(folder);
  });

  it('keeps every blob over a clean shutdown, however fresh', async () => {
    const first = await start();
    const container = containerClient(first.endpoint, 'landing', 'recordings');
    await container.create();
    for (let n = 0; n < 20; n += 1) await container.getBlockBlobClient(`${n}.bin`).upload('x', 1);
    assert.equal(await first.end('SIGTERM'), 0);
    const second = containerClient((await start()).endpoint, 'landing', 'recordings');
    const names: string[] = [];
    for await (const { name } of second.listBlobsFlat()) names.push(name);
    assert.equal(names.length, 20);
  });

  it('loses no event of an acknowledged write to kill -9, with Event Grid down', async () => {
    const emulator = running ?? (await start());
    await until('earlier events have gone', () => story(sink, '/19.bin').length > 0);
    sink.accepting = false;
    const container = containerClient(emulator.endpoint, 'landing', 'recordings');
    for (let n = 0; n < 20; n += 1) await container.getBlockBlobClient(`kill/${n}.bin`).upload('x', 1);
    await emulator.end('SIGKILL');
    sink.accepting = true;
    await start();
    await until('the last event is sent', () => story(sink, '/kill/19.bin').length > 0);
    const told = sink.events.filter(({ subject }) => subject.includes('/kill/'));
    assert.equal(new Set(told.map(({ id }) => id)).size, 20);
    const later = containerClient(running?.endpoint ?? '', 'landing', 'later');
    await later.create();
    await later.getBlockBlobClient('later.bin').upload('x', 1);
    await until('it is told', () => story(sink, '/later.bin').length > 0);
    const sequencers = sink.events.map(({ data }) => String(data['sequencer']));
    assert.equal(sequencers.at(-1), sequencers.toSorted().at(-1), 'sequencers go on growing over a restart');
  });

  it('says which port is taken and what to do', async () => {
    const { port } = running ?? (await start());
    const flags = ['--config', config, '--data', join(folder, 'other'), '--port', String(port)];
    await assert.rejects(
      EmulatorUnderTest.start('storage', flags),
      new RegExp(`exit 1: .*Port ${port} .*LANDFALL_PORT_BASE`),
    );
  });
});
