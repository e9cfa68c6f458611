// The decisions of a queue under any order of operations and any passage of time.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseMessage } from '#emulators/service-bus/message-codec.ts';
import { MessageQueue, type StoredMessage } from '#emulators/service-bus/message-queue.ts';
import { ServiceBusError } from '#emulators/service-bus/service-bus-error.ts';

const LOCK_MS = 1000;
const MAX_DELIVERIES = 3;
/** An amqp-value section with the text "x". */
const CONTENT = parseMessage(Buffer.from([0x00, 0x53, 0x77, 0xa1, 0x01, 0x78]));

interface Model {
  readonly queue: MessageQueue;
  readonly stored: Map<number, StoredMessage>;
  now: number;
  tokens: string[];
  sentCount: number;
  /** Sequence numbers in the order they left, and how. */
  readonly completed: number[];
  readonly dead: number[];
}

function newModel(): Model {
  const stored = new Map<number, StoredMessage>();
  const queue = new MessageQueue(
    'work',
    {
      lockDurationMs: LOCK_MS,
      maxDeliveryCount: MAX_DELIVERIES,
      defaultTimeToLiveMs: 20_000,
      deadLetterOnExpiration: true,
    },
    (message, change) => {
      if (change === 'stored') stored.set(message.sequenceNumber, { ...message });
      else stored.delete(message.sequenceNumber);
    },
    () => [...stored.values()].map((message) => ({ ...message })),
  );
  return { queue, stored, now: 0, tokens: [], sentCount: 0, completed: [], dead: [] };
}

type Step = {
  readonly kind: 'send' | 'lock' | 'complete' | 'abandon' | 'renew' | 'wait';
  readonly choice: number;
};

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('send', 'send', 'lock', 'lock', 'complete', 'abandon', 'renew', 'wait'),
    choice: fc.nat(1500),
  }),
  { maxLength: 120 },
);

function apply(model: Model, { kind, choice }: Step): void {
  const { queue, now } = model;
  const token = model.tokens[choice % Math.max(model.tokens.length, 1)] ?? 'none';
  try {
    if (kind === 'send') {
      queue.enqueue({ content: CONTENT, hopCount: 0 }, now);
      model.sentCount++;
    } else if (kind === 'lock') {
      const token = `token-${model.tokens.length}`;
      if (queue.lockNext(token, now) !== undefined) model.tokens.push(token);
    } else if (kind === 'complete') {
      const before = new Set(model.stored.keys());
      queue.complete(token, now);
      model.completed.push(...[...before].filter((number) => !model.stored.has(number)));
    } else if (kind === 'abandon') {
      const deadLetter = queue.abandon(token, {}, now);
      if (deadLetter !== undefined) model.dead.push(deadLetter.message.sequenceNumber);
    } else if (kind === 'renew') queue.renewLock(token, now);
    else passTime(model, choice);
  } catch (error) {
    assert.ok(error instanceof ServiceBusError && error.condition === 'com.microsoft:message-lock-lost');
  }
}

function passTime(model: Model, forMs: number): void {
  model.now += forMs;
  const { deadLetters } = model.queue.advance(model.now);
  model.dead.push(...deadLetters.map(({ message }) => message.sequenceNumber));
  const dueAt = model.queue.nextDueAt();
  assert.ok(dueAt === undefined || dueAt > model.now, 'nothing that is due is left undone');
}

