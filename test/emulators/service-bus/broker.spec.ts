// What happens to a message between sender and receiver: topics, forwarding, time, duplicates, sizes.
import assert from 'node:assert/strict';
import {
  entitiesOf,
  eventually,
  failureOf,
  type LocalNamespace,
  openNamespace,
  type Queues,
  type Topics,
} from './local-namespace.ts';

const KILOBYTE = 1024;

describe('Service Bus: sending', () => {
  let namespace: LocalNamespace;

  before(async () => {
    const queues: Queues = [
      ...['round-trip', 'bodies', 'batch', 'peek', 'unread'].map((Name) => ({ Name })),
      { Name: 'tiny', Properties: { MaxSizeInMegabytes: 0.01 } },
    ];
    namespace = await openNamespace(entitiesOf(queues));
  });

  after(() => namespace.close());

  it('carries every property of a message unchanged', async () => {
    const sent = {
      body: { list: [1, 2, { nothing: null }] },
      messageId: 'm-1',
      contentType: 'application/json',
      correlationId: 'c-1',
      subject: 'landfall.copy.v1',
      to: 'copy',
      replyTo: 'saga',
      replyToSessionId: 'r',
      partitionKey: 'p',
      timeToLive: 60_000,
      applicationProperties: {
        text: 'x',
        whole: 5,
        negative: -7,
        big: 5e9,
        part: 1.5,
        flag: true,
        nothing: null,
      },
    };
    await namespace.send('round-trip', sent);
    const [message] = await namespace.receive(namespace.client.createReceiver('round-trip'));
    for (const [name, value] of Object.entries(sent)) {
      assert.deepEqual(message?.[name as keyof typeof sent], value, name);
    }
    assert.equal(message?.state, 'active');
    assert.ok(Math.abs(message.expiresAtUtc!.getTime() - Date.now() - 60_000) < 2000);
    assert.ok(message.lockedUntilUtc!.getTime() > Date.now() + 50_000);
  });

  it('gives a late receiver everything that nobody had received', async () => {
    const bodies = Array.from({ length: 450 }, (_, index) => `event ${index}`);
    const sender = namespace.client.createSender('unread');
    for (const body of bodies) await sender.sendMessages({ body });
    const receiver = namespace.client.createReceiver('unread', { receiveMode: 'receiveAndDelete' });
    const received = await namespace.receive(receiver, bodies.length);
    assert.deepEqual(
      received.map(({ body }) => body),
      bodies,
    );
  });

  it('carries every kind of body, also one of many frames', async () => {
    const big = 'y'.repeat(200_000);
    const sender = namespace.client.createSender('bodies');
    await sender.sendMessages([{ body: 'text' }, { body: Buffer.from([1, 2, 255]) }]);
    const rich = [
      { body: { v: 1 }, bodyType: 'value' as const },
      { body: [1, 'a'], bodyType: 'sequence' as const },
    ];
    for (const message of rich) await sender.sendMessages(message);
    await sender.sendMessages({ body: big });
    const messages = await namespace.receive(namespace.client.createReceiver('bodies'), 5);
    assert.deepEqual(
      messages.map((message) => message.body),
      ['text', Buffer.from([1, 2, 255]), { v: 1 }, [1, 'a'], big],
    );
  });

  it('takes a full batch, and refuses a message above 256 KB', async () => {
    const sender = namespace.client.createSender('batch');
    const batch = await sender.createMessageBatch();
    assert.equal(batch.maxSizeInBytes, 256 * KILOBYTE);
    while (batch.tryAddMessage({ body: 'z'.repeat(KILOBYTE) }));
    assert.ok(batch.count > 200);
    await sender.sendMessages(batch);
    assert.equal((await namespace.bodies('batch')).length, batch.count);
    const failure = await failureOf(sender.sendMessages({ body: 'x'.repeat(300 * KILOBYTE) }));
    assert.equal(failure.code, 'MessageSizeExceeded');
  });

  it('refuses what would exceed the size of the entity, and takes it once there is room', async () => {
    const sender = namespace.client.createSender('tiny');
    await sender.sendMessages({ body: 'a'.repeat(8 * KILOBYTE) });
    const failure = await failureOf(sender.sendMessages({ body: 'b'.repeat(4 * KILOBYTE) }));
    assert.equal(failure.code, 'QuotaExceeded');
    const receiver = namespace.client.createReceiver('tiny', { receiveMode: 'receiveAndDelete' });
    await namespace.receive(receiver);
    await sender.sendMessages({ body: 'b'.repeat(4 * KILOBYTE) });
  });

  it('shows messages without receiving them, from any sequence number', async () => {
    const receiver = namespace.client.createReceiver('peek');
    assert.deepEqual(await receiver.peekMessages(3), []);
    await namespace.send(
      'peek',
      Array.from({ length: 5 }, (_, index) => ({ body: index })),
    );
    const first = await receiver.peekMessages(2);
    const rest = await receiver.peekMessages(10);
    const again = await receiver.peekMessages(10, { fromSequenceNumber: first[1]!.sequenceNumber! });
    assert.deepEqual(
      [first, rest, again].map((page) => page.map((message) => message.body)),
      [
        [0, 1],
        [2, 3, 4],
        [1, 2, 3, 4],
      ],
    );
    assert.equal(first[0]?.lockToken, undefined);
    assert.equal((await namespace.receive(receiver, 5)).length, 5, 'peeking locks nothing');
  });
});

