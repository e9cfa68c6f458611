/** One queue of messages with the receivers attached to it: a queue, a subscription, or one of their sub-queues. */
import type { MessageQueue, StoredMessage } from './message-queue.ts';
import type { ServiceBusError } from './service-bus-error.ts';

/** A receiver link, as seen from the queue. */
export interface Consumer {
  readonly mode: 'peekLock' | 'receiveAndDelete';
  /** How many more messages the receiver takes now. */
  credit(): number;
  deliver(message: StoredMessage): void;
  /** Nothing more to give at the moment: a drain may be answered. */
  pause(): void;
  /** The queue is going away. */
  detach(reason: ServiceBusError): void;
}

export type QueuePart = 'main' | 'deadLetter' | 'transferDeadLetter';

export class QueueNode {
  readonly queueId: number;
  readonly queue: MessageQueue;
  readonly part: QueuePart;
  #consumers: readonly Consumer[] = [];
  #turn = 0;

  constructor(queueId: number, queue: MessageQueue, part: QueuePart) {
    this.queueId = queueId;
    this.queue = queue;
    this.part = part;
  }

  get consumers(): readonly Consumer[] {
    return this.#consumers;
  }

  attach(consumer: Consumer): void {
    this.#consumers = [...this.#consumers, consumer];
    this.queue.isReceivedFrom = true;
  }

  detach(consumer: Consumer): void {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    this.queue.isReceivedFrom = this.#consumers.length > 0;
  }

  /** Hands out messages, one to each receiver with credit in turn, until either runs out. */
  dispatch(now: number, newLockToken: () => string): void {
    const consumers = this.#consumers;
    let withoutCredit = 0;
    while (withoutCredit < consumers.length) {
      const consumer = consumers[this.#turn++ % consumers.length]!;
      if (consumer.credit() <= 0) {
        withoutCredit++;
        continue;
      }
      const message =
        consumer.mode === 'peekLock' ? this.queue.lockNext(newLockToken(), now) : this.queue.removeNext(now);
      if (message === undefined) break;
      consumer.deliver(message);
      withoutCredit = 0;
    }
    for (const consumer of consumers) consumer.pause();
  }
}
