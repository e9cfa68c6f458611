/** The entities of the namespace by path; declares, changes and deletes them, in memory and in the store. */
import { DuplicateHistory } from './duplicate-history.ts';
import {
  type Entity,
  nodesOf,
  type QueueEntity,
  type SubscriptionEntity,
  type TopicEntity,
} from './entity.ts';
import type {
  NamespaceDescription,
  QueueDescription,
  ReceivableSettings,
  RuleDescription,
  SubscriptionDescription,
  TopicDescription,
} from './entity-description.ts';
import { MessageQueue, NEVER_MS, type QueueLimits, type StoredMessage } from './message-queue.ts';
import type { MessageStore, StoredEntity } from './message-store.ts';
import { QueueNode, type QueuePart } from './queue-node.ts';
import { entityNotFound, ServiceBusError } from './service-bus-error.ts';
import { compileRule } from './subscription-rule.ts';

const SUB_QUEUE_SUFFIX: Readonly<Record<QueuePart, string>> = {
  main: '',
  deadLetter: '/$DeadLetterQueue',
  transferDeadLetter: '/$Transfer/$DeadLetterQueue',
};

export class EntityRegistry {
  onQueueChange: (node: QueueNode) => void = () => undefined;
  readonly #store: MessageStore;
  readonly #now: () => number;
  readonly #entities = new Map<string, Entity>();

  constructor(store: MessageStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Brings back what the store knows, then applies the file over it. Entities no longer in the file stay. */
  declare(namespace: NamespaceDescription): void {
    for (const stored of this.#store.entities()) this.#revive(stored);
    for (const queue of namespace.queues) this.putQueue(queue);
    for (const { subscriptions, ...topic } of namespace.topics) {
      const entity = this.putTopic(topic);
      for (const subscription of subscriptions) this.putSubscription(entity, subscription);
    }
  }

  find(path: string): Entity | undefined {
    return this.#entities.get(path.toLowerCase());
  }

  all(): Iterable<Entity> {
    return this.#entities.values();
  }

  putQueue(description: QueueDescription, createdAt = this.#now()): QueueEntity {
    const path = description.name;
    const existing = this.#existing(path, 'queue');
    if (existing?.kind === 'queue') {
      existing.description = description;
      limitNodes(existing, description);
      this.#save(existing);
      return existing;
    }
    const entity: QueueEntity = {
      kind: 'queue',
      path,
      createdAt,
      description,
      ...this.#receivableNodes(path, description),
      duplicates: this.#duplicatesOf(path),
    };
    return this.#add(entity);
  }

  putTopic(description: Omit<TopicDescription, 'subscriptions'>, createdAt = this.#now()): TopicEntity {
    const path = description.name;
    const existing = this.#existing(path, 'topic');
    if (existing?.kind === 'topic') {
      existing.description = description;
      this.#save(existing);
      return existing;
    }
    const limits = {
      lockDurationMs: 0,
      maxDeliveryCount: 1,
      defaultTimeToLiveMs: NEVER_MS,
      deadLetterOnExpiration: false,
    };
    return this.#add({
      kind: 'topic',
      path,
      createdAt,
      description,
      main: this.#openNode(path, 'main', limits),
      subscriptions: new Map(),
      duplicates: this.#duplicatesOf(path),
    });
  }

  putSubscription(
    topic: TopicEntity,
    description: SubscriptionDescription,
    createdAt = this.#now(),
  ): SubscriptionEntity {
    const path = `${topic.path}/Subscriptions/${description.name}`;
    const rules = description.rules.map((rule) => compileRule(rule, createdAt));
    const existing = this.#existing(path, 'subscription');
    if (existing?.kind === 'subscription') {
      existing.description = description;
      existing.rules = rules;
      limitNodes(existing, description);
      this.#save(existing);
      return existing;
    }
    const entity: SubscriptionEntity = {
      kind: 'subscription',
      path,
      createdAt,
      topic,
      description,
      rules,
      ...this.#receivableNodes(path, description),
    };
    topic.subscriptions.set(description.name.toLowerCase(), entity);
    return this.#add(entity);
  }

