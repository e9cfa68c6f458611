// Against "Event Grid message delivery and retry", "Understand event filtering" and the publishing SDK.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridDeserializer,
  EventGridPublisherClient,
  generateSharedAccessSignature,
  isSystemEvent,
} from '@azure/eventgrid';
import {
  type EventGridOptions,
  type RunningEventGrid,
  startEventGrid,
} from '#emulators/event-grid/event-grid.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { ACCOUNT_KEY, containerClient, removeFolder, temporaryFolder } from '../storage/storage-fixture.ts';
import { ServiceBusStub } from './service-bus-stub.ts';

const TOPIC_KEY = Buffer.from('topic key').toString('base64');
const folders: string[] = [];

function folder(): string {
  const created = mkdtempSync(join(tmpdir(), 'landfall-event-grid-'));
  folders.push(created);
  return created;
}

async function until(what: string, condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited ${deadlineMs} ms in vain until ${what}.`);
    await delay(5);
  }
}

function publisher<Schema extends 'EventGrid' | 'CloudEvent'>(
  eventGrid: RunningEventGrid,
  schema: Schema,
  credential = new AzureKeyCredential(TOPIC_KEY) as AzureKeyCredential | AzureSASCredential,
): EventGridPublisherClient<Schema> {
  return new EventGridPublisherClient(eventGrid.topicEndpoint('landfall-events'), schema, credential, {
    allowInsecureConnection: true,
    retryOptions: { maxRetries: 0 },
  });
}

const queue = { serviceBusQueue: 'ingest' };
const sceneFound = { type: 'landfall.scenes.detected.v1', source: '/landfall', data: { count: 3 } };

describe('event grid emulator', () => {
  let serviceBus: ServiceBusStub;
  let eventGrid: RunningEventGrid | undefined;

  const start = async (
    subscription: object,
    options: Partial<EventGridOptions> = {},
  ): Promise<RunningEventGrid> => {
    eventGrid = await startEventGrid({
      configuration: {
        topics: [
          {
            name: 'landfall-events',
            key: TOPIC_KEY,
            subscriptions: [
              { name: 'to-ingest', schema: 'CloudEventSchemaV1_0', destination: queue, ...subscription },
            ],
          },
        ],
      },
      dataFolder: folder(),
      serviceBusConnectionString: serviceBus.connectionString,
      timeScale: 0.001,
      ...options,
    });
    return eventGrid;
  };

  beforeEach(async () => {
    serviceBus = new ServiceBusStub();
    await serviceBus.start();
  });

  afterEach(async () => {
    await eventGrid?.close();
    eventGrid = undefined;
    await serviceBus.stop();
  });

  after(() => {
    for (const created of folders) rmSync(created, { recursive: true, force: true });
  });

  describe('publishing', () => {
    it('takes CloudEvents of the SDK and delivers each as one message with one object', async () => {
      const running = await start({});
      await publisher(running, 'CloudEvent').send([
        { ...sceneFound, id: 'e1', subject: 'm1', extensionAttributes: { region: 'westeurope' } },
        { ...sceneFound, id: 'e2', subject: 'm2' },
      ]);
      await until('both are delivered', () => serviceBus.taken.length === 2);
      const first = serviceBus.taken.find(({ body }) => body['id'] === 'e1');
      assert.ok(first);
      assert.equal(first.isDataSection, true);
      assert.equal(first.body['region'], 'westeurope');
      assert.match(String(first.message.content_type), /^application\/cloudevents\+json/);
      const properties = first.message.application_properties ?? {};
      assert.equal(properties['aeg-subscription-name'], 'to-ingest');
      assert.equal(properties['aeg-event-type'], 'Notification');
      assert.equal(properties['aeg-delivery-count'], 0);
      assert.equal(properties['aeg-metadata-version'], '1.0');
      assert.notEqual(first.message.message_id, 'e1');
      const [event] = await new EventGridDeserializer().deserializeCloudEvents(first.body);
      assert.deepEqual(event?.data, { count: 3 });
    });

    it('takes events of the Event Grid schema and gives them to a CloudEvents subscription as such', async () => {
      const running = await start({});
      await publisher(running, 'EventGrid').send([
        { id: 'g1', eventType: 'A.B', subject: 's', dataVersion: '1', data: { x: 1 } },
      ]);
      await until('it is delivered', () => serviceBus.taken.length === 1);
      const { body } = serviceBus.taken[0]!;
      assert.equal(body['type'], 'A.B');
      assert.equal(body['specversion'], '1.0');
      assert.match(String(body['source']), /\/providers\/Microsoft\.EventGrid\/topics\/landfall-events$/);
    });

    it('lists what was published, from where the reader stopped', async () => {
      const running = await start({});
      const send = (id: string): Promise<void> =>
        publisher(running, 'CloudEvent').send([{ ...sceneFound, id }]);
      await send('one');
      const list = async (after: number): Promise<{ sequence: number; event: { id: string } }[]> => {
        const url = `${running.endpoint}/control/topics/landfall-events/events?after=${after}`;
        return ((await (await fetch(url)).json()) as { events: [] }).events;
      };
      const [one] = await list(0);
      assert.equal(one?.event.id, 'one');
      await send('two');
      assert.deepEqual(
        (await list(one.sequence)).map(({ event }) => event.id),
        ['two'],
      );
    });

    it('accepts a signature of the key until it expires, and no other key', async () => {
      const running = await start({});
      const token = (expiresOn: Date): Promise<string> =>
        generateSharedAccessSignature(
          running.topicEndpoint('landfall-events'),
          new AzureKeyCredential(TOPIC_KEY),
          expiresOn,
        );
      const send = async (credential: AzureKeyCredential | AzureSASCredential): Promise<void> =>
        publisher(running, 'CloudEvent', credential).send([sceneFound]);
      await send(new AzureSASCredential(await token(new Date(Date.now() + 3_600_000))));
      const expired = new AzureSASCredential(await token(new Date(Date.now() - 60_000)));
      await assert.rejects(send(expired), { statusCode: 401 });
      await assert.rejects(send(new AzureKeyCredential('d3Jvbmc=')), { statusCode: 401 });
    });

    it('refuses what is not an event with 400, and too much with 413', async () => {
      const running = await start({});
      const post = (body: string): Promise<Response> =>
        fetch(`${running.topicEndpoint('landfall-events')}?api-version=2018-01-01`, {
          method: 'POST',
          headers: { 'aeg-sas-key': TOPIC_KEY },
          body,
        });
      assert.equal((await post('[{"specversion":"1.0","id":"x"}]')).status, 400);
      assert.equal((await post('not json')).status, 400);
      assert.equal((await post(`"${'x'.repeat(1024 * 1024 + 1)}"`)).status, 413);
    });
  });

  it('refuses to start with two subscriptions of one name', async () => {
    const subscriptions = [1, 2].map(() => ({ name: 'same', destination: queue }));
    await assert.rejects(
      startEventGrid({
        configuration: { topics: [{ name: 'landfall-events', key: TOPIC_KEY, subscriptions }] },
        dataFolder: folder(),
      }),
      /two subscriptions landfall-events\/same/,
    );
  });

  describe('filters', () => {
    it('delivers only what passes type, subject and advanced filters, regardless of case', async () => {
      const running = await start({
        includedEventTypes: ['Landfall.Wanted.V1'],
        subjectEndsWith: '.MF4',
        advancedFilters: [
          { operatorType: 'StringIn', key: 'data.api', values: ['putblob', 'FlushWithClose'] },
        ],
      });
      const event = (id: string, type: string, subject: string, api: string) => ({
        id,
        type,
        subject,
        source: '/s',
        data: { api },
      });
      await publisher(running, 'CloudEvent').send([
        event('other type', 'landfall.other.v1', 'a.mf4', 'PutBlob'),
        event('other subject', 'landfall.wanted.v1', 'a.bag', 'PutBlob'),
        event('other api', 'landfall.wanted.v1', 'a.mf4', 'CreateFile'),
        event('wanted', 'landfall.wanted.v1', 'a.mf4', 'PutBlob'),
      ]);
      await until('it is delivered', () => running.counts().pending === 0);
      assert.deepEqual(
        serviceBus.taken.map(({ body }) => body['id']),
        ['wanted'],
      );
    });
  });

  describe('delivery', () => {
    it('tries again with the same message id and a higher delivery count', async () => {
      serviceBus.refusals = 2;
      const running = await start({});
      await publisher(running, 'CloudEvent').send([sceneFound]);
      await until('it is delivered', () => serviceBus.taken.length === 1);
      assert.equal(serviceBus.taken[0]?.message.application_properties?.['aeg-delivery-count'], 2);
    });

    it('waits for a Service Bus that restarts', async () => {
      const running = await start({});
      await publisher(running, 'CloudEvent').send([{ ...sceneFound, id: 'before' }]);
      await until('the first is delivered', () => serviceBus.taken.length === 1);
      const { port } = serviceBus;
      await serviceBus.stop();
      await publisher(running, 'CloudEvent').send([{ ...sceneFound, id: 'during' }]);
      const restarted = new ServiceBusStub();
      await restarted.start(port);
      serviceBus = restarted;
      await until('the second is delivered', () => restarted.taken.length === 1);
      assert.equal(restarted.taken[0]?.body['id'], 'during');
    });

    it('keeps accepted events over a restart of Event Grid', async () => {
      const dataFolder = folder();
      const first = await start({}, { dataFolder, serviceBusConnectionString: undefined });
      await publisher(first, 'CloudEvent').send([{ ...sceneFound, id: 'kept' }]);
      assert.equal(first.counts().pending, 1);
      await first.close();
      await start({}, { dataFolder });
      await until('it is delivered', () => serviceBus.taken.length === 1);
      assert.equal(serviceBus.taken[0]?.body['id'], 'kept');
    });

    it('delivers duplicates with one message id when they are ordered', async () => {
      const running = await start({});
      const order = { duplicates: 1, disorder: { windowMs: 20 }, seed: 7 };
      await fetch(`${running.endpoint}/control/delivery`, { method: 'POST', body: JSON.stringify(order) });
      await publisher(running, 'CloudEvent').send([sceneFound]);
      await until('it came twice', () => serviceBus.taken.length === 2);
      assert.equal(serviceBus.taken[0]?.message.message_id, serviceBus.taken[1]?.message.message_id);
      await until('nothing is left', () => running.counts().pending === 0);
    });

    it('delivers out of order within the window that is ordered', async () => {
      const running = await start({});
      const order = { disorder: { windowMs: 200 }, seed: 3 };
      await fetch(`${running.endpoint}/control/delivery`, { method: 'POST', body: JSON.stringify(order) });
      const ids = Array.from({ length: 20 }, (_, index) => `e${String(index).padStart(2, '0')}`);
      await publisher(running, 'CloudEvent').send(ids.map((id) => ({ ...sceneFound, id })));
      await until('all are delivered', () => serviceBus.taken.length === ids.length);
      const arrived = serviceBus.taken.map(({ body }) => String(body['id']));
      assert.deepEqual([...arrived].sort(), ids);
      assert.notDeepEqual(arrived, ids);
    });

    it('commits ordered faults at the publish endpoint', async () => {
      const running = await start({});
      running.faults.add({ match: { pathPattern: '/topics/' }, kind: 'lost-answer', times: 1 });
      await assert.rejects(publisher(running, 'CloudEvent').send([sceneFound]));
      await until('the event was taken all the same', () => serviceBus.taken.length === 1);
    });
  });

  describe('with storage', () => {
    let storage: RunningStorage | undefined;
    const storageFolder = temporaryFolder();

    afterEach(async () => {
      await storage?.close();
      storage = undefined;
    });
    after(() => removeFolder(storageFolder));

    it('writes an event that cannot be delivered to the dead-letter container, saying why', async () => {
      storage = await startStorage({
        accounts: [{ name: 'operations', key: ACCOUNT_KEY }],
        dataFolder: storageFolder,
      });
      const container = containerClient(storage.endpoint, 'operations', 'dead-letters');
      await container.create();
      const running = await start(
        {
          destination: { serviceBusQueue: 'missing' },
          retry: { maxDeliveryAttempts: 3 },
          deadLetter: { account: 'operations', container: 'dead-letters' },
        },
        {
          storageConnectionStrings: [
            `AccountName=operations;AccountKey=${ACCOUNT_KEY};BlobEndpoint=${storage.endpoint}/operations`,
          ],
        },
      );
      await publisher(running, 'CloudEvent').send([{ ...sceneFound, id: 'lost' }]);
      await until('it is given up', () => running.counts().deadLettered === 1);
      const names: string[] = [];
      for await (const { name } of container.listBlobsFlat()) names.push(name);
      assert.equal(names.length, 1);
      assert.match(
        names[0] ?? '',
        /^LANDFALL-EVENTS\/TO-INGEST\/\d{4}\/\d{1,2}\/\d{1,2}\/\d{1,2}\/[0-9a-f-]+\.json$/,
      );
      const [event] = JSON.parse(
        (await container.getBlobClient(names[0] ?? '').downloadToBuffer()).toString(),
      );
      assert.equal(event.id, 'lost');
      assert.equal(event.deadletterreason, 'MaxDeliveryAttemptsExceeded');
      assert.equal(event.deliveryattempts, 3);
      assert.equal(event.lastdeliveryoutcome, 'NotFound');
    });

    it('brings the event of an uploaded blob to the queue its system topic names', async () => {
      eventGrid = await startEventGrid({
        configuration: {
          systemTopics: [
            {
              account: 'landing',
              subscriptions: [
                {
                  name: 'recordings',
                  schema: 'EventGridSchema',
                  includedEventTypes: ['Microsoft.Storage.BlobCreated'],
                  subjectBeginsWith: '/blobServices/default/containers/recordings/',
                  destination: queue,
                },
              ],
            },
          ],
        },
        dataFolder: folder(),
        serviceBusConnectionString: serviceBus.connectionString,
      });
      storage = await startStorage({
        accounts: [{ name: 'landing', key: ACCOUNT_KEY }],
        dataFolder: storageFolder,
        eventGridEndpoint: eventGrid.endpoint,
      });
      for (const name of ['recordings', 'elsewhere']) {
        const container = containerClient(storage.endpoint, 'landing', name);
        await container.create();
        await container.getBlockBlobClient('drive/a.mf4').upload('hello', 5);
      }
      const running = eventGrid;
      await until('the event arrives', () => serviceBus.taken.length === 1);
      await until('nothing is left', () => running.counts().pending === 0);
      assert.equal(serviceBus.taken.length, 1);
      const [event] = await new EventGridDeserializer().deserializeEventGridEvents(serviceBus.taken[0]!.body);
      assert.ok(event && isSystemEvent('Microsoft.Storage.BlobCreated', event));
      assert.equal(event.data.api, 'PutBlob');
      assert.equal(event.data.contentLength, 5);
      assert.equal(event.data.url, `${storage.endpoint}/landing/recordings/drive/a.mf4`);
    });
  });
});
