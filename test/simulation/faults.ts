import { RetryableFailure } from '#domain/failures.ts';
import type { MemoryBroker } from './fakes/memory-broker.ts';
import type { Process, Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

/**
 * What can go wrong at a call of a port. `answer-lost`: it was done, and the caller hears an error all the same.
 * `lock-lost`: the messages in hand are given to somebody else, and nobody says so.
 */
const KINDS = ['crash-before', 'crash-after', 'refused', 'answer-lost', 'lock-lost'] as const;
type FaultKind = (typeof KINDS)[number];

export interface FaultPlan {
  /** Probability at each call. */
  readonly probability: number;
  /** At most so many in one run, so that every run comes to rest. */
  readonly countMax: number;
}

/** Makes ports fail, and every call of them a moment at which somebody else may run. */
export class Faults {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan;
  readonly #broker: MemoryBroker;
  readonly #onCrash: (process: Process) => void;
  #count = 0;
  /** What happened, for whoever repeats a seed. */
  readonly log: string[] = [];

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    plan: FaultPlan,
    broker: MemoryBroker,
    onCrash: (process: Process) => void,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#plan = plan;
    this.#broker = broker;
    this.#onCrash = onCrash;
  }

  /** `port` as `process` sees it. */
  around<P extends object>(process: Process, name: string, port: P): P {
    return new Proxy(port, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== 'function') return member;
        const call = (...args: unknown[]): unknown => member.apply(target, args);
        const label = `${process.name}: ${name}.${String(property)}`;
        if (member.constructor.name === 'AsyncGeneratorFunction') {
          return (...args: unknown[]) => this.#iterate(process, label, () => call(...args));
        }
        return (...args: unknown[]) => this.call(process, label, async () => call(...args));
      },
    });
  }

  async call<T>(process: Process, label: string, work: () => Promise<T>): Promise<T> {
    await this.#scheduler.turn(process);
    const fault = this.#next(label);
    if (fault === 'crash-before') return this.#crash(process);
    if (fault === 'refused') throw new RetryableFailure('dependency-unavailable', `${label} was refused`);
    if (fault === 'lock-lost') this.#loseLocks(process);
    const result = await work();
    if (fault === 'crash-after') return this.#crash(process);
    if (fault === 'answer-lost') {
      throw new RetryableFailure('dependency-unavailable', `the answer of ${label} was lost`);
    }
    return result;
  }

  async *#iterate(process: Process, label: string, start: () => unknown): AsyncIterable<unknown> {
    await this.call(process, label, async () => {});
    yield* start() as AsyncIterable<unknown>;
  }

  #loseLocks(process: Process): void {
    for (const { queue, lock } of process.inHand) this.#broker.loseLock(queue, lock);
  }

  #next(label: string): FaultKind | undefined {
    if (this.#count >= this.#plan.countMax || !this.#random.chance(this.#plan.probability)) return undefined;
    this.#count++;
    const kind = this.#random.pick(KINDS);
    this.log.push(`${this.#scheduler.now().toISOString()} ${kind} at ${label}`);
    return kind;
  }

  /** The process is gone: what it was doing never goes on. */
  #crash(process: Process): Promise<never> {
    process.alive = false;
    // Either the link is detached at once, or nobody notices until the locks expire.
    if (this.#random.chance(0.5)) this.#loseLocks(process);
    this.#onCrash(process);
    return new Promise(() => {});
  }
}
