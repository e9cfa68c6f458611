/** The namespace at work: routes messages between entities, hands them out, and lets time pass. */
import { randomFillSync } from 'node:crypto';
import {
  type Entity,
  nodesOf,
  type PublishableEntity,
  parseAddress,
  type ReceivableEntity,
  type SubscriptionEntity,
  sizeBytesOf,
  type TopicEntity,
} from './entity.ts';
import { MAX_FORWARD_HOPS } from './entity-description.ts';
import type { EntityRegistry } from './entity-registry.ts';
import {
  checkReadable,
  decodeProperties,
  type MessageContent,
  withApplicationProperties,
} from './message-codec.ts';
import type { Arrival, DeadLetter, StoredMessage } from './message-queue.ts';
import type { MessageStore } from './message-store.ts';
import type { Consumer, QueueNode } from './queue-node.ts';
import { entityNotFound, notAllowed, quotaExceeded } from './service-bus-error.ts';
import { subjectOf } from './subscription-rule.ts';

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const LARGEST_TTL_MS = 2 ** 32 - 1;

/** A queue of messages together with the entity it belongs to. */
export interface ReceivableNode {
  readonly entity: ReceivableEntity;
  readonly node: QueueNode;
}

export type Settlement =
  | { readonly kind: 'complete' }
  | { readonly kind: 'abandon' | 'defer'; readonly changes: Readonly<Record<string, unknown>> }
  | {
      readonly kind: 'deadLetter';
      readonly reason: string | undefined;
      readonly description: string | undefined;
      readonly changes: Readonly<Record<string, unknown>>;
    };

