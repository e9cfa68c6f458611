/**
 * What one queue of messages decides: who is next, who holds a lock, what has expired. No clock, no disk, no network:
 * time and lock tokens are arguments, every change is reported to `onChange`, and what leaves the queue for a
 * dead-letter queue or for its real enqueuing is returned to the caller.
 */
import type { MessageContent } from './message-codec.ts';
import { withApplicationProperties } from './message-codec.ts';
import { PriorityHeap } from './priority-heap.ts';
import { SequenceIndex } from './sequence-index.ts';
import { messageLockLost, messageNotFound } from './service-bus-error.ts';

/** `TimeSpan.MaxValue` of .NET in milliseconds: what Service Bus uses for "never". */
export const NEVER_MS = 922_337_203_685_477;

export interface MessageLock {
  /** 16 bytes in RFC 4122 order, as hexadecimal text. */
  readonly token: string;
  /** Epoch milliseconds. */
  until: number;
}

export interface StoredMessage {
  readonly sequenceNumber: number;
  /** The number the message had where it was first submitted. */
  readonly enqueuedSequenceNumber: number;
  readonly enqueuedAt: number;
  /** Epoch milliseconds; `Infinity` when it never expires. */
  readonly expiresAt: number;
  readonly scheduledFor: number | undefined;
  readonly deadLetterSource: string | undefined;
  /** How often the message was forwarded by the broker. */
  readonly hopCount: number;
  content: MessageContent;
  deliveryCount: number;
  state: 'active' | 'deferred' | 'scheduled';
  lock: MessageLock | undefined;
}

export interface QueueLimits {
  readonly lockDurationMs: number;
  /** `Infinity` in a dead-letter queue: nothing falls out of it by being tried. */
  readonly maxDeliveryCount: number;
  readonly defaultTimeToLiveMs: number;
  readonly deadLetterOnExpiration: boolean;
}

/** What is known of a message when it enters a queue. */
export interface Arrival {
  readonly content: MessageContent;
  readonly enqueuedSequenceNumber?: number | undefined;
  readonly deadLetterSource?: string | undefined;
  readonly hopCount: number;
}

/** A message that has left this queue and belongs into its dead-letter queue. */
export interface DeadLetter {
  readonly message: StoredMessage;
  readonly reason: string | undefined;
  readonly description: string | undefined;
}

export interface Progress {
  readonly deadLetters: readonly DeadLetter[];
  /** Scheduled messages whose time has come, taken out of the queue: they are now enqueued as if just sent. */
  readonly activated: readonly StoredMessage[];
  readonly becameReady: boolean;
}

export interface QueueCounts {
  active: number;
  deferred: number;
  scheduled: number;
  locked: number;
  sizeBytes: number;
}

interface Due {
  readonly at: number;
  readonly kind: 'lock' | 'expiry' | 'schedule';
  readonly sequenceNumber: number;
  readonly token: string;
}

/** What is known of messages that are in the store alone. All of them are active and not locked. */
interface Rest {
  count: number;
  /** Epoch milliseconds; `Infinity` when none of them ever expires. */
  firstExpiresAt: number;
}

/** From so many messages on, a queue that nobody receives from leaves them to the store. */
const REST_FROM_MESSAGES = 200;