describe('Service Bus: topics and forwarding', () => {
  let namespace: LocalNamespace;

  before(async () => {
    const chain = Array.from({ length: 6 }, (_, index) => ({
      Name: `hop-${index}`,
      ...(index < 5 ? { Properties: { ForwardTo: `hop-${index + 1}` } } : {}),
    }));
    const topics: Topics = [
      {
        Name: 'commands',
        Subscriptions: [
          {
            Name: 'validate',
            Properties: { ForwardTo: 'validate' },
            Rules: [
              {
                Name: 'by-label',
                Properties: {
                  FilterType: 'Correlation',
                  CorrelationFilter: { Label: 'validate', Properties: { generation: 2 } },
                },
              },
            ],
          },
          { Name: 'all' },
          {
            Name: 'large',
            Rules: [
              {
                Name: 'size',
                Properties: { FilterType: 'Sql', SqlFilter: { SqlExpression: 'sizeBytes > 100' } },
              },
              {
                Name: 'urgent',
                Properties: { FilterType: 'Sql', SqlFilter: { SqlExpression: 'EXISTS(urgent)' } },
              },
            ],
          },
          { Name: 'failing', Properties: { ForwardDeadLetteredMessagesTo: 'failed', MaxDeliveryCount: 1 } },
        ],
      },
      {
        Name: 'short-lived',
        Properties: { DefaultMessageTimeToLive: 'PT0.1S' },
        Subscriptions: [{ Name: 'all' }],
      },
    ];
    namespace = await openNamespace(entitiesOf([{ Name: 'validate' }, { Name: 'failed' }, ...chain], topics));
  });

  after(() => namespace.close());

  it('copies a message once into each subscription with a rule that matches', async () => {
    await namespace.send('commands', [
      {
        body: 'a',
        subject: 'validate',
        applicationProperties: { generation: 2, sizeBytes: 500, urgent: true },
      },
      { body: 'b', subject: 'validate', applicationProperties: { generation: 1, sizeBytes: 5 } },
      { body: 'c', applicationProperties: { urgent: false } },
    ]);
    assert.deepEqual(await namespace.bodies(['commands', 'all']), ['a', 'b', 'c']);
    assert.deepEqual(await namespace.bodies(['commands', 'large']), ['a', 'c']);
    assert.deepEqual(await namespace.bodies('validate'), ['a']);
  });

  it('follows rules that are added and taken away while it runs', async () => {
    const rules = namespace.client.createRuleManager('commands', 'large');
    await rules.createRule('by-label', { subject: 'added' });
    await namespace.send('commands', { body: 'new rule', subject: 'added' });
    const names: string[] = [];
    for await (const rule of rules.listRules()) names.push(rule.name);
    assert.deepEqual(names, ['size', 'urgent', 'by-label']);
    await rules.deleteRule('by-label');
    await namespace.send('commands', { body: 'rule gone', subject: 'added' });
    const bodies = await namespace.bodies(['commands', 'large']);
    assert.ok(bodies.includes('new rule') && !bodies.includes('rule gone'));
    assert.equal(
      (await failureOf(rules.createRule('size', { subject: 'x' }))).code,
      'MessagingEntityAlreadyExists',
    );
  });

  it('dead-letters a message where it would be forwarded a fifth time', async () => {
    await namespace.send('hop-1', { body: 'four hops', messageId: 'four' });
    const [message] = await namespace.receive(namespace.client.createReceiver('hop-5'));
    assert.equal(message?.body, 'four hops');
    assert.equal(message.messageId, 'four');
    await namespace.send('hop-0', { body: 'five hops' });
    const [dead] = await namespace.receive(
      namespace.client.createReceiver('hop-4', { subQueueType: 'deadLetter' }),
    );
    assert.equal(dead?.deadLetterReason, 'MaxTransferHopCountExceeded');
  });

  it('forwards dead letters with the name of the entity they died in', async () => {
    await namespace.send('commands', { body: 'poison', messageId: 'poison-1' });
    const receiver = namespace.client.createReceiver('commands', 'failing');
    for (const message of await namespace.receive(receiver, 10, 200)) {
      if (message.body === 'poison')
        await receiver.deadLetterMessage(message, {
          deadLetterReason: 'Poison',
          deadLetterErrorDescription: '',
        });
      else await receiver.completeMessage(message);
    }
    const [dead] = await namespace.receive(namespace.client.createReceiver('failed'));
    assert.equal(dead?.deadLetterSource, 'commands/Subscriptions/failing');
    assert.equal(dead.deadLetterReason, 'Poison');
    assert.equal(dead.messageId, 'poison-1');
    assert.equal(dead.deliveryCount, 0, 'it is delivered anew in the queue it was forwarded to');
  });

  it('refuses a receiver on an entity that forwards, and a sender on a dead-letter queue', async () => {
    const receiving = namespace.receive(namespace.client.createReceiver('commands', 'validate'));
    assert.match((await failureOf(receiving)).message, /forwards to 'validate'/);
    const sending = namespace.send('validate/$DeadLetterQueue', { body: 1 });
    assert.match((await failureOf(sending)).message, /dead-letter queue/);
  });

  it('limits how long messages of a topic live', async () => {
    await namespace.send('short-lived', { body: 'brief', timeToLive: 60_000 });
    await eventually('it expires', async () => (await namespace.bodies(['short-lived', 'all'])).length === 0);
  });
});

