import type { FailedMessage, FailedMessageStore, ReplayAudit } from '#domain/ports/failed-message-store.ts';

/** The container `failedMessages`, in memory. */
export class MemoryFailedMessageStore implements FailedMessageStore {
  readonly #messages = new Map<string, FailedMessage>();
  readonly #claims = new Map<string, string>();
  readonly #audits: ReplayAudit[] = [];

  async save(message: FailedMessage): Promise<void> {
    if (!this.#messages.has(message.failedMessageId)) this.#messages.set(message.failedMessageId, message);
  }

  async get(failedMessageId: string): Promise<FailedMessage | undefined> {
    return this.#messages.get(failedMessageId);
  }

  async list(
    filter: { readonly queue?: string; readonly reason?: string; readonly state?: FailedMessage['state'] },
    limit: number,
  ): Promise<readonly FailedMessage[]> {
    return [...this.#messages.values()]
      .filter((message) => filter.queue === undefined || message.queue === filter.queue)
      .filter((message) => filter.reason === undefined || message.reason === filter.reason)
      .filter((message) => filter.state === undefined || message.state === filter.state)
      .toSorted((one, other) => other.failedAt.localeCompare(one.failedAt))
      .slice(0, limit);
  }

  async claim(failedMessageId: string, operationId: string): Promise<FailedMessage | undefined> {
    const message = this.#messages.get(failedMessageId);
    if (message === undefined) return undefined;
    if (message.state === 'replaying') {
      return this.#claims.get(failedMessageId) === operationId ? message : undefined;
    }
    if (message.state !== 'failed') return undefined;
    const claimed = { ...message, state: 'replaying' as const, replayCount: message.replayCount + 1 };
    this.#messages.set(failedMessageId, claimed);
    this.#claims.set(failedMessageId, operationId);
    return claimed;
  }

  async markReplayed(failedMessageId: string, operationId: string): Promise<void> {
    const message = this.#messages.get(failedMessageId);
    if (message === undefined || this.#claims.get(failedMessageId) !== operationId) return;
    this.#messages.set(failedMessageId, { ...message, state: 'replayed' });
  }

  /** How many wait for a replay, or are in the middle of one. Not part of the port. */
  openCount(): number {
    return [...this.#messages.values()].filter(({ state }) => state === 'failed' || state === 'replaying')
      .length;
  }

  async audit(entry: ReplayAudit): Promise<void> {
    this.#audits.push(entry);
  }

  async audits(limit: number): Promise<readonly ReplayAudit[]> {
    return this.#audits.slice(-limit).toReversed();
  }
}
