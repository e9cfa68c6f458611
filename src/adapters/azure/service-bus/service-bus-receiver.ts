import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import {
  defer,
  EMPTY,
  expand,
  filter,
  mergeMap,
  type Observable,
  of,
  range,
  type Subscription,
  timer,
} from 'rxjs';
import { type AfterFailure, afterFailure, type Delivery } from '#domain/after-failure.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { LockRenewal } from './lock-renewal.ts';
import { RecentlyDone } from './recently-done.ts';
import { REQUEST_TIMEOUT_MS, type ServiceBusAccess } from './service-bus-connection.ts';
import { type Generation, SupervisedClient } from './supervised-client.ts';
import { type ReceivedMessage, receivedMessageOf, retryCopyOf } from './wire-message.ts';

export interface ReceiverOptions {
  readonly access: ServiceBusAccess;
  readonly queue: string;
  /** Messages in hand at once, counted until they are settled. */
  readonly concurrency: number;
  /** `signal` fires when the lock is lost or the process must end; a handler may then give up with `Cancelled`. */
  readonly handle: (message: ReceivedMessage, signal: AbortSignal) => Promise<void>;
  readonly telemetry: Telemetry;
  /** What becomes of a failed message; `afterFailure` unless a test shortens its delays. */
  readonly decide?: (error: unknown, delivery: Delivery) => AfterFailure;
  /** All messages of the queue, locked ones too; lets the watchdog tell an idle queue from a dead connection. */
  readonly messageCount?: (queue: string) => Promise<number>;
  readonly timings?: Partial<ReceiverTimings>;
}

export interface ReceiverTimings {
  /** How long one receive waits for a message. */
  readonly receiveWaitMs: number;
  /** A receive that has not even ended this long after its wait is dead. */
  readonly receiveOverdueMs: number;
  /** How long a send or a settlement waits for its answer before it is tried again. */
  readonly requestTimeoutMs: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  readonly clientLifetimeMs: number;
  /** Nothing received for so long although the queue has messages: the connection is replaced. */
  readonly stalledMs: number;
}

const TIMINGS: ReceiverTimings = {
  receiveWaitMs: 20_000,
  receiveOverdueMs: 20_000,
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
  backoffMs: 500,
  backoffMsMax: 30_000,
  clientLifetimeMs: 45 * 60_000,
  stalledMs: 120_000,
};

type LaneStep = { readonly failures: number };

/**
 * Receives from one queue, in as many lanes as messages may be in hand. A lane receives one message, handles and
 * settles it, and goes on; so nothing is ever received that cannot be worked on. Lanes survive whatever happens to
 * connections, and a watchdog replaces a connection that has gone silent.
 */