export class Broker {
  readonly #registry: EntityRegistry;
  readonly #store: MessageStore;
  readonly #now: () => number;
  readonly #awake = new Set<QueueNode>();
  #isRoundPlanned = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: EntityRegistry, store: MessageStore, now: () => number) {
    this.#registry = registry;
    this.#store = store;
    this.#now = now;
    registry.onQueueChange = (node) => this.#wake(node);
  }

  /** Takes up what was stored: moves on what a changed entity now forwards, and starts the timer. */
  start(): void {
    const now = this.#now();
    for (const entity of this.#registry.all()) {
      if (entity.kind !== 'topic') this.forwardStored(entity, now);
    }
    this.#advance();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Calls back when every change made so far is on disk. */
  whenStored(callback: () => void): void {
    this.#store.whenStored(callback);
  }

  publishable(address: string): PublishableEntity {
    const { path, part } = parseAddress(address);
    const entity = this.#registry.find(path);
    if (entity === undefined) throw entityNotFound(path);
    if (part !== 'main')
      throw notAllowed(`'${address}' is a dead-letter queue; only the broker writes to it.`);
    if (entity.kind === 'subscription') {
      throw notAllowed(`'${address}' is a subscription; send to its topic '${entity.topic.path}'.`);
    }
    return entity;
  }

  receivable(address: string): ReceivableNode {
    const { path, part } = parseAddress(address);
    const entity = this.#registry.find(path);
    if (entity === undefined) throw entityNotFound(path);
    if (entity.kind === 'topic')
      throw notAllowed(`'${address}' is a topic; receive from one of its subscriptions.`);
    return { entity, node: entity[part] };
  }

  /** All messages are accepted, or none. Returns a sequence number for each. */
  publish(entity: PublishableEntity, contents: readonly MessageContent[]): number[] {
    contents.forEach(checkReadable);
    const now = this.#now();
    const incomingBytes = contents.reduce((sum, content) => sum + content.sizeBytes, 0);
    const { maxSizeBytes } = entity.description;
    if (sizeBytesOf(entity) + incomingBytes > maxSizeBytes) throw quotaExceeded(entity.path, maxSizeBytes);
    return contents.map((content) => this.#submit(entity, { content, hopCount: 0 }, now));
  }

  cancelScheduled(entity: PublishableEntity, sequenceNumbers: readonly number[]): void {
    entity.main.queue.cancelScheduled(sequenceNumbers);
  }

  peek(node: QueueNode, fromSequenceNumber: number, count: number): StoredMessage[] {
    return node.queue.peek(fromSequenceNumber, count, this.#now());
  }

  attach({ entity, node }: ReceivableNode, consumer: Consumer): void {
    if (node.part === 'main' && entity.description.forwardTo !== undefined) {
      throw notAllowed(
        `'${entity.path}' forwards to '${entity.description.forwardTo}'; receive from there, or take ForwardTo away.`,
      );
    }
    node.attach(consumer);
    this.#wake(node);
  }

  detach(node: QueueNode, consumer: Consumer): void {
    node.detach(consumer);
  }

  /** A receiver has new credit. */
  serve(node: QueueNode): void {
    this.#wake(node);
  }

  settle({ entity, node }: ReceivableNode, token: string, settlement: Settlement): void {
    const now = this.#now();
    switch (settlement.kind) {
      case 'complete':
        node.queue.complete(token, now);
        break;
      case 'defer':
        node.queue.defer(token, settlement.changes, now);
        break;
      case 'abandon': {
        const deadLetter = node.queue.abandon(token, settlement.changes, now);
        if (deadLetter !== undefined) this.#bury(entity, node, deadLetter, now);
        break;
      }
      case 'deadLetter': {
        const { reason, description, changes } = settlement;
        this.#bury(entity, node, node.queue.deadLetter(token, { reason, description }, changes, now), now);
        break;
      }
    }
    this.#wake(node);
  }

  renewLock(node: QueueNode, token: string): number {
    return node.queue.renewLock(token, this.#now());
  }

  lockDeferred(node: QueueNode, sequenceNumbers: readonly number[]): StoredMessage[] {
    const tokens = sequenceNumbers.map(() => newLockToken());
    const messages = node.queue.lockDeferred(sequenceNumbers, tokens, this.#now());
    this.#armTimer();
    return messages;
  }

  removeDeferred(node: QueueNode, sequenceNumbers: readonly number[]): StoredMessage[] {
    return node.queue.removeDeferred(sequenceNumbers);
  }

  /** Moves on the messages an entity holds although it forwards: they came before it did. */
  forwardStored(entity: ReceivableEntity, now: number): void {
    if (entity.description.forwardTo !== undefined) {
      for (let held = entity.main.queue.removeNext(now); held; held = entity.main.queue.removeNext(now)) {
        this.#forward(entity, held, now);
      }
    }
    const { queue } = entity.deadLetter;
    if (entity.description.forwardDeadLettersTo === undefined) return;
    const waiting = queue.size;
    for (let count = 0; count < waiting; count++) {
      const message = queue.removeNext(now);
      if (message === undefined) break;
      this.#bury(entity, entity.deadLetter, { message, reason: undefined, description: undefined }, now);
    }
  }

  /** A message at the door of an entity: dropped as a duplicate, put aside until its time, or taken in. */
  #submit(entity: PublishableEntity, arrival: Arrival, now: number): number {
    const { content } = arrival;
    if (this.#isDuplicate(entity, content, now)) return entity.main.queue.lastSequenceNumber;
    if (content.scheduledEnqueueTime !== undefined && content.scheduledEnqueueTime > now) {
      return entity.main.queue.schedule(arrival, content.scheduledEnqueueTime, now).sequenceNumber;
    }
    return this.#takeIn(entity, arrival, now);
  }

  #isDuplicate(entity: PublishableEntity, content: MessageContent, now: number): boolean {
    const windowMs = entity.description.duplicateWindowMs;
    if (windowMs === undefined) return false;
    const messageId = String(decodeProperties(content).message_id);
    const expiresAt = now + windowMs;
    if (entity.duplicates.isDuplicate(messageId, expiresAt, now)) return true;
    this.#store.rememberMessageId(entity.path, messageId, expiresAt);
    return false;
  }

  #takeIn(entity: Entity, arrival: Arrival, now: number): number {
    if (entity.kind === 'topic') return this.#fanOut(entity, arrival, now);
    if (entity.description.forwardTo === undefined)
      return entity.main.queue.enqueue(arrival, now).sequenceNumber;
    const message = entity.main.queue.draft(arrival, now);
    this.#registry.storeSequenceNumber(entity.main);
    this.#forward(entity, message, now);
    return message.sequenceNumber;
  }

  #fanOut(topic: TopicEntity, arrival: Arrival, now: number): number {
    const sequenceNumber = ++topic.main.queue.lastSequenceNumber;
    this.#registry.storeSequenceNumber(topic.main);
    const limitMs = topic.description.defaultTimeToLiveMs;
    const content =
      limitMs <= LARGEST_TTL_MS && (arrival.content.timeToLiveMs ?? LARGEST_TTL_MS) > limitMs
        ? { ...arrival.content, timeToLiveMs: limitMs }
        : arrival.content;
    const subject = subjectOf(content);
    const copy: Arrival = {
      content,
      hopCount: arrival.hopCount,
      deadLetterSource: arrival.deadLetterSource,
      enqueuedSequenceNumber: arrival.enqueuedSequenceNumber ?? sequenceNumber,
    };
    for (const subscription of topic.subscriptions.values()) {
      if (matches(subscription, subject)) this.#takeIn(subscription, copy, now);
    }
    return sequenceNumber;
  }

  #forward(entity: ReceivableEntity, message: StoredMessage, now: number): void {
    const target = this.#target(entity.description.forwardTo);
    if (message.hopCount >= MAX_FORWARD_HOPS) {
      this.#keepDead(entity.deadLetter, {
        message,
        reason: 'MaxTransferHopCountExceeded',
        description: `The message was forwarded ${message.hopCount} times; Service Bus allows ${MAX_FORWARD_HOPS}.`,
      });
    } else if (target === undefined || isFull(target, message)) {
      this.#keepDead(entity.transferDeadLetter, {
        message,
        reason: target === undefined ? 'MessagingEntityNotFound' : 'QuotaExceeded',
        description: `The message could not be forwarded to '${entity.description.forwardTo}'.`,
      });
    } else {
      this.#submit(target, forwarded(message, message.content, message.deadLetterSource), now);
    }
  }

  #bury(entity: ReceivableEntity, from: QueueNode, deadLetter: DeadLetter, now: number): void {
    const { message, reason, description } = deadLetter;
    const target = this.#target(entity.description.forwardDeadLettersTo);
    const keepsIt = target === undefined || message.hopCount >= MAX_FORWARD_HOPS || isFull(target, message);
    if (keepsIt || from.part === 'transferDeadLetter') {
      this.#keepDead(from.part === 'main' ? entity.deadLetter : from, deadLetter);
      return;
    }
    const content = withApplicationProperties(message.content, {
      DeadLetterReason: reason,
      DeadLetterErrorDescription: description,
    });
    this.#submit(target, forwarded(message, content, entity.path), now);
  }

  #keepDead(node: QueueNode, deadLetter: DeadLetter): void {
    node.queue.bury(deadLetter);
  }

  #target(path: string | undefined): PublishableEntity | undefined {
    const entity = path === undefined ? undefined : this.#registry.find(path);
    return entity?.kind === 'subscription' ? undefined : entity;
  }

  #wake(node: QueueNode): void {
    this.#awake.add(node);
    if (this.#isRoundPlanned) return;
    this.#isRoundPlanned = true;
    // Only what is on disk is handed out.
    this.#store.whenStored(() => this.#round());
  }

  #round(): void {
    this.#isRoundPlanned = false;
    const now = this.#now();
    const awake = [...this.#awake];
    this.#awake.clear();
    for (const node of awake) node.dispatch(now, newLockToken);
    this.#armTimer();
  }

  #advance(): void {
    const now = this.#now();
    for (const entity of this.#registry.all()) {
      for (const node of nodesOf(entity)) {
        const dueAt = node.queue.nextDueAt();
        if (dueAt !== undefined && dueAt <= now) this.#advanceNode(entity, node, now);
      }
    }
    this.#armTimer();
  }

  #advanceNode(entity: Entity, node: QueueNode, now: number): void {
    const { activated, deadLetters } = node.queue.advance(now);
    for (const message of activated) {
      const { content, hopCount, sequenceNumber: enqueuedSequenceNumber, deadLetterSource } = message;
      this.#takeIn(entity, { content, hopCount, enqueuedSequenceNumber, deadLetterSource }, now);
    }
    if (entity.kind === 'topic') return;
    for (const deadLetter of deadLetters) this.#bury(entity, node, deadLetter, now);
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    let earliest = Number.POSITIVE_INFINITY;
    for (const entity of this.#registry.all()) {
      for (const node of nodesOf(entity)) earliest = Math.min(earliest, node.queue.nextDueAt() ?? earliest);
    }
    if (earliest === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.min(Math.max(earliest - this.#now(), 1), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#advance(), waitMs);
    this.#timer.unref();
  }
}

function matches(subscription: SubscriptionEntity, subject: ReturnType<typeof subjectOf>): boolean {
  return subscription.rules.some((rule) => rule.matches(subject));
}

function isFull(entity: PublishableEntity, message: StoredMessage): boolean {
  return sizeBytesOf(entity) + message.content.sizeBytes > entity.description.maxSizeBytes;
}

function forwarded(
  message: StoredMessage,
  content: MessageContent,
  deadLetterSource: string | undefined,
): Arrival {
  return {
    content,
    enqueuedSequenceNumber: message.enqueuedSequenceNumber,
    hopCount: message.hopCount + 1,
    deadLetterSource,
  };
}

const randomPool = Buffer.alloc(4096);
let randomPoolAt = randomPool.length;

/** A random UUID (version 4) as hexadecimal text, drawn from a pool because every delivery needs one. */
function newLockToken(): string {
  if (randomPoolAt >= randomPool.length) {
    randomFillSync(randomPool);
    randomPoolAt = 0;
  }
  const bytes = randomPool.subarray(randomPoolAt, randomPoolAt + 16);
  randomPoolAt += 16;
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex');
}
