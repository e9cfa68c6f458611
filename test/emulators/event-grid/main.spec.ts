import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { ServiceBusClient } from '@azure/service-bus';
import { type ServiceBusEmulator, startServiceBus } from '#emulators/service-bus/service-bus.ts';
import { EmulatorUnderTest } from '../emulator-under-test.ts';

const TOPIC_KEY = Buffer.from('topic key').toString('base64');

describe('event grid emulator as a process', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-event-grid-main-'));
  const config = join(folder, 'event-grid.json');
  let serviceBus: ServiceBusEmulator;
  let running: EmulatorUnderTest | undefined;

  const start = async (...flags: string[]): Promise<EmulatorUnderTest> => {
    const common = ['--config', config, '--data', join(folder, 'data'), '--time-scale', '0.001'];
    running = await EmulatorUnderTest.start('event-grid', [...common, '--port', '0', ...flags]);
    return running;
  };
  const publish = ({ endpoint }: EmulatorUnderTest, ids: readonly string[]): Promise<void> =>
    new EventGridPublisherClient(
      `${endpoint}/topics/events/api/events`,
      'CloudEvent',
      new AzureKeyCredential(TOPIC_KEY),
      { allowInsecureConnection: true },
    ).send(ids.map((id) => ({ id, type: 'landfall.test.v1', source: '/test', data: {} })));

  before(async () => {
    const destination = { serviceBusQueue: 'ingest' };
    const subscriptions = [{ name: 'to-ingest', schema: 'CloudEventSchemaV1_0', destination }];
    writeFileSync(config, JSON.stringify({ topics: [{ name: 'events', key: TOPIC_KEY, subscriptions }] }));
    serviceBus = await startServiceBus({
      entities: {
        UserConfig: { Namespaces: [{ Name: 'landfall', Queues: [{ Name: 'ingest' }], Topics: [] }] },
      },
      port: 0,
      adminPort: 0,
    });
  });
  after(async () => {
    await running?.end('SIGKILL');
    await serviceBus.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('loses no accepted event to kill -9, and brings all to the emulated Service Bus', async () => {
    // A port where nothing listens: the events are accepted and wait.
    const nowhere = serviceBus.connectionString.replace(String(serviceBus.port), '1');
    const first = await start('--service-bus', nowhere);
    const ids = Array.from({ length: 50 }, (_, n) => `e${n}`);
    await publish(first, ids);
    await first.end('SIGKILL');
    await start('--service-bus', serviceBus.connectionString);
    const client = new ServiceBusClient(serviceBus.connectionString);
    const receiver = client.createReceiver('ingest');
    const arrived = new Set<string>();
    while (arrived.size < ids.length) {
      const messages = await receiver.receiveMessages(50, { maxWaitTimeInMs: 5_000 });
      if (messages.length === 0) break;
      for (const message of messages) {
        arrived.add(message.body.id);
        assert.equal(message.applicationProperties?.['aeg-subscription-name'], 'to-ingest');
        await receiver.completeMessage(message);
      }
    }
    assert.deepEqual([...arrived].sort(), [...ids].sort());
    await client.close();
  });

  it('ends cleanly on SIGTERM, and says so when its port is taken or its configuration is wrong', async () => {
    const emulator = running ?? (await start());
    const flags = ['--config', config, '--data', join(folder, 'other'), '--port'];
    await assert.rejects(
      EmulatorUnderTest.start('event-grid', [...flags, String(emulator.port)]),
      new RegExp(`exit 1: .*Port ${emulator.port} .*LANDFALL_PORT_BASE`),
    );
    writeFileSync(config, JSON.stringify({ topics: [{ name: 'events' }] }));
    await assert.rejects(
      EmulatorUnderTest.start('event-grid', [...flags, '0']),
      /exit 1: .*topics\[0\]\.key/s,
    );
    assert.equal(await emulator.end('SIGTERM'), 0);
  });
});