export class QueueReceiver {
  readonly #options: ReceiverOptions;
  readonly #timings: ReceiverTimings;
  readonly #client: SupervisedClient;
  readonly #done = new RecentlyDone();
  readonly #stopReceiving = new AbortController();
  readonly #stopHandling = new AbortController();
  readonly #lanesEnded = Promise.withResolvers<void>();
  #lanes: Subscription | undefined;
  #watchdog: Subscription | undefined;
  #inHand = 0;
  #lastSignOfLife = Date.now();
  #isConnected = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#timings = { ...TIMINGS, ...options.timings };
    this.#client = new SupervisedClient(
      options.access,
      this.#timings.clientLifetimeMs,
      this.#timings.requestTimeoutMs,
    );
  }

  start(): void {
    const { concurrency } = this.#options;
    this.#lanes = range(0, concurrency)
      .pipe(mergeMap(() => this.#lane(), concurrency))
      .subscribe({
        complete: () => this.#lanesEnded.resolve(),
        error: (error) => this.#lanesEnded.reject(error),
      });
    const periodMs = Math.max(1000, this.#timings.stalledMs / 4);
    this.#watchdog = timer(periodMs, periodMs)
      .pipe(
        filter(() => this.#isSilent()),
        mergeMap(() => this.#replaceIfStalled(), 1),
      )
      .subscribe();
  }

  /** False while the broker cannot be reached, or says nothing although it should: for the health probe. */
  isHealthy(): boolean {
    return this.#isConnected && Date.now() - this.#lastSignOfLife < 2 * this.#timings.stalledMs;
  }

  /** Receives no more, lets what is in hand end for `drainMs`, then asks the handlers to give up. */
  async stop(drainMs: number): Promise<void> {
    this.#stopReceiving.abort();
    this.#watchdog?.unsubscribe();
    if (this.#lanes === undefined) this.#lanesEnded.resolve();
    const drained = await Promise.race([this.#lanesEnded.promise.then(() => true), after(drainMs)]);
    if (!drained) {
      this.#stopHandling.abort();
      await Promise.race([this.#lanesEnded.promise, after(1000)]);
    }
    this.#lanes?.unsubscribe();
    await Promise.race([this.#client.close(), after(5000)]);
  }

  /** One message after the other, for ever; failures only make it wait. */
  #lane(): Observable<LaneStep> {
    const link = new LaneLink(this.#client, this.#options.queue);
    const step = ({ failures }: LaneStep): Observable<LaneStep> => {
      if (this.#stopReceiving.signal.aborted) return defer(() => link.close()).pipe(mergeMap(() => EMPTY));
      const delayMs =
        failures === 0
          ? 0
          : Math.min(this.#timings.backoffMsMax, this.#timings.backoffMs * 2 ** (failures - 1));
      return timerUnless(this.#stopReceiving.signal, delayMs).pipe(
        mergeMap(() => this.#receiveOne(link, failures)),
      );
    };
    return of<LaneStep>({ failures: 0 }).pipe(expand(step, 1));
  }

  async #receiveOne(link: LaneLink, failures: number): Promise<LaneStep> {
    const { receiveWaitMs, receiveOverdueMs } = this.#timings;
    try {
      const receiver = await link.receiver();
      const receiving = receiver.receiveMessages(1, {
        maxWaitTimeInMs: receiveWaitMs,
        abortSignal: this.#stopReceiving.signal,
      });
      const [message] = await within(receiving, receiveWaitMs + receiveOverdueMs);
      this.#isConnected = true;
      if (message !== undefined) {
        this.#lastSignOfLife = Date.now();
        await this.#take(receiver, message);
      }
      return { failures: 0 };
    } catch (error) {
      if (this.#stopReceiving.signal.aborted) return { failures: 0 };
      if (failures > 0) this.#isConnected = false;
      this.#report('receive-failed', { error: sentenceOf(error), failures: failures + 1 });
      await link.close();
      // Twice in a row is not one lost link.
      if (failures === 1) this.#client.replace();
      return { failures: failures + 1 };
    }
  }

  async #take(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage): Promise<void> {
    const key = String(message.sequenceNumber);
    if (this.#done.has(key)) {
      if (await this.#settle('complete', () => receiver.completeMessage(message))) this.#done.forget(key);
      return;
    }
    if ((message.lockedUntilUtc?.getTime() ?? 0) <= Date.now()) {
      await this.#settle('abandon', () => receiver.abandonMessage(message));
      return;
    }
    this.#inHand += 1;
    const renewal = new LockRenewal(receiver, message);
    try {
      const received = receivedMessageOf(message);
      const failure = await this.#handle(received, renewal.lost);
      if (failure === undefined) {
        const isSettled = await this.#settle('complete', () => receiver.completeMessage(message));
        if (!isSettled) this.#done.add(key);
      } else {
        await this.#dealWith(failure.error, received, receiver, message);
      }
    } finally {
      renewal.stop();
      this.#inHand -= 1;
      this.#lastSignOfLife = Date.now();
    }
  }

  /** Every failure of a handler is an answer here: it decides what becomes of the message. */
  async #handle(
    received: ReceivedMessage,
    lost: AbortSignal,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { handle, telemetry, queue } = this.#options;
    const signal = AbortSignal.any([lost, this.#stopHandling.signal]);
    const { traceparent, messageId, deliveryCount, copyNumber, measurementId, enqueuedAt } = received;
    try {
      await telemetry.span(
        `consume ${queue}`,
        {
          kind: 'consumer',
          attributes: {
            queue,
            messageId,
            deliveryCount,
            copyNumber,
            ...(enqueuedAt === undefined ? {} : { queueAgeMs: ageMs(enqueuedAt) }),
            ...(measurementId === undefined ? {} : { measurementId }),
          },
          ...(traceparent === undefined ? {} : { parent: traceparent }),
        },
        (span) => handle({ ...received, traceparent: span.traceparent }, signal),
      );
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  async #dealWith(
    error: unknown,
    received: ReceivedMessage,
    receiver: ServiceBusReceiver,
    message: ServiceBusReceivedMessage,
  ): Promise<void> {
    const decision = (this.#options.decide ?? afterFailure)(error, received);
    this.#report(decision.action, { messageId: received.messageId, error: sentenceOf(error) });
    switch (decision.action) {
      case 'retry-later':
        // First the copy, then the original goes: a crash between the two makes two, never none.
        if (await this.#settle('copy', () => this.#sendCopy(retryCopyOf(message, decision))))
          await this.#settle('complete', () => receiver.completeMessage(message));
        break;
      case 'dead-letter':
        await this.#settle('dead-letter', () =>
          receiver.deadLetterMessage(message, {
            deadLetterReason: decision.reason,
            deadLetterErrorDescription: decision.description,
          }),
        );
        break;
      case 'abandon':
        await this.#settle('abandon', () => receiver.abandonMessage(message));
        break;
    }
  }

  async #sendCopy(copy: ReturnType<typeof retryCopyOf>): Promise<void> {
    const generation = this.#client.acquire();
    const sender = generation.client.createSender(this.#options.queue);
    try {
      await sender.sendMessages(copy);
    } finally {
      await sender.close();
      generation.leave();
    }
  }

  /** A settlement that fails leaves the message to its lock: it comes again when that is over. */
  async #settle(what: string, settlement: () => Promise<void>): Promise<boolean> {
    try {
      await settlement();
      return true;
    } catch (error) {
      this.#report('settlement-failed', { settlement: what, error: sentenceOf(error) });
      return false;
    }
  }

  #isSilent(): boolean {
    return this.#inHand === 0 && Date.now() - this.#lastSignOfLife > this.#timings.stalledMs;
  }

  async #replaceIfStalled(): Promise<void> {
    const { queue, messageCount } = this.#options;
    try {
      const count = messageCount === undefined ? 0 : await messageCount(queue);
      if (count > 0 && this.#isSilent()) {
        this.#report('stalled', { count });
        this.#client.replace();
      }
    } catch (error) {
      // Without counts an idle queue cannot be told from a dead connection; the client's lifetime bounds that.
      this.#report('count-failed', { error: sentenceOf(error) });
    }
    this.#lastSignOfLife = Date.now();
  }

  #report(name: string, attributes: Readonly<Record<string, string | number>>): void {
    this.#options.telemetry.event(`receiver.${name}`, { queue: this.#options.queue, ...attributes });
  }
}

/** The broker's clock may be ahead of ours. */
function ageMs(enqueuedAt: Date): number {
  return Math.max(0, Date.now() - enqueuedAt.getTime());
}

/** The link of one lane, on whichever client is current. */
class LaneLink {
  readonly #client: SupervisedClient;
  readonly #queue: string;
  #open: { readonly generation: Generation; readonly receiver: ServiceBusReceiver } | undefined;

  constructor(client: SupervisedClient, queue: string) {
    this.#client = client;
    this.#queue = queue;
  }

  async receiver(): Promise<ServiceBusReceiver> {
    if (this.#open !== undefined && this.#client.isCurrent(this.#open.generation)) return this.#open.receiver;
    await this.close();
    const generation = this.#client.acquire();
    const receiver = generation.client.createReceiver(this.#queue, {
      receiveMode: 'peekLock',
      maxAutoLockRenewalDurationInMs: 0,
    });
    this.#open = { generation, receiver };
    return receiver;
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    // A link that cannot be closed is closed by the broker with its client.
    await Promise.race([open.receiver.close().catch(() => undefined), after(2000)]);
    open.generation.leave();
  }
}

function timerUnless(signal: AbortSignal, delayMs: number): Observable<unknown> {
  if (delayMs === 0) return of(0);
  return defer(
    () =>
      new Promise<void>((resolve) => {
        const timeout = setTimeout(done, delayMs);
        function done(): void {
          clearTimeout(timeout);
          signal.removeEventListener('abort', done);
          resolve();
        }
        signal.addEventListener('abort', done);
      }),
  );
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timeout: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timeout = setTimeout(() => reject(new Error(`a receive did not end within ${ms} ms`)), ms);
      }),
    ]);
  } finally {
    clearTimeout(timeout);
  }
}

async function after(ms: number): Promise<false> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), ms).unref();
  });
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
