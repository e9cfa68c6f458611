/**
 * The message ids an entity has seen within its duplicate detection window. A message whose id is in here is accepted
 * and dropped. Times are epoch milliseconds, handed in.
 */
export class DuplicateHistory {
  // Insertion order is expiry order as long as the window does not change, so the oldest are forgotten from the front.
  readonly #expiryByMessageId = new Map<string, number>();

  /** Remembers the id and answers false, or answers true when it is known already. */
  isDuplicate(messageId: string, expiresAt: number, now: number): boolean {
    this.#forgetExpired(now);
    const known = this.#expiryByMessageId.get(messageId);
    if (known !== undefined && known > now) return true;
    this.remember(messageId, expiresAt);
    return false;
  }

  remember(messageId: string, expiresAt: number): void {
    this.#expiryByMessageId.delete(messageId);
    this.#expiryByMessageId.set(messageId, expiresAt);
  }

  #forgetExpired(now: number): void {
    for (const [messageId, expiresAt] of this.#expiryByMessageId) {
      if (expiresAt > now) break;
      this.#expiryByMessageId.delete(messageId);
    }
  }
}