export class MessageQueue {
  readonly path: string;
  limits: QueueLimits;
  lastSequenceNumber = 0;
  sizeBytes = 0;
  /** A queue that is received from holds its messages in memory, also those that wait. */
  isReceivedFrom = false;
  #messages = new SequenceIndex<StoredMessage>();
  readonly #ready = new PriorityHeap<StoredMessage>(
    (left, right) => left.sequenceNumber < right.sequenceNumber,
  );
  readonly #byToken = new Map<string, StoredMessage>();
  readonly #due = new PriorityHeap<Due>((left, right) => left.at < right.at);
  readonly #onChange: (message: StoredMessage, change: 'stored' | 'removed') => void;
  readonly #stored: (() => Iterable<StoredMessage>) | undefined;
  #rest: Rest | undefined;
  #restFrom = REST_FROM_MESSAGES;

  /** `stored` brings back what `onChange` reported as stored; without it everything stays in memory. */
  constructor(
    path: string,
    limits: QueueLimits,
    onChange: (message: StoredMessage, change: 'stored' | 'removed') => void,
    stored?: () => Iterable<StoredMessage>,
  ) {
    this.path = path;
    this.limits = limits;
    this.#onChange = onChange;
    this.#stored = stored;
  }

  get size(): number {
    return this.#rest?.count ?? this.#messages.size;
  }

  /** Messages held in memory: none of those that rest in the store. */
  get heldCount(): number {
    return this.#messages.size;
  }

  enqueue(arrival: Arrival, now: number): StoredMessage {
    const timeToLiveMs = Math.min(arrival.content.timeToLiveMs ?? NEVER_MS, this.limits.defaultTimeToLiveMs);
    return this.#add(arrival, now, {
      state: 'active',
      sequenceNumber: ++this.lastSequenceNumber,
      expiresAt: timeToLiveMs >= NEVER_MS ? Number.POSITIVE_INFINITY : now + timeToLiveMs,
    });
  }

  /** A message with a number of this queue that never was in it: one that must go straight to a dead-letter queue. */
  draft(arrival: Arrival, now: number): StoredMessage {
    return newMessage(arrival, now, {
      state: 'active',
      sequenceNumber: ++this.lastSequenceNumber,
      expiresAt: Number.POSITIVE_INFINITY,
    });
  }

  schedule(arrival: Arrival, scheduledFor: number, now: number): StoredMessage {
    this.#fetch();
    return this.#add(arrival, now, {
      state: 'scheduled',
      sequenceNumber: ++this.lastSequenceNumber,
      expiresAt: Number.POSITIVE_INFINITY,
      scheduledFor,
    });
  }

  /** Takes in a dead letter. It keeps its sequence number, delivery count and enqueued time, and never expires. */
  bury(deadLetter: DeadLetter): void {
    const { message, reason, description } = deadLetter;
    const content = withApplicationProperties(message.content, {
      DeadLetterReason: reason,
      DeadLetterErrorDescription: description,
    });
    this.#keep({
      ...message,
      content,
      state: 'active',
      lock: undefined,
      expiresAt: Number.POSITIVE_INFINITY,
    });
  }

  /** Takes in a message as it was stored. A lock does not outlive the process that gave it. */
  restore(message: StoredMessage): void {
    this.#messages.set(message.sequenceNumber, message);
    this.sizeBytes += message.content.sizeBytes;
    this.lastSequenceNumber = Math.max(this.lastSequenceNumber, message.sequenceNumber);
    if (message.state === 'active') this.#ready.push(message);
    this.#watch(message);
  }

  /** Locks the next message for a receiver. */
  lockNext(token: string, now: number): StoredMessage | undefined {
    const message = this.#next(now);
    if (message === undefined) return undefined;
    this.#ready.pop();
    this.#lock(message, token, now);
    return message;
  }

  /** Removes the next message for a receiver that receives and deletes. */
  removeNext(now: number): StoredMessage | undefined {
    const message = this.#next(now);
    if (message !== undefined) this.#remove(message);
    return message;
  }

  renewLock(token: string, now: number): number {
    const message = this.#held(token, now);
    const lock = message.lock!;
    lock.until = now + this.limits.lockDurationMs;
    this.#due.push({ at: lock.until, kind: 'lock', sequenceNumber: message.sequenceNumber, token });
    return lock.until;
  }

  complete(token: string, now: number): void {
    this.#remove(this.#held(token, now));
  }

  /** Gives the message back; after the last allowed delivery it is a dead letter. */
  abandon(token: string, changes: Readonly<Record<string, unknown>>, now: number): DeadLetter | undefined {
    const message = this.#held(token, now);
    message.content = this.#changed(message, changes);
    return this.#unlock(message);
  }

  defer(token: string, changes: Readonly<Record<string, unknown>>, now: number): void {
    const message = this.#held(token, now);
    message.content = this.#changed(message, changes);
    this.#byToken.delete(token);
    message.lock = undefined;
    message.state = 'deferred';
    this.#onChange(message, 'stored');
  }

  deadLetter(
    token: string,
    cause: { reason: string | undefined; description: string | undefined },
    changes: Readonly<Record<string, unknown>>,
    now: number,
  ): DeadLetter {
    const message = this.#held(token, now);
    message.content = this.#changed(message, changes);
    this.#remove(message);
    return { message, ...cause };
  }

  /** All or none: one unknown number refuses the whole call. */
  lockDeferred(sequenceNumbers: readonly number[], tokens: readonly string[], now: number): StoredMessage[] {
    const messages = sequenceNumbers.map((number) => this.#deferred(number));
    messages.forEach((message, index) => {
      this.#lock(message, tokens[index]!, now);
    });
    return messages;
  }

  removeDeferred(sequenceNumbers: readonly number[]): StoredMessage[] {
    const messages = sequenceNumbers.map((number) => this.#deferred(number));
    for (const message of messages) this.#remove(message);
    return messages;
  }

  cancelScheduled(sequenceNumbers: readonly number[]): void {
    const messages = sequenceNumbers.map((number) => {
      const message = this.#messages.get(number);
      if (message?.state !== 'scheduled') throw messageNotFound(number, this.path);
      return message;
    });
    for (const message of messages) this.#remove(message);
  }

  peek(fromSequenceNumber: number, count: number, now: number): StoredMessage[] {
    this.#fetch();
    const found: StoredMessage[] = [];
    for (const message of this.#messages.from(fromSequenceNumber)) {
      if (found.length >= count) break;
      if (message.expiresAt > now || message.lock !== undefined || message.state === 'deferred')
        found.push(message);
    }
    return found;
  }

  /** Everything that has become due: lost locks, expired messages, scheduled messages. */
  advance(now: number): Progress {
    if (this.#rest !== undefined && this.#rest.firstExpiresAt <= now) this.#fetch();
    const deadLetters: DeadLetter[] = [];
    const activated: StoredMessage[] = [];
    let becameReady = false;
    for (let due = this.#nextDue(); due !== undefined && due.at <= now; due = this.#nextDue()) {
      this.#due.pop();
      const message = this.#messages.get(due.sequenceNumber)!;
      if (due.kind === 'schedule') {
        this.#remove(message);
        activated.push(message);
        continue;
      }
      const deadLetter = due.kind === 'lock' ? this.#unlock(message) : this.#expire(message);
      if (deadLetter !== undefined) deadLetters.push(deadLetter);
      else becameReady ||= due.kind === 'lock';
    }
    return { deadLetters, activated, becameReady };
  }

  /** Epoch milliseconds of the next thing `advance` would do. */
  nextDueAt(): number | undefined {
    if (this.#rest === undefined) return this.#nextDue()?.at;
    const { firstExpiresAt } = this.#rest;
    return firstExpiresAt === Number.POSITIVE_INFINITY ? undefined : firstExpiresAt;
  }

  counts(): QueueCounts {
    const counts: QueueCounts = {
      active: this.#rest?.count ?? 0,
      deferred: 0,
      scheduled: 0,
      locked: 0,
      sizeBytes: this.sizeBytes,
    };
    for (const message of this.#messages.values()) {
      counts[message.state]++;
      if (message.lock !== undefined) counts.locked++;
    }
    return counts;
  }

  #add(arrival: Arrival, now: number, facts: EntryFacts): StoredMessage {
    const message = newMessage(arrival, now, facts);
    this.#keep(message);
    return message;
  }

  #keep(message: StoredMessage): void {
    if (this.#rest === undefined) this.restore(message);
    else {
      this.#rest.count += 1;
      this.#rest.firstExpiresAt = Math.min(this.#rest.firstExpiresAt, message.expiresAt);
      this.sizeBytes += message.content.sizeBytes;
      this.lastSequenceNumber = Math.max(this.lastSequenceNumber, message.sequenceNumber);
    }
    this.#onChange(message, 'stored');
    this.#leaveToStore();
  }

  /** A subscriber that never comes must not cost memory: what nobody receives lies in the store. */
  #leaveToStore(): void {
    if (this.#stored === undefined || this.isReceivedFrom || this.#messages.size < this.#restFrom) return;
    const rest: Rest = { count: 0, firstExpiresAt: Number.POSITIVE_INFINITY };
    for (const message of this.#messages.values()) {
      if (message.state !== 'active' || message.lock !== undefined) {
        this.#restFrom = 2 * this.#messages.size;
        return;
      }
      rest.count += 1;
      rest.firstExpiresAt = Math.min(rest.firstExpiresAt, message.expiresAt);
    }
    this.#rest = rest;
    this.#messages = new SequenceIndex();
    this.#ready.keepOnly(() => false);
    this.#due.keepOnly(() => false);
  }

  /** Back into memory with what rests in the store: somebody wants it. */
  #fetch(): void {
    if (this.#rest === undefined || this.#stored === undefined) return;
    this.#rest = undefined;
    this.#restFrom = REST_FROM_MESSAGES;
    this.sizeBytes = 0;
    for (const message of this.#stored()) this.restore(message);
  }

  #watch(message: StoredMessage): void {
    const { sequenceNumber } = message;
    if (message.state === 'scheduled') {
      this.#due.push({ at: message.scheduledFor!, kind: 'schedule', sequenceNumber, token: '' });
    } else if (message.expiresAt !== Number.POSITIVE_INFINITY) {
      this.#due.push({ at: message.expiresAt, kind: 'expiry', sequenceNumber, token: '' });
    }
  }

  #next(now: number): StoredMessage | undefined {
    this.#fetch();
    for (let message = this.#ready.peek(); message !== undefined; message = this.#ready.peek()) {
      const isHere = this.#messages.get(message.sequenceNumber) === message;
      if (isHere && message.lock === undefined && message.state === 'active' && message.expiresAt > now)
        return message;
      // Gone, or expired and about to be collected by `advance`.
      this.#ready.pop();
    }
    return undefined;
  }

  #lock(message: StoredMessage, token: string, now: number): void {
    message.lock = { token, until: now + this.limits.lockDurationMs };
    this.#byToken.set(token, message);
    this.#due.push({ at: message.lock.until, kind: 'lock', sequenceNumber: message.sequenceNumber, token });
    if (this.#due.size > 4 * this.#messages.size + 4096) this.#due.keepOnly((due) => this.#matters(due));
  }

  #held(token: string, now: number): StoredMessage {
    const message = this.#byToken.get(token);
    if (message?.lock === undefined || message.lock.until <= now) throw messageLockLost();
    return message;
  }

  #changed(message: StoredMessage, changes: Readonly<Record<string, unknown>>): MessageContent {
    if (Object.keys(changes).length === 0) return message.content;
    const content = withApplicationProperties(message.content, changes);
    this.sizeBytes += content.sizeBytes - message.content.sizeBytes;
    return content;
  }

  #unlock(message: StoredMessage): DeadLetter | undefined {
    this.#byToken.delete(message.lock!.token);
    message.lock = undefined;
    message.deliveryCount++;
    if (message.deliveryCount >= this.limits.maxDeliveryCount) {
      this.#remove(message);
      return {
        message,
        reason: 'MaxDeliveryCountExceeded',
        description: `Message could not be consumed after ${this.limits.maxDeliveryCount} delivery attempts.`,
      };
    }
    this.#onChange(message, 'stored');
    if (message.state === 'active') this.#ready.push(message);
    // Its expiry may have passed by unnoticed while the lock shielded it; then `advance` collects it at once.
    this.#watch(message);
    return undefined;
  }

  #expire(message: StoredMessage): DeadLetter | undefined {
    this.#remove(message);
    if (!this.limits.deadLetterOnExpiration) return undefined;
    return {
      message,
      reason: 'TTLExpiredException',
      description: 'The message expired and was dead lettered.',
    };
  }

  #remove(message: StoredMessage): void {
    if (message.lock !== undefined) this.#byToken.delete(message.lock.token);
    message.lock = undefined;
    this.#messages.delete(message.sequenceNumber);
    this.sizeBytes -= message.content.sizeBytes;
    this.#onChange(message, 'removed');
  }

  #deferred(sequenceNumber: number): StoredMessage {
    const message = this.#messages.get(sequenceNumber);
    if (message?.state !== 'deferred' || message.lock !== undefined) {
      throw messageNotFound(sequenceNumber, this.path);
    }
    return message;
  }

  #nextDue(): Due | undefined {
    for (let due = this.#due.peek(); due !== undefined; due = this.#due.peek()) {
      if (this.#matters(due)) return due;
      this.#due.pop();
    }
    return undefined;
  }

  /**
   * Deferred messages stay until they are fetched, whatever their time to live ("Overview of Service Bus dead-letter
   * queues": messages in the deferred state aren't purged after they expire), and a locked one is looked at again
   * when its lock ends.
   */
  #matters(due: Due): boolean {
    const message = this.#messages.get(due.sequenceNumber);
    if (message === undefined) return false;
    if (due.kind === 'lock') return message.lock?.token === due.token && message.lock.until === due.at;
    if (due.kind === 'schedule') return message.state === 'scheduled';
    return message.state === 'active' && message.lock === undefined && message.expiresAt === due.at;
  }
}

interface EntryFacts {
  readonly state: StoredMessage['state'];
  readonly sequenceNumber: number;
  readonly expiresAt: number;
  readonly scheduledFor?: number;
}

function newMessage(arrival: Arrival, now: number, facts: EntryFacts): StoredMessage {
  return {
    sequenceNumber: facts.sequenceNumber,
    enqueuedSequenceNumber: arrival.enqueuedSequenceNumber ?? facts.sequenceNumber,
    enqueuedAt: now,
    expiresAt: facts.expiresAt,
    scheduledFor: facts.scheduledFor,
    deadLetterSource: arrival.deadLetterSource,
    hopCount: arrival.hopCount,
    content: arrival.content,
    deliveryCount: 0,
    state: facts.state,
    lock: undefined,
  };
}