describe('Service Bus: a queue, whatever happens in whatever order', () => {
  it('ends every message exactly once, and gives it to one receiver at a time', () => {
    fc.assert(
      fc.property(steps, (run) => {
        const model = newModel();
        for (const step of run) apply(model, step);
        const left = model.queue.peek(1, 1000, -1).map((message) => message.sequenceNumber);
        const all = [...model.completed, ...model.dead, ...left].sort((a, b) => a - b);
        assert.deepEqual(
          all,
          Array.from({ length: model.sentCount }, (_, index) => index + 1),
        );
        assert.deepEqual(
          [...model.stored.keys()].sort((a, b) => a - b),
          left,
          'the store knows the same messages',
        );
        const counts = model.queue.counts();
        assert.ok(counts.locked <= counts.active);
        for (const message of model.queue.peek(1, 1000, -1))
          assert.ok(message.deliveryCount < MAX_DELIVERIES);
      }),
    );
  });

  it('empties by itself once every lock and every time to live is over', () => {
    fc.assert(
      fc.property(steps, (run) => {
        const model = newModel();
        for (const step of run) apply(model, step);
        for (let dueAt = model.queue.nextDueAt(); dueAt !== undefined; dueAt = model.queue.nextDueAt()) {
          passTime(model, dueAt - model.now);
        }
        assert.equal(model.queue.size, 0);
        assert.equal(model.queue.sizeBytes, 0);
      }),
    );
  });

  it('gives messages in the order they came, an abandoned one first again', () => {
    const { queue } = newModel();
    for (let count = 0; count < 3; count++) queue.enqueue({ content: CONTENT, hopCount: 0 }, 0);
    assert.equal(queue.lockNext('a', 0)?.sequenceNumber, 1);
    assert.equal(queue.lockNext('b', 0)?.sequenceNumber, 2);
    queue.abandon('a', {}, 1);
    assert.equal(queue.lockNext('c', 1)?.sequenceNumber, 1);
    assert.equal(queue.lockNext('d', 1)?.sequenceNumber, 3);
  });

  it('lets a message expire that was locked and given back in time', () => {
    const { queue } = newModel();
    queue.enqueue({ content: { ...CONTENT, timeToLiveMs: 500 }, hopCount: 0 }, 0);
    queue.lockNext('a', 0);
    assert.equal(queue.nextDueAt(), LOCK_MS, 'a lock shields from expiry');
    queue.abandon('a', {}, 400);
    assert.equal(queue.nextDueAt(), 500);
    assert.equal(queue.advance(500).deadLetters[0]?.reason, 'TTLExpiredException');
  });

  it('refuses a settlement when the lock is over, even before anybody else got the message', () => {
    const { queue } = newModel();
    queue.enqueue({ content: CONTENT, hopCount: 0 }, 0);
    queue.lockNext('a', 0);
    assert.throws(() => queue.complete('a', LOCK_MS), /lock supplied is invalid/);
    assert.throws(() => queue.renewLock('a', LOCK_MS), /lock supplied is invalid/);
    assert.equal(queue.size, 1);
  });

  it('never lets a deferred message expire', () => {
    const { queue } = newModel();
    queue.enqueue({ content: { ...CONTENT, timeToLiveMs: 500 }, hopCount: 0 }, 0);
    queue.lockNext('a', 0);
    queue.defer('a', {}, 1);
    queue.advance(100_000);
    assert.equal(queue.lockDeferred([1], ['b'], 100_000)[0]?.sequenceNumber, 1);
  });

  describe('that nobody receives from', () => {
    const MANY = 1000;

    function unread(): Model {
      const model = newModel();
      for (let sent = 0; sent < MANY; sent++) model.queue.enqueue({ content: CONTENT, hopCount: 0 }, sent);
      return model;
    }

    it('leaves its messages to the store and still knows their number, size and first expiry', () => {
      const { queue } = unread();
      assert.equal(queue.heldCount, 0);
      assert.equal(queue.size, MANY);
      assert.equal(queue.counts().active, MANY);
      assert.equal(queue.sizeBytes, MANY * CONTENT.sizeBytes);
      assert.equal(queue.nextDueAt(), 20_000);
    });

    it('hands all of them out in their order when a receiver comes, and holds what comes then', () => {
      const { queue } = unread();
      queue.isReceivedFrom = true;
      const numbers = Array.from({ length: MANY }, () => queue.removeNext(MANY)?.sequenceNumber);
      assert.deepEqual(
        numbers,
        Array.from({ length: MANY }, (_, index) => index + 1),
      );
      assert.equal(queue.size, 0);
      assert.equal(queue.sizeBytes, 0);
      assert.equal(queue.enqueue({ content: CONTENT, hopCount: 0 }, MANY).sequenceNumber, MANY + 1);
      assert.equal(queue.heldCount, 1);
    });

    it('shows its messages to a peek, and lets them expire in their time', () => {
      const { queue } = unread();
      assert.equal(queue.peek(501, 3, 0)[0]?.sequenceNumber, 501);
      queue.enqueue({ content: CONTENT, hopCount: 0 }, MANY);
      assert.equal(queue.heldCount, 0, 'nobody receives after a peek either');
      assert.equal(queue.advance(20_000).deadLetters.length, 1);
      assert.equal(queue.size, MANY);
    });

    it('holds on to what is locked, deferred or scheduled', () => {
      const { queue } = newModel();
      queue.schedule({ content: CONTENT, hopCount: 0 }, 5_000, 0);
      queue.enqueue({ content: CONTENT, hopCount: 0 }, 0);
      queue.lockNext('a', 0);
      for (let sent = 0; sent < MANY; sent++) queue.enqueue({ content: CONTENT, hopCount: 0 }, 0);
      queue.complete('a', 1);
      assert.equal(queue.advance(5_000).activated.length, 1);
      assert.equal(queue.size, MANY);
    });
  });
});
