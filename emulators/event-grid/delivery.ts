// Delivers accepted events until each is taken, given up and dead-lettered, or dropped.
import type { Subscription } from './configuration.ts';
import {
  type DeadLetterAccount,
  deadLetterBlobName,
  deadLetterContent,
  writeDeadLetter,
} from './dead-letter.ts';
import { DisturbanceDice, DisturbanceSchema } from './delivery-disturbance.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import type { PublishedEvent } from './event-schema.ts';
import { reasonToGiveUp, retryDelayMs } from './retry-schedule.ts';
import { serviceBusMessage } from './service-bus-message.ts';
import { SendError, type ServiceBusSender } from './service-bus-sender.ts';
import { passesFilters } from './subscription-filter.ts';

export interface DeliveryCounts {
  pending: number;
  delivered: number;
  deadLettered: number;
  /** Given up without a dead-letter container. */
  dropped: number;
}

const IN_FLIGHT_MAX = 64;
const TIMER_MS_MAX = 2 ** 31 - 1;

export class DeliveryLoop {
  readonly #store: DeliveryStore;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #serviceBus: ServiceBusSender | undefined;
  readonly #deadLetterAccounts: ReadonlyMap<string, DeadLetterAccount>;
  readonly #timeScale: number;
  readonly #counts = { delivered: 0, deadLettered: 0, dropped: 0 };
  readonly #inFlight = new Set<Promise<void>>();
  #dice = new DisturbanceDice(DisturbanceSchema.parse({}));
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #stopped = false;

  /** `subscriptions` by `owner/name`. `timeScale` shortens the retry schedule and the time to live. */
  constructor(
    store: DeliveryStore,
    subscriptions: ReadonlyMap<string, Subscription>,
    serviceBus: ServiceBusSender | undefined,
    deadLetterAccounts: ReadonlyMap<string, DeadLetterAccount>,
    timeScale: number,
  ) {
    this.#store = store;
    this.#subscriptions = subscriptions;
    this.#serviceBus = serviceBus;
    this.#deadLetterAccounts = deadLetterAccounts;
    this.#timeScale = timeScale;
    this.#wake();
  }

  /**
   * Keeps events for every subscription of `owner` (a topic or a storage account) that wants them; they are on disk
   * when it returns. `topic` names the custom topic in whose list they appear.
   */
  accept(owner: string, topic: string | undefined, events: readonly PublishedEvent[]): void {
    const nowMs = Date.now();
    const deliveries = [...this.#subscriptions]
      .filter(([key]) => key.startsWith(`${owner}/`))
      .flatMap(([key, subscription]) =>
        events
          .filter((published) => passesFilters(published, subscription))
          .map((published) => ({
            subscription: key,
            published,
            dueAtMs: nowMs + this.#dice.delayMs(),
            copies: this.#dice.copies(),
          })),
      );
    this.#store.accept(topic, events, deliveries, nowMs);
    this.#wake();
  }

  disturb(dice: DisturbanceDice): void {
    this.#dice = dice;
  }

  counts(): DeliveryCounts {
    return { pending: this.#store.pendingCount(), ...this.#counts };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.allSettled(this.#inFlight);
  }

  /** Deliveries that end together are followed by one look at what is due. */
  #wakeSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    const free = IN_FLIGHT_MAX - this.#inFlight.size;
    if (free > 0) for (const delivery of this.#store.claimDue(Date.now(), free)) this.#start(delivery);
    const nextDueAtMs = this.#store.nextDueAtMs();
    // When all places are taken, the end of the first delivery wakes the loop.
    if (nextDueAtMs === undefined || this.#inFlight.size >= IN_FLIGHT_MAX) return;
    const delayMs = Math.min(Math.max(0, nextDueAtMs - Date.now()), TIMER_MS_MAX);
    this.#timer = setTimeout(() => this.#wake(), delayMs);
  }

  #start(delivery: Delivery): void {
    const attempt = this.#attempt(delivery).finally(() => {
      this.#inFlight.delete(attempt);
      this.#wakeSoon();
    });
    this.#inFlight.add(attempt);
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const subscription = this.#subscriptions.get(delivery.subscription);
    if (subscription === undefined) {
      // The subscription is no longer configured, and its events go with it, as in Event Grid.
      this.#store.remove(delivery.sequence);
      return;
    }
    if (delivery.deadLetterReason !== undefined) return this.#deadLetter(delivery, subscription);
    const failed = await this.#send(delivery, subscription);
    if (failed !== undefined) return this.#failed(delivery, subscription, failed);
    this.#counts.delivered += 1;
    if (delivery.copiesLeft <= 1) return this.#store.remove(delivery.sequence);
    const dueAtMs = Date.now() + this.#dice.delayMs();
    this.#store.postpone(delivery.sequence, { ...delivery, copiesLeft: delivery.copiesLeft - 1, dueAtMs });
  }

  async #send(delivery: Delivery, subscription: Subscription): Promise<SendError | undefined> {
    const { destination } = subscription;
    const entity =
      'serviceBusQueue' in destination ? destination.serviceBusQueue : destination.serviceBusTopic;
    if (this.#serviceBus === undefined)
      return new SendError('NotFound', 'Event Grid was started without a Service Bus connection string.');
    try {
      await this.#serviceBus.send(entity, serviceBusMessage(delivery, subscription, delivery.attempts));
      return undefined;
    } catch (error) {
      if (error instanceof SendError) return error;
      throw error;
    }
  }

  async #failed(delivery: Delivery, subscription: Subscription, failed: SendError): Promise<void> {
    const nowMs = Date.now();
    const attempts = delivery.attempts + 1;
    const ageMs = (nowMs - delivery.publishedAtMs) / this.#timeScale;
    const deadLetterReason = reasonToGiveUp(failed, attempts, ageMs, subscription.retry);
    const changed = {
      ...delivery,
      attempts,
      lastOutcome: failed.outcome,
      lastAttemptAtMs: nowMs,
      deadLetterReason,
    };
    if (this.#stopped) return this.#store.postpone(delivery.sequence, { ...delivery, dueAtMs: nowMs });
    if (deadLetterReason !== undefined) return this.#deadLetter(changed, subscription);
    const dueAtMs = nowMs + Math.ceil(retryDelayMs(attempts) * this.#timeScale);
    this.#store.postpone(delivery.sequence, { ...changed, dueAtMs });
  }

  async #deadLetter(delivery: Delivery, subscription: Subscription): Promise<void> {
    const { deadLetter } = subscription;
    const account = deadLetter && this.#deadLetterAccounts.get(deadLetter.account);
    if (deadLetter === undefined || account === undefined) {
      this.#counts.dropped += 1;
      console.error(
        `event-grid: dropped an event of ${delivery.subscription} after ${delivery.attempts} attempts (${delivery.lastOutcome}): it has no dead-letter container.`,
      );
      this.#store.remove(delivery.sequence);
      return;
    }
    try {
      const name = deadLetterBlobName(delivery.subscription, new Date());
      await writeDeadLetter(account, deadLetter.container, name, deadLetterContent(delivery));
      this.#counts.deadLettered += 1;
      this.#store.remove(delivery.sequence);
    } catch (error) {
      // Storage may be restarting: the event stays until it can be written, on the same schedule.
      console.error(`event-grid: ${error instanceof Error ? error.message : String(error)}`);
      const dueAtMs = Date.now() + Math.ceil(retryDelayMs(1) * this.#timeScale);
      this.#store.postpone(delivery.sequence, { ...delivery, dueAtMs });
    }
  }
}
