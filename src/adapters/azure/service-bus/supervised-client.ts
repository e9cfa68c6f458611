import type { ServiceBusClient } from '@azure/service-bus';
import { connectServiceBus, type ServiceBusAccess } from './service-bus-connection.ts';

/**
 * A client that is replaced while others still use it: in time, before a token that the library failed to renew can
 * matter, and at once when it is suspected to be dead. Users notice at their next `current()`.
 */
export class SupervisedClient {
  readonly #connect: () => ServiceBusClient;
  readonly #lifetimeMs: number;
  #generation: Generation;

  constructor(access: ServiceBusAccess, lifetimeMs: number, requestTimeoutMs: number) {
    this.#connect = () => connectServiceBus(access, requestTimeoutMs);
    this.#lifetimeMs = lifetimeMs;
    this.#generation = new Generation(this.#connect());
  }

  /** To be released. */
  acquire(): Generation {
    if (Date.now() - this.#generation.createdAt > this.#lifetimeMs) this.replace();
    this.#generation.enter();
    return this.#generation;
  }

  isCurrent(generation: Generation): boolean {
    return generation === this.#generation && Date.now() - generation.createdAt <= this.#lifetimeMs;
  }

  /** The old client is closed when its last user has left it. */
  replace(): void {
    const old = this.#generation;
    this.#generation = new Generation(this.#connect());
    old.retire();
  }

  async close(): Promise<void> {
    await this.#generation.client.close();
  }
}

export class Generation {
  readonly client: ServiceBusClient;
  readonly createdAt = Date.now();
  #users = 0;
  #isRetired = false;

  constructor(client: ServiceBusClient) {
    this.client = client;
  }

  enter(): void {
    this.#users += 1;
  }

  leave(): void {
    this.#users -= 1;
    this.#closeIfDone();
  }

  retire(): void {
    this.#isRetired = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    // Nobody waits for it: a client that is suspected to be dead may not close either.
    if (this.#isRetired && this.#users === 0) this.client.close().catch(() => undefined);
  }
}