describe('Service Bus: time and duplicates', () => {
  let namespace: LocalNamespace;

  before(async () => {
    namespace = await openNamespace(
      entitiesOf(
        [
          ...['later', 'cancelled', 'expiring', 'shielded'].map((Name) => ({ Name })),
          { Name: 'expiring-dead', Properties: { DeadLetteringOnMessageExpiration: true } },
          {
            Name: 'once',
            Properties: { RequiresDuplicateDetection: true, DuplicateDetectionHistoryTimeWindow: 'PT0.4S' },
          },
        ],
        [{ Name: 'timed', Subscriptions: [{ Name: 'one' }, { Name: 'two' }] }],
      ),
    );
  });

  after(() => namespace.close());

  it('keeps a scheduled message until its time, visible as scheduled', async () => {
    const dueAt = new Date(Date.now() + 300);
    await namespace.send('later', { body: 'later', scheduledEnqueueTimeUtc: dueAt });
    const receiver = namespace.client.createReceiver('later');
    const [scheduled] = await receiver.peekMessages(1);
    assert.equal(scheduled?.state, 'scheduled');
    const [message] = await namespace.receive(receiver);
    assert.ok(Date.now() >= dueAt.getTime() - 5);
    assert.equal(message?.state, 'active');
    assert.equal(message.scheduledEnqueueTimeUtc?.getTime(), dueAt.getTime());
    assert.ok(message.sequenceNumber! > scheduled.sequenceNumber!, 'it is enqueued as if just sent');
  });

  it('enqueues no scheduled message that was cancelled', async () => {
    const sender = namespace.client.createSender('cancelled');
    const messages = [{ body: 'a' }, { body: 'b' }, { body: 'c' }];
    const numbers = await sender.scheduleMessages(messages, new Date(Date.now() + 250));
    await sender.cancelScheduledMessages(numbers[1]!);
    assert.equal((await failureOf(sender.cancelScheduledMessages(numbers[1]!))).code, 'MessageNotFound');
    const received = await namespace.receive(namespace.client.createReceiver('cancelled'), 2);
    assert.deepEqual(
      received.map((message) => message.body),
      ['a', 'c'],
    );
  });

  it('hands a message scheduled to a topic to every subscription at its time', async () => {
    await namespace.client.createSender('timed').scheduleMessages({ body: 'x' }, new Date(Date.now() + 200));
    assert.deepEqual(await namespace.bodies(['timed', 'one']), []);
    for (const subscription of ['one', 'two']) {
      const [message] = await namespace.receive(namespace.client.createReceiver('timed', subscription));
      assert.equal(message?.body, 'x');
    }
  });

  it('drops an expired message, or dead-letters it where that is asked for', async () => {
    for (const queue of ['expiring', 'expiring-dead'])
      await namespace.send(queue, { body: queue, timeToLive: 100 });
    const graveyard = namespace.client.createReceiver('expiring-dead', { subQueueType: 'deadLetter' });
    const [dead] = await namespace.receive(graveyard);
    assert.equal(dead?.deadLetterReason, 'TTLExpiredException');
    assert.deepEqual(await namespace.bodies('expiring'), []);
    assert.deepEqual(await namespace.bodies('expiring', 'deadLetter'), []);
  });

  it('lets a locked message be completed after its time to live', async () => {
    await namespace.send('shielded', { body: 'held', timeToLive: 100 });
    const receiver = namespace.client.createReceiver('shielded');
    const [message] = await namespace.receive(receiver);
    await eventually('its time to live is over', () => message!.expiresAtUtc!.getTime() < Date.now());
    await receiver.completeMessage(message!);
  });

  it('accepts and drops a message whose id it saw within the window, and forgets it after', async () => {
    const sender = namespace.client.createSender('once');
    await sender.sendMessages({ body: 1, messageId: 'D' });
    await sender.sendMessages({ body: 2, messageId: 'D' });
    await sender.sendMessages([
      { body: 3, messageId: 'E' },
      { body: 4, messageId: 'E' },
    ]);
    assert.deepEqual(await namespace.bodies('once'), [1, 3]);
    await eventually('the id is forgotten', async () => {
      await sender.sendMessages({ body: 5, messageId: 'D' });
      return (await namespace.bodies('once')).length === 3;
    });
  });
});
