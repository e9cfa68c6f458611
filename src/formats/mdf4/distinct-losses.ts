import { LossCounter } from '../recording-reader.ts';

const REMEMBERED_MAX = 10_000;

/**
 * Counts each loss once, however often the file is read: reasons name the place, so the same reason is the same loss.
 */
export class DistinctLosses extends LossCounter {
  readonly #reasons = new Set<string>();

  override add(records: number, bytes: number, reason: string): void {
    if (this.#reasons.has(reason)) return;
    if (this.#reasons.size < REMEMBERED_MAX) this.#reasons.add(reason);
    super.add(records, bytes, reason);
  }
}
