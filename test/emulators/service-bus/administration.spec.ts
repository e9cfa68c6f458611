import assert from 'node:assert/strict';
import { ServiceBusAdministrationClient } from '@azure/service-bus';
import {
  administrationOf,
  entitiesOf,
  failureOf,
  type LocalNamespace,
  openNamespace,
} from './local-namespace.ts';

describe('Service Bus: ServiceBusAdministrationClient', () => {
  let namespace: LocalNamespace;

  beforeEach(async () => {
    namespace = await openNamespace(
      entitiesOf(
        [
          {
            Name: 'landing',
            Properties: {
              LockDuration: 'PT30S',
              MaxDeliveryCount: 5,
              RequiresDuplicateDetection: true,
              DuplicateDetectionHistoryTimeWindow: 'PT20S',
              DeadLetteringOnMessageExpiration: true,
              ForwardDeadLetteredMessagesTo: 'failed',
            },
          },
          { Name: 'failed' },
          { Name: 'validate' },
        ],
        [
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
              { Name: 'audit' },
            ],
          },
        ],
      ),
    );
  });

  afterEach(() => namespace.close());

  it('lists and reads what the entities file declares', async () => {
    const { administration } = namespace;
    assert.equal((await administration.getNamespaceProperties()).name, 'landfall');
    assert.deepEqual(await namesOf(administration.listQueues()), ['landing', 'failed', 'validate']);
    assert.deepEqual(await namesOf(administration.listTopics()), ['commands']);
    const landing = await administration.getQueue('landing');
    assert.equal(landing.lockDuration, 'PT30S');
    assert.equal(landing.maxDeliveryCount, 5);
    assert.equal(landing.requiresDuplicateDetection, true);
    assert.equal(landing.duplicateDetectionHistoryTimeWindow, 'PT20S');
    assert.equal(landing.deadLetteringOnMessageExpiration, true);
    assert.equal(landing.forwardDeadLetteredMessagesTo, 'failed');
    const subscriptions: string[] = [];
    for await (const subscription of administration.listSubscriptions('commands')) {
      subscriptions.push(`${subscription.subscriptionName}>${subscription.forwardTo ?? ''}`);
    }
    assert.deepEqual(subscriptions, ['validate>validate', 'audit>']);
    const rule = await administration.getRule('commands', 'validate', 'by-label');
    assert.deepEqual(rule.filter, {
      ...rule.filter,
      subject: 'validate',
      applicationProperties: { generation: 2 },
    });
    const audit = await administration.getRule('commands', 'audit', '$Default');
    assert.equal('sqlExpression' in audit.filter && audit.filter.sqlExpression, '1=1');
  });

  it('reads long lists page by page', async () => {
    const pages: number[] = [];
    for await (const page of namespace.administration.listQueues().byPage({ maxPageSize: 2 }))
      pages.push(page.length);
    assert.deepEqual(pages, [2, 1]);
  });

  it('counts active, scheduled and dead messages', async () => {
    const { administration, client } = namespace;
    await namespace.send('validate', [{ body: 1 }, { body: 2 }, { body: 3 }]);
    await client.createSender('validate').scheduleMessages({ body: 4 }, new Date(Date.now() + 60_000));
    await client.createSender('commands').scheduleMessages({ body: 5 }, new Date(Date.now() + 60_000));
    await namespace.send('commands', { body: 'to audit only' });
    const receiver = client.createReceiver('validate');
    const [message] = await namespace.receive(receiver);
    await receiver.deadLetterMessage(message!);
    const queue = await administration.getQueueRuntimeProperties('validate');
    assert.deepEqual(
      [
        queue.activeMessageCount,
        queue.deadLetterMessageCount,
        queue.scheduledMessageCount,
        queue.totalMessageCount,
      ],
      [2, 1, 1, 4],
    );
    assert.deepEqual([queue.transferMessageCount, queue.transferDeadLetterMessageCount], [0, 0]);
    assert.ok(queue.sizeInBytes! > 0);
    const topic = await administration.getTopicRuntimeProperties('commands');
    assert.deepEqual([topic.subscriptionCount, topic.scheduledMessageCount], [2, 1]);
    const audit = await administration.getSubscriptionRuntimeProperties('commands', 'audit');
    assert.equal(audit.activeMessageCount, 1);
  });

  it('creates, changes and deletes entities, at once usable over AMQP', async () => {
    const { administration } = namespace;
    await administration.createQueue('fresh', {
      maxDeliveryCount: 7,
      forwardDeadLetteredMessagesTo: 'failed',
    });
    await namespace.send('fresh', { body: 'hello' });
    assert.deepEqual(await namespace.bodies('fresh'), ['hello']);
    const fresh = await administration.getQueue('fresh');
    assert.equal(fresh.maxDeliveryCount, 7);
    assert.equal((await administration.updateQueue({ ...fresh, maxDeliveryCount: 9 })).maxDeliveryCount, 9);
    await administration.createTopic('notices');
    await administration.createSubscription('notices', 'red', {
      defaultRuleOptions: { name: 'only-red', filter: { sqlExpression: "color = 'red'" } },
    });
    await administration.createRule('notices', 'red', 'large', {
      sqlExpression: 'sizeBytes > @limit',
      sqlParameters: { '@limit': 100 },
    });
    await namespace.send('notices', [
      { body: 'red', applicationProperties: { color: 'red' } },
      { body: 'large', applicationProperties: { sizeBytes: 101 } },
      { body: 'neither', applicationProperties: { sizeBytes: 100 } },
    ]);
    assert.deepEqual(await namespace.bodies(['notices', 'red']), ['red', 'large']);
    await administration.deleteRule('notices', 'red', 'only-red');
    await administration.deleteTopic('notices');
    assert.equal(await administration.topicExists('notices'), false);
    await administration.deleteQueue('fresh');
    assert.equal((await failureOf(namespace.send('fresh', { body: 1 }))).code, 'MessagingEntityNotFound');
  });

  it('keeps what can no longer be forwarded in the transfer dead-letter queue', async () => {
    const { administration, client } = namespace;
    await administration.deleteQueue('validate');
    await namespace.send('commands', {
      body: 'stranded',
      subject: 'validate',
      applicationProperties: { generation: 2 },
    });
    const counts = await administration.getSubscriptionRuntimeProperties('commands', 'validate');
    assert.equal(counts.transferDeadLetterMessageCount, 1);
    const receiver = client.createReceiver('commands', 'validate', { subQueueType: 'transferDeadLetter' });
    const [message] = await namespace.receive(receiver);
    assert.equal(message?.body, 'stranded');
    assert.match(message.deadLetterErrorDescription ?? '', /could not be forwarded to 'validate'/);
    await receiver.deadLetterMessage(message);
    const [again] = await namespace.receive(receiver);
    assert.equal(again?.body, 'stranded', 'a dead letter that is dead-lettered stays where it is');
  });

  it('refuses what exists, what does not, what cannot be read, and a wrong key', async () => {
    const { administration, emulator } = namespace;
    assert.equal(
      (await failureOf(administration.createQueue('landing'))).code,
      'MessageEntityAlreadyExistsError',
    );
    assert.equal((await failureOf(administration.getQueue('nowhere'))).code, 'MessageEntityNotFoundError');
    const rule = administration.createRule('commands', 'audit', 'broken', { sqlExpression: 'a = = 1' });
    assert.match((await failureOf(rule)).message, /cannot be read: position 4/);
    const sessions = administration.createQueue('sessions', { requiresSession: true });
    assert.match((await failureOf(sessions)).message, /Sessions are not part/);
    const wrongKey = administrationOf({
      ...emulator,
      connectionString: emulator.connectionString.replace('SAS_KEY_VALUE', 'WRONG'),
    });
    assert.ok(wrongKey instanceof ServiceBusAdministrationClient);
    assert.equal((await failureOf(wrongKey.getQueue('landing'))).code, 'UnauthorizedRequestError');
  });
});

async function namesOf(list: AsyncIterable<{ name: string }>): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of list) names.push(name);
  return names;
}