  addRule(subscription: SubscriptionEntity, rule: RuleDescription): void {
    if (subscription.description.rules.some((other) => other.name === rule.name)) {
      throw new ServiceBusError(
        'com.microsoft:entity-already-exists',
        409,
        `The messaging entity '${subscription.path}|${rule.name}' already exists.`,
      );
    }
    const compiled = compileRule(rule, this.#now());
    subscription.rules.push(compiled);
    subscription.description = {
      ...subscription.description,
      rules: [...subscription.description.rules, rule],
    };
    this.#save(subscription);
  }

  removeRule(subscription: SubscriptionEntity, name: string): void {
    if (!subscription.description.rules.some((rule) => rule.name === name)) {
      throw entityNotFound(`${subscription.path}|${name}`);
    }
    subscription.rules = subscription.rules.filter((rule) => rule.description.name !== name);
    subscription.description = {
      ...subscription.description,
      rules: subscription.rules.map((rule) => rule.description),
    };
    this.#save(subscription);
  }

  /** Removes the entity with everything in it; receivers are told. */
  delete(entity: Entity): void {
    if (entity.kind === 'topic')
      for (const subscription of entity.subscriptions.values()) this.delete(subscription);
    if (entity.kind === 'subscription')
      entity.topic.subscriptions.delete(entity.description.name.toLowerCase());
    this.#entities.delete(entity.path.toLowerCase());
    for (const node of nodesOf(entity)) {
      for (const consumer of node.consumers) consumer.detach(entityNotFound(entity.path));
      this.#store.dropQueue(node.queueId);
    }
    this.#store.dropEntity(entity.path);
  }

  /** For a sequence number that was given away without a message being stored under it. */
  storeSequenceNumber(node: QueueNode): void {
    this.#store.setLastSequenceNumber(node.queueId, node.queue.lastSequenceNumber);
  }

  #revive(stored: StoredEntity): void {
    const description = JSON.parse(stored.description);
    if (stored.kind === 'queue') this.putQueue(description, stored.createdAt);
    else if (stored.kind === 'topic') this.putTopic(description, stored.createdAt);
    else {
      const topic = this.find(stored.path.slice(0, stored.path.toLowerCase().lastIndexOf('/subscriptions/')));
      if (topic?.kind === 'topic') this.putSubscription(topic, description, stored.createdAt);
    }
  }

  #existing(path: string, kind: Entity['kind']): Entity | undefined {
    const existing = this.find(path);
    if (existing === undefined || existing.kind === kind) return existing;
    throw new Error(
      `'${path}' is declared as a ${kind}, but the data folder holds a ${existing.kind} of that name. ` +
        'Rename it in the entities file, or delete the data folder.',
    );
  }

  #add<T extends Entity>(entity: T): T {
    this.#entities.set(entity.path.toLowerCase(), entity);
    this.#save(entity);
    return entity;
  }

  #save(entity: Entity): void {
    this.#store.putEntity({
      path: entity.path,
      kind: entity.kind,
      description: JSON.stringify(entity.description),
      createdAt: entity.createdAt,
    });
  }

  #receivableNodes(path: string, settings: ReceivableSettings): Record<QueuePart, QueueNode> {
    return {
      main: this.#openNode(path, 'main', mainLimits(settings)),
      deadLetter: this.#openNode(path, 'deadLetter', deadLetterLimits(settings)),
      transferDeadLetter: this.#openNode(path, 'transferDeadLetter', deadLetterLimits(settings)),
    };
  }

  #openNode(entityPath: string, part: QueuePart, limits: QueueLimits): QueueNode {
    const path = entityPath + SUB_QUEUE_SUFFIX[part];
    const { queueId, lastSequenceNumber } = this.#store.openQueue(path);
    const onChange = (message: StoredMessage, change: 'stored' | 'removed'): void => {
      if (change === 'stored') this.#store.put(queueId, message);
      else this.#store.remove(queueId, message);
      this.#store.setLastSequenceNumber(queueId, queue.lastSequenceNumber);
      this.onQueueChange(node);
    };
    const queue = new MessageQueue(path, limits, onChange, () => this.#store.messagesOf(queueId));
    const node = new QueueNode(queueId, queue, part);
    for (const message of this.#store.messagesOf(queueId)) queue.restore(message);
    queue.lastSequenceNumber = Math.max(queue.lastSequenceNumber, lastSequenceNumber);
    return node;
  }

  #duplicatesOf(path: string): DuplicateHistory {
    const history = new DuplicateHistory();
    for (const { messageId, expiresAt } of this.#store.seenMessageIds(path, this.#now())) {
      history.remember(messageId, expiresAt);
    }
    return history;
  }
}

function mainLimits(settings: ReceivableSettings): QueueLimits {
  return settings;
}

/** Nothing leaves a dead-letter queue by itself: no expiry, no limit of deliveries. */
function deadLetterLimits(settings: ReceivableSettings): QueueLimits {
  return {
    lockDurationMs: settings.lockDurationMs,
    maxDeliveryCount: Number.POSITIVE_INFINITY,
    defaultTimeToLiveMs: NEVER_MS,
    deadLetterOnExpiration: false,
  };
}

function limitNodes(entity: QueueEntity | SubscriptionEntity, settings: ReceivableSettings): void {
  entity.main.queue.limits = mainLimits(settings);
  entity.deadLetter.queue.limits = deadLetterLimits(settings);
  entity.transferDeadLetter.queue.limits = deadLetterLimits(settings);
}
