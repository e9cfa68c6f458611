import assert from 'node:assert/strict';
import { QueueReceiver, type ReceiverOptions } from '#adapters/azure/service-bus/service-bus-receiver.ts';
import type { ReceivedMessage } from '#adapters/azure/service-bus/wire-message.ts';
import { afterFailure } from '#domain/after-failure.ts';
import { Cancelled, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { startServiceBus } from '#emulators/service-bus/service-bus.ts';
import {
  entitiesOf,
  eventually,
  type LocalNamespace,
  openNamespace,
} from '#test/emulators/service-bus/local-namespace.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

describe('receiving from Service Bus', () => {
  let namespace: LocalNamespace;
  let queueNumber = 0;
  let queue: string;
  let telemetry: QuietTelemetry;
  const receivers: QueueReceiver[] = [];
  const queues = Array.from({ length: 20 }, (_, index) => ({
    Name: `q${index}`,
    Properties: {
      LockDuration: 'PT1S',
      MaxDeliveryCount: 10,
      ForwardDeadLetteredMessagesTo: 'failed-messages',
    },
  }));

  before(async () => {
    namespace = await openNamespace(
      entitiesOf([{ Name: 'failed-messages', Properties: { LockDuration: 'PT30S' } }, ...queues]),
    );
  });
  beforeEach(() => {
    queue = `q${queueNumber++}`;
    telemetry = new QuietTelemetry();
  });
  afterEach(async () => {
    await Promise.all(receivers.splice(0).map((receiver) => receiver.stop(0)));
  });
  after(() => namespace.close());

  function receive(
    handle: (message: ReceivedMessage, signal: AbortSignal) => Promise<void>,
    more: Partial<ReceiverOptions> = {},
  ): QueueReceiver {
    const { connectionString } = namespace.emulator;
    const receiver = new QueueReceiver({
      access: { auth: 'emulator-key', connectionString },
      queue,
      concurrency: 1,
      handle,
      telemetry,
      // Retries are soon here; everything else is as in production.
      decide: (error, delivery) => {
        const decision = afterFailure(error, delivery);
        return decision.action === 'retry-later' ? { ...decision, delayMs: 20 } : decision;
      },
      ...more,
      timings: { receiveWaitMs: 500, backoffMs: 20, requestTimeoutMs: 1000, ...more.timings },
    });
    receivers.push(receiver);
    receiver.start();
    return receiver;
  }
  const send = (...ids: string[]) =>
    namespace.send(
      queue,
      ids.map((id) => ({ body: { id }, messageId: id })),
    );
  const isEmpty = async () =>
    (await namespace.administration.getQueueRuntimeProperties(queue)).totalMessageCount === 0;

  it('hands over each message and completes it when it was handled', async () => {
    const seen: ReceivedMessage[] = [];
    receive(async (message) => {
      seen.push(message);
    });
    await send('a', 'b');
    await eventually('both are completed', isEmpty);
    assert.deepEqual(
      seen.map(({ cloudEventId, deliveryCount, copyNumber, failureCount }) => [
        cloudEventId,
        deliveryCount,
        copyNumber,
        failureCount,
      ]),
      [
        ['a', 1, 0, 0],
        ['b', 1, 0, 0],
      ],
    );
    assert.ok(seen[0]?.enqueuedAt instanceof Date);
  });

  it('has as many messages in hand as it may, and no more, until they are settled', async () => {
    let inHand = 0;
    let most = 0;
    receive(
      async () => {
        inHand += 1;
        most = Math.max(most, inHand);
        await new Promise((resolve) => setTimeout(resolve, 60));
        inHand -= 1;
      },
      { concurrency: 3 },
    );
    await send(...Array.from({ length: 12 }, (_, index) => String(index)));
    await eventually('all are completed', isEmpty);
    assert.equal(most, 3);
  });

  it('keeps the lock of a message as long as it is handled, also of two with the same id', async () => {
    let deliveries = 0;
    receive(
      async () => {
        deliveries += 1;
        await new Promise((resolve) => setTimeout(resolve, 2500));
      },
      { concurrency: 2 },
    );
    await send('same', 'same');
    await eventually('both are completed', isEmpty, 8000);
    assert.equal(deliveries, 2);
  });

  it('delivers a message again later when its handling failed and may succeed, counting', async () => {
    const seen: ReceivedMessage[] = [];
    receive(async (message) => {
      seen.push(message);
      if (seen.length < 3) throw new RetryableFailure('dependency-unavailable', 'not yet');
    });
    await send('a');
    await eventually('it succeeds', async () => seen.length === 3 && (await isEmpty()));
    assert.deepEqual(
      seen.map(({ cloudEventId, copyNumber, failureCount }) => [cloudEventId, copyNumber, failureCount]),
      [
        ['a', 0, 0],
        ['a', 1, 1],
        ['a', 2, 2],
      ],
    );
    assert.equal(new Set(seen.map(({ messageId }) => messageId)).size, 3);
  });

  it('makes a dead letter of what will never succeed, and says where from and why', async () => {
    receive(async () => {
      throw new TerminalFailure('message-invalid', 'no such type', { details: ['type: unknown'] });
    });
    await send('a');
    await eventually('it is gone', isEmpty);
    const origin = queue;
    queue = 'failed-messages';
    const dead: ReceivedMessage[] = [];
    receive(async (message) => {
      dead.push(message);
    });
    await eventually('it is drained', () => dead.length === 1);
    assert.deepEqual(dead[0]?.deadLetter, {
      queue: origin,
      reason: 'TerminalFailure:message-invalid',
      description: 'no such type type: unknown',
    });
    assert.deepEqual(dead[0]?.body, { id: 'a' });
  });

  it('completes without handling again what it handled but could not complete', async () => {
    let handled = 0;
    receive(async () => {
      handled += 1;
      await namespace.addFault({ kind: 'serverBusy', operation: 'settle', entity: queue, times: 3 });
    });
    await send('a');
    await eventually('it is completed', isEmpty, 9000);
    assert.equal(handled, 1);
    assert.ok(telemetry.count('receiver.settlement-failed') > 0);
  }).timeout(15_000);

  it('goes on when connections break', async () => {
    const seen = new Set<string>();
    receive(
      async (message) => {
        seen.add(message.cloudEventId);
      },
      { concurrency: 2 },
    );
    const ids = Array.from({ length: 12 }, (_, index) => String(index));
    for (const id of ids) {
      if (Number(id) % 4 === 1)
        await namespace.addFault({ kind: 'dropConnection', operation: 'settle', entity: queue });
      await send(id);
    }
    await eventually(
      'all are handled and completed',
      async () => seen.size === 12 && (await isEmpty()),
      25_000,
    );
  }).timeout(30_000);

  it('waits for a broker that is not there yet', async () => {
    const reserved = await startServiceBus({
      entities: entitiesOf([{ Name: queue }]),
      port: 0,
      adminPort: 0,
    });
    const { port, connectionString } = reserved;
    await reserved.close();
    let handled = 0;
    const receiver = receive(
      async () => {
        handled += 1;
      },
      { access: { auth: 'emulator-key', connectionString } },
    );
    await eventually('it has tried', () => telemetry.count('receiver.receive-failed') >= 2);
    assert.equal(receiver.isHealthy(), false);
    const late = await openNamespaceAt(port, queue);
    await eventually('it is connected', () => receiver.isHealthy(), 8000);
    await late.send();
    await eventually('the message is handled', () => handled === 1, 8000);
    await late.close();
  }).timeout(20_000);

  it('replaces a connection that is silent although the queue has messages', async () => {
    let handled = 0;
    receive(
      async () => {
        handled += 1;
      },
      { messageCount: async () => 1, timings: { stalledMs: 300, receiveWaitMs: 300 } },
    );
    await eventually('it is noticed', () => telemetry.count('receiver.stalled') >= 1);
    await send('a');
    await eventually('the new connection receives', () => handled === 1);
  });

  it('stops: what is in hand ends, nothing new begins', async () => {
    let began = 0;
    let ended = 0;
    const receiver = receive(async () => {
      began += 1;
      await new Promise((resolve) => setTimeout(resolve, 300));
      ended += 1;
    });
    await send('a', 'b');
    await eventually('one is in hand', () => began === 1);
    await receiver.stop(5000);
    assert.deepEqual([began, ended], [1, 1]);
    assert.deepEqual(await namespace.bodies(queue), [{ id: 'b' }]);
  });

  it('stops a handler that takes longer than it may, and gives its message back', async () => {
    const inHand = Promise.withResolvers<void>();
    const receiver = receive((_message, signal) => {
      inHand.resolve();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Cancelled('the process is stopping')));
      });
    });
    await send('a');
    await inHand.promise;
    await receiver.stop(50);
    const client = namespace.client.createReceiver(queue);
    const [again] = await namespace.receive(client, 1, 500);
    assert.deepEqual(again?.body, { id: 'a' });
    assert.equal(again?.deliveryCount, 1);
    await client.close();
  });
});

async function openNamespaceAt(port: number, queue: string) {
  const emulator = await startServiceBus({ entities: entitiesOf([{ Name: queue }]), port, adminPort: 0 });
  const { ServiceBusClient } = await import('@azure/service-bus');
  const client = new ServiceBusClient(emulator.connectionString);
  return {
    send: () => client.createSender(queue).sendMessages({ body: { id: 'late' }, messageId: 'late' }),
    close: async () => {
      await client.close();
      await emulator.close();
    },
  };
}
