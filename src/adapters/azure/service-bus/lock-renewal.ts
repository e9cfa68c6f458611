import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';

/** Renewed when this share of the lock is left. */
const RENEW_AT_SHARE_LEFT = 0.5;
const SHORTEST_WAIT_MS = 200;

/**
 * Keeps the lock of one delivery. The client library's own renewal is keyed by message id, so that two deliveries of
 * one message end each other's, and it gives up after one failure; this one belongs to the delivery (its lock token)
 * and tries until the lock is over.
 */
export class LockRenewal {
  readonly #receiver: ServiceBusReceiver;
  readonly #message: ServiceBusReceivedMessage;
  readonly #lost = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) {
    this.#receiver = receiver;
    this.#message = message;
    this.#schedule();
  }

  /** Aborted when the lock is over: somebody else may have the message by now. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped) return;
    const leftMs = (this.#message.lockedUntilUtc?.getTime() ?? 0) - Date.now();
    if (leftMs <= 0) {
      this.#lost.abort();
      return;
    }
    this.#timer = setTimeout(
      () => void this.#renew(),
      Math.min(leftMs, Math.max(SHORTEST_WAIT_MS, leftMs * (1 - RENEW_AT_SHARE_LEFT))),
    );
  }

  async #renew(): Promise<void> {
    try {
      // Also writes the new end into `message.lockedUntilUtc`.
      await this.#receiver.renewMessageLock(this.#message);
    } catch (error) {
      // Any other failure: the remaining time is halved, and it is tried again.
      if ((error as { code?: unknown }).code === 'MessageLockLost') {
        this.#lost.abort();
        return;
      }
    }
    this.#schedule();
  }
}
