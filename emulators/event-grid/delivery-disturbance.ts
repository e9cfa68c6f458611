// Duplicates and disorder on demand: both are allowed by what Event Grid promises, at least once and in any order.
import { z } from 'zod';

export const DisturbanceSchema = z.strictObject({
  /** The probability that an event is delivered twice, 0 to 1. */
  duplicates: z.number().min(0).max(1).default(0),
  /** Each delivery waits a random time below `windowMs`. */
  disorder: z.strictObject({ windowMs: z.number().int().min(0).max(600_000) }).default({ windowMs: 0 }),
  /** The same seed and the same events give the same disturbance. */
  seed: z.number().int().min(0).default(1),
});

export type Disturbance = z.output<typeof DisturbanceSchema>;

/** What happens to the next delivery. */
export class DisturbanceDice {
  readonly disturbance: Disturbance;
  #state: number;

  constructor(disturbance: Disturbance) {
    this.disturbance = disturbance;
    this.#state = disturbance.seed >>> 0;
  }

  copies(): number {
    return this.#next() < this.disturbance.duplicates ? 2 : 1;
  }

  delayMs(): number {
    return Math.floor(this.#next() * this.disturbance.disorder.windowMs);
  }

  /** Mulberry32: small, seeded, good enough to shuffle events. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
