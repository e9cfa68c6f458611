// What a restart with the same, or a changed, entities file makes of what was stored.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entitiesOf, failureOf, openNamespace, type Queues, type Topics } from './local-namespace.ts';

describe('Service Bus: a restart', () => {
  let dataFolder: string;

  beforeEach(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'landfall-service-bus-registry-'));
  });

  afterEach(() => rmSync(dataFolder, { recursive: true, force: true }));

  const open = (queues: Queues, topics: Topics = []) =>
    openNamespace(entitiesOf(queues, topics), { dataFolder });

  it('never gives a sequence number twice, even when nothing is left in the queue', async () => {
    const first = await open([{ Name: 'landing' }]);
    await first.send('landing', { body: 1 });
    const receiver = first.client.createReceiver('landing', { receiveMode: 'receiveAndDelete' });
    await first.receive(receiver);
    await first.close();
    const second = await open([{ Name: 'landing' }]);
    await second.send('landing', { body: 2 });
    const [message] = await second.receive(second.client.createReceiver('landing'));
    assert.equal(Number(message?.sequenceNumber), 2);
    await second.close();
  });

  it('moves on what is stored in an entity that now forwards, dead letters too', async () => {
    const first = await open([{ Name: 'old' }, { Name: 'new' }, { Name: 'failed' }]);
    await first.send('old', [{ body: 'poison' }, { body: 'waiting' }]);
    const receiver = first.client.createReceiver('old');
    const [poison] = await first.receive(receiver);
    await receiver.deadLetterMessage(poison!);
    await first.close();
    const forwarding = { ForwardTo: 'new', ForwardDeadLetteredMessagesTo: 'failed' };
    const second = await open([{ Name: 'old', Properties: forwarding }, { Name: 'new' }, { Name: 'failed' }]);
    assert.deepEqual(await second.bodies('new'), ['waiting']);
    assert.deepEqual(await second.bodies('failed'), ['poison']);
    await second.close();
  });

  it('keeps an entity that is no longer in the file, with its messages and rules', async () => {
    const first = await open([{ Name: 'dropped' }], [{ Name: 'events', Subscriptions: [{ Name: 'mine' }] }]);
    await first.send('dropped', { body: 'still wanted' });
    const rules = first.client.createRuleManager('events', 'mine');
    await rules.deleteRule('$Default');
    await rules.createRule('red', { sqlExpression: "color = 'red'" });
    await first.close();
    const second = await open([{ Name: 'other' }]);
    assert.deepEqual(await second.bodies('dropped'), ['still wanted']);
    await second.send('events', [{ body: 'r', applicationProperties: { color: 'red' } }, { body: 'g' }]);
    assert.deepEqual(await second.bodies(['events', 'mine']), ['r']);
    await second.close();
  });

  it('refuses a name that changed from queue to topic', async () => {
    await (await open([{ Name: 'events' }])).close();
    const failure = await failureOf(open([], [{ Name: 'events' }]));
    assert.match(failure.message, /'events' is declared as a topic, but the data folder holds a queue/);
  });
});
