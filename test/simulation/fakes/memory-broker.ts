import type { MessageResender, MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import { CONSUMERS, EVENTS_TOPIC, FAILED_MESSAGES_QUEUE, SAGA_EVENTS, SAGA_QUEUE } from '#domain/topology.ts';

export interface BrokerOptions {
  readonly now: () => Date;
  /** Runs something later, by the broker's clock. */
  readonly after: (ms: number, run: () => void) => void;
  /** In 0 … 1: which of the available messages comes next, and which is delivered twice. */
  readonly chance: () => number;
  readonly lockMs: number;
  readonly deliveryCountMax: number;
  /** 0: off. Looks at the transport id only. */
  readonly duplicateDetectionMs: number;
  /** Probability that an accepted message is delivered twice, where duplicate detection is off. */
  readonly duplicateProbability: number;
}

export interface BrokerMessage {
  readonly messageId: string;
  readonly body: unknown;
  readonly cloudEventId: string;
  readonly copyNumber: number;
  readonly failureCount: number;
  readonly deadLetter?: { readonly queue: string; readonly reason: string; readonly description: string };
}

export interface Delivered {
  readonly queue: string;
  readonly message: BrokerMessage;
  readonly deliveryCount: number;
  readonly lock: number;
}

interface Held {
  readonly message: BrokerMessage;
  deliveryCount: number;
  lock: number | undefined;
}

interface Queue {
  readonly held: Held[];
  readonly seenAtMs: Map<string, number>;
  readonly waiters: (() => void)[];
}

/** The lock of a message is gone: expired, or lost with the connection. */
export class LockLost extends Error {
  override readonly name = 'LockLost';
}

/** Service Bus in memory, as Landfall's topology wires it: topics forward to one queue per consumer. */
export class MemoryBroker implements MessageSender, MessageResender {
  readonly #options: BrokerOptions;
  readonly #queues = new Map<string, Queue>();
  #lockCount = 0;
  #retryCount = 0;
  /** Everything that was accepted, by queue or topic and transport id; for the checkers. */
  readonly accepted = new Set<string>();
  /** CloudEvents ids that were accepted for a queue and are not scheduled for later. */
  readonly arrived = new Map<string, Set<string>>();

  constructor(options: BrokerOptions) {
    this.#options = options;
    for (const name of [...CONSUMERS, FAILED_MESSAGES_QUEUE]) {
      this.#queues.set(name, { held: [], seenAtMs: new Map(), waiters: [] });
      this.arrived.set(name, new Set());
    }
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    for (const { destination, envelope, messageId, consumer, enqueueAt } of messages) {
      this.accepted.add(`${destination.name} ${messageId}`);
      const message = {
        messageId,
        body: envelope,
        cloudEventId: envelope.id,
        copyNumber: 0,
        failureCount: 0,
      };
      const delayMs = enqueueAt === undefined ? 0 : enqueueAt.getTime() - this.#options.now().getTime();
      for (const queue of this.#queuesOf(destination, envelope.type, consumer)) {
        this.enqueue(queue, message, delayMs);
      }
    }
  }

  async resend(queue: string, body: unknown, messageId: string): Promise<void> {
    const { id } = body as { readonly id?: unknown };
    const cloudEventId = typeof id === 'string' ? id : messageId;
    this.enqueue(queue, { messageId, body, cloudEventId, copyNumber: 0, failureCount: 0 }, 0);
  }

  enqueue(name: string, message: BrokerMessage, delayMs: number): void {
    const queue = this.#queue(name);
    const { duplicateDetectionMs, duplicateProbability, chance, now, after } = this.#options;
    if (duplicateDetectionMs > 0) {
      const seenAtMs = queue.seenAtMs.get(message.messageId);
      if (seenAtMs !== undefined && now().getTime() - seenAtMs < duplicateDetectionMs) return;
      queue.seenAtMs.set(message.messageId, now().getTime());
    }
    const copies = duplicateDetectionMs === 0 && chance() < duplicateProbability ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (delayMs <= 0) {
        this.#makeAvailable(name, message);
        continue;
      }
      if (message.copyNumber > 0) this.#retryCount++;
      after(delayMs, () => {
        if (message.copyNumber > 0) this.#retryCount--;
        this.#makeAvailable(name, message);
      });
    }
  }

  /** The next message of the queue, locked; or undefined when there is none. */
  receive(name: string): Delivered | undefined {
    const queue = this.#queue(name);
    const available = queue.held.filter((held) => held.lock === undefined);
    const held = available[Math.floor(this.#options.chance() * available.length)];
    if (held === undefined) return undefined;
    const lock = ++this.#lockCount;
    held.lock = lock;
    held.deliveryCount++;
    this.#options.after(this.#options.lockMs, () => this.loseLock(name, lock));
    return { queue: name, message: held.message, deliveryCount: held.deliveryCount, lock };
  }

  /** What lies in a queue now, as it would arrive; nothing is locked. */
  peek(name: string): readonly { readonly messageId: string; readonly body: unknown }[] {
    return this.#queue(name).held.map(({ message: { messageId, body } }) => ({ messageId, body }));
  }

  /** Resolves when the queue may have a message. */
  available(name: string): Promise<void> {
    const queue = this.#queue(name);
    if (queue.held.some((held) => held.lock === undefined)) return Promise.resolve();
    return new Promise((resolve) => {
      queue.waiters.push(resolve);
    });
  }

  /** @throws {LockLost} */
  complete({ queue, lock }: Delivered): void {
    const { held } = this.#queue(queue);
    held.splice(this.#indexOf(queue, lock), 1);
  }

  /** @throws {LockLost} */
  deadLetter(delivered: Delivered, reason: string, description: string): void {
    const { held } = this.#queue(delivered.queue);
    held.splice(this.#indexOf(delivered.queue, delivered.lock), 1);
    this.#bury(delivered.queue, delivered.message, reason, description);
  }

  /** Gives a message back; too often given back, it is a dead letter. Nothing when the lock is gone already. */
  loseLock(name: string, lock: number): void {
    const { held, waiters } = this.#queue(name);
    const index = held.findIndex((candidate) => candidate.lock === lock);
    const found = held[index];
    if (found === undefined) return;
    found.lock = undefined;
    if (found.deliveryCount >= this.#options.deliveryCountMax) {
      held.splice(index, 1);
      this.#bury(name, found.message, 'MaxDeliveryCountExceeded', 'delivered too often');
    } else {
      for (const wake of waiters.splice(0)) wake();
    }
  }

  /** Messages that somebody has to do something about: now, or when their retry is due. */
  activeCount(): number {
    return [...this.#queues.values()].reduce((sum, queue) => sum + queue.held.length, this.#retryCount);
  }

  #bury(queue: string, message: BrokerMessage, reason: string, description: string): void {
    const dead = { ...message, deadLetter: { queue, reason, description } };
    this.#makeAvailable(FAILED_MESSAGES_QUEUE, dead);
  }

  #makeAvailable(name: string, message: BrokerMessage): void {
    const queue = this.#queue(name);
    this.arrived.get(name)?.add(message.cloudEventId);
    queue.held.push({ message, deliveryCount: 0, lock: undefined });
    for (const wake of queue.waiters.splice(0)) wake();
  }

  #indexOf(queue: string, lock: number): number {
    const index = this.#queue(queue).held.findIndex((held) => held.lock === lock);
    if (index < 0) throw new LockLost(`the lock ${lock} on a message of ${queue} is gone`);
    return index;
  }

  #queuesOf(
    destination: OutgoingMessage['destination'],
    type: OutgoingMessage['envelope']['type'],
    consumer: string | undefined,
  ): readonly string[] {
    if (destination.kind === 'queue') return [destination.name];
    if (destination.name === EVENTS_TOPIC) return SAGA_EVENTS.includes(type) ? [SAGA_QUEUE] : [];
    return consumer === undefined ? [] : [consumer];
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new Error(`there is no queue ${name}`);
    return queue;
  }
}
