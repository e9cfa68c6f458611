// Receiving and settling, through the real SDK, by "Message transfers, locks, and settlement" and "Overview of Service
// Bus dead-letter queues".
import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { Broker, ReceivableNode } from '#emulators/service-bus/broker.ts';
import { parseMessage } from '#emulators/service-bus/message-codec.ts';
import { ReceiverLink } from '#emulators/service-bus/receiver-link.ts';
import type { RheaDelivery, RheaSender } from '#emulators/service-bus/rhea-internals.ts';
import { entitiesOf, eventually, failureOf, type LocalNamespace, openNamespace } from './local-namespace.ts';

/** An amqp-value section with the text "x". */
const CONTENT = parseMessage(Buffer.from([0x00, 0x53, 0x77, 0xa1, 0x01, 0x78]));
const LOCK_MS = 250;

describe('Service Bus: receiving and settling', () => {
  let namespace: LocalNamespace;

  before(async () => {
    const names = [
      'complete',
      'abandon',
      'defer',
      'dead',
      'delete',
      'drain',
      'late',
      'many',
      'twice',
      'elsewhere',
    ];
    namespace = await openNamespace(
      entitiesOf([
        ...names.map((Name) => ({ Name })),
        { Name: 'three-tries', Properties: { MaxDeliveryCount: 3 } },
        { Name: 'short-lock', Properties: { LockDuration: `PT${LOCK_MS / 1000}S`, MaxDeliveryCount: 2 } },
        { Name: 'renewed', Properties: { LockDuration: `PT${LOCK_MS / 1000}S` } },
        { Name: 'throwing', Properties: { MaxDeliveryCount: 3 } },
      ]),
    );
  });

  after(() => namespace.close());

  it('gives a message to one receiver, and never again once it is completed', async () => {
    await namespace.send('complete', [{ body: 'first' }, { body: 'second' }]);
    const receiver = namespace.client.createReceiver('complete');
    const other = namespace.client.createReceiver('complete');
    const messages = await namespace.receive(receiver, 2);
    assert.deepEqual(
      messages.map((message) => [message.body, message.deliveryCount, Number(message.sequenceNumber)]),
      [
        ['first', 0, 1],
        ['second', 0, 2],
      ],
    );
    assert.deepEqual(await namespace.receive(other, 2, 100), []);
    for (const message of messages) await receiver.completeMessage(message);
    assert.deepEqual(await namespace.bodies('complete'), []);
  });

  it('gives an abandoned message again at once, counted and with the changed properties', async () => {
    await namespace.send('abandon', { body: 'again', applicationProperties: { kept: 1 } });
    const receiver = namespace.client.createReceiver('abandon');
    const tokens = new Set<string | undefined>();
    for (let count = 0; count < 3; count++) {
      const [message] = await namespace.receive(receiver);
      assert.equal(message?.deliveryCount, count);
      tokens.add(message.lockToken);
      await receiver.abandonMessage(message, { attempt: count });
    }
    const [message] = await namespace.receive(receiver);
    assert.deepEqual(message?.applicationProperties, { kept: 1, attempt: 2 });
    assert.equal(tokens.size, 3, 'each delivery has a lock token of its own');
    await receiver.completeMessage(message);
  });

  it('keeps a deferred message aside until it is asked for by its number', async () => {
    await namespace.send('defer', [{ body: 'd1' }, { body: 'd2' }, { body: 'd3' }]);
    const receiver = namespace.client.createReceiver('defer');
    const messages = await namespace.receive(receiver, 3);
    for (const message of messages) await receiver.deferMessage(message, { note: 'later' });
    assert.deepEqual(await namespace.receive(receiver, 1, 100), []);
    const numbers = messages.map((message) => message.sequenceNumber!);
    const back = await receiver.receiveDeferredMessages(numbers);
    assert.deepEqual(
      back.map((message) => [message.body, message.state, message.applicationProperties?.['note']]),
      ['d1', 'd2', 'd3'].map((body) => [body, 'deferred', 'later']),
    );
    await receiver.completeMessage(back[0]!);
    await receiver.abandonMessage(back[1]!);
    await receiver.deadLetterMessage(back[2]!, {
      deadLetterReason: 'Unwanted',
      deadLetterErrorDescription: 'd',
    });
    const [second] = await receiver.receiveDeferredMessages(numbers[1]!);
    assert.equal(second?.deliveryCount, 1, 'an abandoned deferred message stays deferred and is counted');
    assert.deepEqual(await namespace.bodies('defer', 'deadLetter'), ['d3']);
    const failure = await failureOf(receiver.receiveDeferredMessages(numbers[0]!));
    assert.equal(failure.code, 'MessageNotFound');
  });

  it('moves a message to the dead-letter queue with reason, description and properties', async () => {
    await namespace.send('dead', { body: 'bad', messageId: 'dead-1' });
    const receiver = namespace.client.createReceiver('dead');
    const [message] = await namespace.receive(receiver);
    await receiver.deadLetterMessage(message!, {
      deadLetterReason: 'Poison',
      deadLetterErrorDescription: 'cannot be read',
      stage: 'extract',
    });
    const graveyard = namespace.client.createReceiver('dead', { subQueueType: 'deadLetter' });
    const [dead] = await namespace.receive(graveyard);
    assert.equal(dead?.deadLetterReason, 'Poison');
    assert.equal(dead.deadLetterErrorDescription, 'cannot be read');
    assert.equal(dead.applicationProperties?.['stage'], 'extract');
    assert.equal(dead.messageId, 'dead-1');
    assert.equal(String(dead.sequenceNumber), String(message!.sequenceNumber));
    await graveyard.completeMessage(dead);
    assert.deepEqual(await namespace.bodies('dead', 'deadLetter'), []);
  });

  it('dead-letters a message after its last allowed delivery', async () => {
    await namespace.send('three-tries', { body: 'hopeless' });
    const receiver = namespace.client.createReceiver('three-tries');
    for (let count = 0; count < 3; count++) {
      const [message] = await namespace.receive(receiver);
      await receiver.abandonMessage(message!);
    }
    const [dead] = await namespace.receive(
      namespace.client.createReceiver('three-tries', { subQueueType: 'deadLetter' }),
    );
    assert.equal(dead?.deadLetterReason, 'MaxDeliveryCountExceeded');
    assert.equal(dead.deliveryCount, 3);
    assert.deepEqual(await namespace.bodies('three-tries'), []);
  });

  it('gives a message to the next receiver when its lock expires, and refuses the late one', async () => {
    await namespace.send('short-lock', { body: 'slow' });
    const options = { maxAutoLockRenewalDurationInMs: 0 };
    const slow = namespace.client.createReceiver('short-lock', options);
    const next = namespace.client.createReceiver('short-lock', options);
    const [held] = await namespace.receive(slow);
    const [again] = await namespace.receive(next, 1, 20 * LOCK_MS);
    assert.equal(again?.deliveryCount, 1);
    const lateComplete = await failureOf(slow.completeMessage(held!));
    assert.equal(lateComplete.code, 'MessageLockLost');
    assert.equal((await failureOf(slow.renewMessageLock(held!))).code, 'MessageLockLost');
    // The second lost lock is the last allowed delivery.
    await eventually(
      'the message is dead',
      async () => (await namespace.bodies('short-lock', 'deadLetter')).length === 1,
    );
  });

  it('keeps a message locked for as long as its lock is renewed', async () => {
    await namespace.send('renewed', { body: 'long work' });
    const receiver = namespace.client.createReceiver('renewed', { maxAutoLockRenewalDurationInMs: 0 });
    const other = namespace.client.createReceiver('renewed');
    const [message] = await namespace.receive(receiver);
    for (let round = 0; round < 4; round++) {
      const lockedUntil = await receiver.renewMessageLock(message!);
      assert.ok(lockedUntil.getTime() > Date.now());
      assert.deepEqual(await namespace.receive(other, 1, LOCK_MS / 2), []);
    }
    await receiver.completeMessage(message!);
    assert.deepEqual(await namespace.bodies('renewed'), []);
  });

  it('removes what is received in receive-and-delete mode', async () => {
    await namespace.send('delete', [{ body: 1 }, { body: 2 }, { body: 3 }]);
    const receiver = namespace.client.createReceiver('delete', { receiveMode: 'receiveAndDelete' });
    const messages = await namespace.receive(receiver, 2);
    assert.deepEqual(
      messages.map((message) => [message.body, message.lockToken]),
      [
        [1, undefined],
        [2, undefined],
      ],
    );
    assert.deepEqual(await namespace.bodies('delete'), [3]);
  });

  it('locks nothing on credit a receiver took back', async () => {
    await namespace.send('drain', [{ body: 1 }, { body: 2 }]);
    const receiver = namespace.client.createReceiver('drain');
    const messages = await namespace.receive(receiver, 10, 200);
    assert.equal(messages.length, 2);
    for (const message of messages) await receiver.completeMessage(message);
    await namespace.send('drain', { body: 3 });
    const [message] = await namespace.receive(namespace.client.createReceiver('drain'), 1, 500);
    assert.equal(message?.body, 3);
    assert.equal(message.deliveryCount, 0);
  });

  it('loses nothing when messages come at the very moment of a drain', async () => {
    const receiver = namespace.client.createReceiver('late');
    const sender = namespace.client.createSender('late');
    const received: unknown[] = [];
    for (let round = 0; round < 60; round++) {
      const receiving = receiver.receiveMessages(1 + (round % 3), { maxWaitTimeInMs: 5 });
      const sending = new Promise((resolve) => setTimeout(resolve, 3 + (round % 4))).then(() =>
        sender.sendMessages({ body: round }),
      );
      for (const message of await receiving) {
        await receiver.completeMessage(message);
        received.push(message.body);
      }
      await sending;
    }
    while (received.length < 60) {
      const messages = await namespace.receive(receiver, 50, 500);
      assert.notEqual(messages.length, 0, `only ${received.length} of 60 messages came`);
      for (const message of messages) await receiver.completeMessage(message);
      received.push(...messages.map((message) => message.body));
    }
    assert.equal(new Set(received).size, 60);
    assert.deepEqual(await namespace.bodies('late'), []);
  });

  it('goes on over one link beyond the 2048 deliveries of an AMQP session', async () => {
    for (let batch = 0; batch < 30; batch++) {
      await namespace.send(
        'many',
        Array.from({ length: 100 }, (_, index) => ({ body: batch * 100 + index })),
      );
    }
    const seen = new Set<number>();
    const errors: Error[] = [];
    const receiver = namespace.client.createReceiver('many');
    receiver.subscribe(
      {
        processMessage: async (message) => void seen.add(message.body),
        processError: async ({ error }) => void errors.push(error),
      },
      { maxConcurrentCalls: 50 },
    );
    await eventually('3000 messages are handled', () => seen.size === 3000, 9000);
    await receiver.close();
    assert.deepEqual(errors, []);
    await eventually('all are completed', async () => (await namespace.bodies('many')).length === 0);
  });

  it('abandons what a handler throws on, until it is dead', async () => {
    await namespace.send('throwing', { body: 'boom' });
    let calls = 0;
    const receiver = namespace.client.createReceiver('throwing');
    receiver.subscribe({
      processMessage: async () => {
        calls++;
        throw new Error('boom');
      },
      processError: async () => undefined,
    });
    await eventually(
      'it is dead',
      async () => (await namespace.bodies('throwing', 'deadLetter')).length === 1,
    );
    await receiver.close();
    assert.equal(calls, 3);
  });

  it('answers settlements under way before it lets a closing receiver go', async () => {
    await namespace.send(
      'twice',
      Array.from({ length: 20 }, (_, index) => ({ body: index })),
    );
    const receiver = namespace.client.createReceiver('twice');
    const messages = await namespace.receive(receiver, 20);
    await namespace.addFault({
      kind: 'latency',
      operation: 'settle',
      entity: 'twice',
      milliseconds: 60,
      times: 20,
    });
    const settling = Promise.all(messages.map((message) => receiver.completeMessage(message)));
    await namespace.send('complete', { body: 'by the time this is answered the settlements have arrived' });
    await receiver.close();
    await settling;
    assert.deepEqual(await namespace.bodies('twice'), []);
  });

  it('lets another receiver settle what a closed one had received', async () => {
    await namespace.send('elsewhere', { body: 'moved on' });
    const first = namespace.client.createReceiver('elsewhere');
    const second = namespace.client.createReceiver('elsewhere');
    const [message] = await namespace.receive(first);
    await first.close();
    await second.completeMessage(message!);
    assert.deepEqual(await namespace.bodies('elsewhere'), []);
  });
});

