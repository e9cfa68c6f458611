import assert from 'node:assert/strict';
import { QueueCounts } from '#adapters/azure/service-bus/queue-counts.ts';
import { ServiceBusMessageSender } from '#adapters/azure/service-bus/service-bus-message-sender.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { messageSenderContract, outgoing } from '#test/contract/message-sender.contract.ts';
import {
  entitiesOf,
  type LocalNamespace,
  openNamespace,
} from '#test/emulators/service-bus/local-namespace.ts';

describe('sending to Service Bus', () => {
  let namespace: LocalNamespace;
  let sender: ServiceBusMessageSender;
  let counts: QueueCounts;
  before(async () => {
    namespace = await openNamespace(
      entitiesOf(
        [{ Name: 'many' }, { Name: 'one' }, { Name: 'later' }],
        [
          {
            Name: 'commands',
            Subscriptions: [
              {
                Name: 'extract',
                Rules: [
                  {
                    Name: 'mine',
                    Properties: {
                      FilterType: 'Correlation',
                      CorrelationFilter: { Properties: { consumer: 'extract' } },
                    },
                  },
                ],
              },
            ],
          },
        ],
      ),
    );
    const { connectionString, adminEndpoint } = namespace.emulator;
    const access = { auth: 'emulator-key', connectionString, adminEndpoint } as const;
    sender = new ServiceBusMessageSender(access);
    counts = new QueueCounts(access);
  });
  after(async () => {
    await sender.close();
    await namespace.close();
  });

  messageSenderContract('Service Bus', async () => ({
    sender,
    queue: 'many',
    topic: 'commands',
    lyingIn: async (entity) => {
      const receiver =
        entity === 'commands'
          ? namespace.client.createReceiver('commands', 'extract')
          : namespace.client.createReceiver(entity);
      const messages = await receiver.peekMessages(1000);
      await receiver.close();
      return messages.map(({ messageId, body }) => ({ messageId: String(messageId), body }));
    },
  }));

  it('says on the message what can be known without reading the body', async () => {
    const message = outgoing({ destination: { kind: 'queue', name: 'one' }, consumer: 'extract' });
    await sender.send([message]);
    const receiver = namespace.client.createReceiver('one');
    const [received] = await namespace.receive(receiver);
    assert.equal(received?.contentType, 'application/cloudevents+json');
    assert.equal(received?.subject, 'landfall.measurement.cancelled.v1');
    assert.deepEqual(received?.applicationProperties, {
      consumer: 'extract',
      fleet: 'f',
      region: 'local',
      measurementId: message.envelope.subject,
      traceparent: message.envelope.traceparent,
      'Diagnostic-Id': message.envelope.traceparent,
    });
    await receiver.close();
  });

  it('keeps a message back until its time has come', async () => {
    const enqueueAt = new Date(Date.now() + 3_600_000);
    const later = () => outgoing({ destination: { kind: 'queue', name: 'later' }, enqueueAt });
    await sender.send([later()]);
    await sender.send([later(), later()]);
    const { active, scheduled, deadLetter, total } = await counts.queue('later');
    assert.deepEqual(
      { active, scheduled, deadLetter, total },
      { active: 0, scheduled: 3, deadLetter: 0, total: 3 },
    );
  });

  it('tells the counts of all queues and subscriptions', async () => {
    assert.deepEqual((await counts.queues()).map(({ entity }) => entity).toSorted(), [
      'later',
      'many',
      'one',
    ]);
    const [subscription] = await counts.subscriptions('commands');
    assert.equal(subscription?.entity, 'commands/Subscriptions/extract');
  });

  it('refuses a message that no batch can hold, and says which', async () => {
    const small = outgoing({ destination: { kind: 'queue', name: 'one' } });
    const large = outgoing({ destination: { kind: 'queue', name: 'one' } }, 'x'.repeat(1_500_000));
    for (const messages of [[large], [small, large]]) {
      await assert.rejects(sender.send(messages), {
        name: 'TerminalFailure',
        message: new RegExp(`${large.messageId}.*larger than one takes`),
      });
    }
  });

  it('a broker that is not there is worth another try', async () => {
    const nobody = new ServiceBusMessageSender({
      auth: 'emulator-key',
      connectionString: namespace.emulator.connectionString.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1'),
    });
    await assert.rejects(nobody.send([outgoing()]), (error) => error instanceof RetryableFailure);
    await nobody.close();
  });

  it('refuses a connection string for a host that is not this machine', () => {
    const connectionString =
      'Endpoint=sb://fleet.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b';
    assert.throws(
      () => new ServiceBusMessageSender({ auth: 'emulator-key', connectionString }),
      /fleet\.servicebus\.windows\.net is not this machine/,
    );
  });
});
