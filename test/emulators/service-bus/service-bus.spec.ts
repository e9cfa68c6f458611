import assert from 'node:assert/strict';
import { entitiesOf, type LocalNamespace, openNamespace } from './local-namespace.ts';

describe('Service Bus: queues and topics', () => {
  let namespace: LocalNamespace;

  beforeEach(async () => {
    namespace = await openNamespace(
      entitiesOf(
        [{ Name: 'landing' }, { Name: 'validate' }],
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
                    Properties: { FilterType: 'Correlation', CorrelationFilter: { Label: 'validate' } },
                  },
                ],
              },
            ],
          },
        ],
      ),
    );
  });

  afterEach(() => namespace.close());

  it('gives a sent message to a receiver, and never again once it is completed', async () => {
    await namespace.send('landing', [{ body: 'first' }, { body: 'second' }]);
    const receiver = namespace.client.createReceiver('landing');
    const messages = await namespace.receive(receiver, 2);
    assert.deepEqual(
      messages.map((message) => [message.body, message.deliveryCount, Number(message.sequenceNumber)]),
      [
        ['first', 0, 1],
        ['second', 0, 2],
      ],
    );
    for (const message of messages) await receiver.completeMessage(message);
    assert.deepEqual(await namespace.bodies('landing'), []);
  });

  it('forwards what a subscription selects to the queue of its consumer', async () => {
    await namespace.send('commands', [
      { body: 'for validate', subject: 'validate', messageId: 'm-1' },
      { body: 'for copy', subject: 'copy' },
    ]);
    const [message] = await namespace.receive(namespace.client.createReceiver('validate'));
    assert.equal(message?.body, 'for validate');
    assert.equal(message?.messageId, 'm-1');
    assert.deepEqual(await namespace.bodies('validate'), ['for validate']);
  });
});
