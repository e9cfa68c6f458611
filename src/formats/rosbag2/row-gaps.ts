import type { LossCounter } from '../recording-reader.ts';

/**
 * Counts messages that damage took. A recorder numbers its messages without gaps, so the numbers that are missing
 * where pages could not be read are the messages lost with them.
 */
export class RowGaps {
  readonly #file: string;
  readonly #loss: LossCounter;
  /** Damage may change row numbers too: more than this cannot be missing. */
  readonly #rowsMax: number;
  #last = 0;
  #damage: string[] = [];

  constructor(file: string, rowsMax: number, loss: LossCounter) {
    this.#rowsMax = rowsMax;
    this.#file = file;
    this.#loss = loss;
  }

  damage(what: string): void {
    this.#damage.push(what);
  }

  row(rowId: number): void {
    if (this.#damage.length > 0) this.#count(rowId - 1);
    this.#last = rowId;
  }

  /** `rowIdMax` is the highest number that there must have been. */
  end(rowIdMax: number): void {
    if (this.#damage.length > 0) this.#count(rowIdMax);
  }

  #count(lastMissing: number): void {
    const gap = Math.min(this.#rowsMax, lastMissing - this.#last);
    const missing = Math.max(this.#damage.length, gap);
    const [first, ...others] = this.#damage;
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    const where = `behind message ${this.#last}`;
    this.#loss.add(missing, 0, `${this.#file}: ${missing} messages lost ${where}: ${first}${more}`);
    this.#damage = [];
  }
}