describe('Service Bus: a receiver, before a change is on disk', () => {
  const message = {
    sequenceNumber: 1,
    enqueuedSequenceNumber: 1,
    enqueuedAt: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    scheduledFor: undefined,
    deadLetterSource: undefined,
    hopCount: 0,
    content: CONTENT,
    deliveryCount: 0,
    state: 'active' as const,
    lock: undefined as { token: string; until: number } | undefined,
  };

  function linkOf(settleMode: number) {
    const stored: (() => void)[] = [];
    const delivery = { update: sinon.spy() };
    const send = sinon.stub().returns(delivery);
    const sender = {
      snd_settle_mode: settleMode,
      credit: 5,
      delivery_count: 0,
      is_open: () => true,
      send,
      connection: { socket: { destroyed: false } },
      session: { outgoing: { available: () => 100 } },
    };
    const broker = { settle: sinon.spy(), whenStored: (callback: () => void) => stored.push(callback) };
    const receiver = new ReceiverLink(
      sender as unknown as RheaSender,
      {} as ReceivableNode,
      broker as unknown as Broker,
    );
    return { receiver, send, delivery, stored };
  }

  it('gets nothing that is received and deleted', () => {
    const { receiver, send, stored } = linkOf(1);
    receiver.deliver(message);
    sinon.assert.notCalled(send);
    assert.equal(receiver.credit(), 4, 'what is promised is no longer credit');
    stored[0]!();
    sinon.assert.calledOnce(send);
    assert.equal(receiver.credit(), 4);
  });

  it('is told the outcome that was applied, as the Python SDK expects', () => {
    for (const [name, descriptor] of [
      ['accepted', 0x24],
      ['rejected', 0x25],
      ['released', 0x26],
      ['modified', 0x27],
    ] as const) {
      const { receiver, delivery, stored } = linkOf(0);
      receiver.deliver({ ...message, lock: { token: '00'.repeat(16), until: 1 } });
      receiver.settle(delivery as unknown as RheaDelivery, name, undefined);
      stored[0]!();
      sinon.assert.calledOnceWithMatch(delivery.update, true, { descriptor: { value: descriptor } });
    }
  });

  it('gets no answer to a settlement', () => {
    const { receiver, delivery, stored } = linkOf(0);
    receiver.deliver({ ...message, lock: { token: '00'.repeat(16), until: 1 } });
    receiver.settle(delivery as unknown as RheaDelivery, 'accepted', undefined);
    sinon.assert.notCalled(delivery.update);
    stored[0]!();
    sinon.assert.calledOnceWithMatch(delivery.update, true);
  });
});
