const REMEMBERED_MAX = 10_000;

/**
 * Messages that were handled but whose completion failed. The broker delivers them again; then they only need to be
 * completed. It saves work, nothing depends on it: handlers are idempotent.
 */
export class RecentlyDone {
  readonly #keys = new Set<string>();

  add(key: string): void {
    this.#keys.add(key);
    if (this.#keys.size <= REMEMBERED_MAX) return;
    // A set keeps the order of insertion.
    for (const oldest of this.#keys) {
      this.#keys.delete(oldest);
      break;
    }
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  forget(key: string): void {
    this.#keys.delete(key);
  }
}
