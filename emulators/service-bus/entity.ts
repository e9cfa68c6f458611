/** The entities of a running namespace: descriptions, with the queues of messages behind them. */
import type { DuplicateHistory } from './duplicate-history.ts';
import type { QueueDescription, SubscriptionDescription, TopicDescription } from './entity-description.ts';
import type { QueueNode } from './queue-node.ts';
import type { SubscriptionRule } from './subscription-rule.ts';

interface Receivable {
  /** As addressed: `landing`, or `commands/Subscriptions/validate`. */
  readonly path: string;
  readonly createdAt: number;
  readonly main: QueueNode;
  readonly deadLetter: QueueNode;
  /** Holds what could not be forwarded. */
  readonly transferDeadLetter: QueueNode;
}

export interface QueueEntity extends Receivable {
  readonly kind: 'queue';
  description: QueueDescription;
  readonly duplicates: DuplicateHistory;
}

export interface SubscriptionEntity extends Receivable {
  readonly kind: 'subscription';
  readonly topic: TopicEntity;
  description: SubscriptionDescription;
  rules: SubscriptionRule[];
}

export interface TopicEntity {
  readonly kind: 'topic';
  readonly path: string;
  readonly createdAt: number;
  description: Omit<TopicDescription, 'subscriptions'>;
  /** Holds scheduled messages only. */
  readonly main: QueueNode;
  /** By lower-case name. */
  readonly subscriptions: Map<string, SubscriptionEntity>;
  readonly duplicates: DuplicateHistory;
}

export type ReceivableEntity = QueueEntity | SubscriptionEntity;
export type PublishableEntity = QueueEntity | TopicEntity;
export type Entity = QueueEntity | TopicEntity | SubscriptionEntity;

export function nodesOf(entity: Entity): readonly QueueNode[] {
  return entity.kind === 'topic'
    ? [entity.main]
    : [entity.main, entity.deadLetter, entity.transferDeadLetter];
}

/** Bytes of all messages an entity keeps; a topic's are those of its subscriptions. */
export function sizeBytesOf(entity: Entity): number {
  const own = nodesOf(entity).reduce((sum, node) => sum + node.queue.sizeBytes, 0);
  if (entity.kind !== 'topic') return own;
  return [...entity.subscriptions.values()].reduce(
    (sum, subscription) => sum + sizeBytesOf(subscription),
    own,
  );
}

export interface EntityAddress {
  readonly path: string;
  readonly part: QueueNode['part'];
}

const SUB_QUEUES: readonly [suffix: string, part: QueueNode['part']][] = [
  ['/$transfer/$deadletterqueue', 'transferDeadLetter'],
  ['/$deadletterqueue', 'deadLetter'],
];

/** Takes an AMQP address apart: scheme and host go, a sub-queue is told by its suffix; case does not matter. */
export function parseAddress(address: string): EntityAddress {
  const path = address.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/^\/+|\/+$/g, '');
  for (const [suffix, part] of SUB_QUEUES) {
    if (path.toLowerCase().endsWith(suffix)) return { path: path.slice(0, -suffix.length), part };
  }
  return { path, part: 'main' };
}
