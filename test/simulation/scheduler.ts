import type { Clock } from '#domain/ports/clock.ts';
import type { SeededRandom } from './seeded-random.ts';

/** One worker process: a crash ends it in the middle of whatever it awaits. */
export interface Process {
  readonly name: string;
  alive: boolean;
  /** Messages it has in hand, by queue and lock. */
  readonly inHand: Set<{ readonly queue: string; readonly lock: number }>;
}

interface Turn {
  readonly process: Process;
  readonly go: () => void;
}

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly process: Process | undefined;
  readonly fire: () => void;
}

/**
 * Decides who runs next, and what time it is. All code of the simulation waits here, at every call of a port, so the
 * seed alone decides how the processes interleave. Time stands still while anybody can run, and jumps when nobody can.
 */
export class Scheduler {
  readonly #random: SeededRandom;
  readonly #turns: Turn[] = [];
  readonly #timers: Timer[] = [];
  #timerCount = 0;
  #nowMs: number;
  stepCount = 0;

  constructor(random: SeededRandom, startMs: number) {
    this.#random = random;
    this.#nowMs = startMs;
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  /** Resolves when it is this process's turn; never, when it has crashed. */
  turn(process: Process): Promise<void> {
    return new Promise((resolve) => {
      this.#turns.push({ process, go: resolve });
    });
  }

  sleep(process: Process, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#addTimer(ms, process, resolve);
    });
  }

  /** Something that happens by itself, whoever is alive. */
  after(ms: number, fire: () => void): void {
    this.#addTimer(ms, undefined, fire);
  }

  clockOf(process: Process): Clock {
    return { now: () => this.now(), wait: (ms) => this.sleep(process, ms) };
  }

  /** Runs until `isAtRest`, asked whenever nobody can run. @returns false when `stepsMax` were not enough. */
  async run(isAtRest: () => boolean, stepsMax: number): Promise<boolean> {
    for (; this.stepCount < stepsMax; this.stepCount++) {
      await settled();
      if (this.#turns.length > 0 && !this.#random.chance(0.01)) {
        const turn = this.#takeTurn();
        if (turn.process.alive) turn.go();
        continue;
      }
      if (this.#turns.length === 0 && isAtRest()) return true;
      const timer = this.#timers.shift();
      if (timer === undefined) {
        if (this.#turns.length === 0) return false;
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      if (timer.process?.alive !== false) timer.fire();
    }
    return false;
  }

  #takeTurn(): Turn {
    const index = this.#random.below(this.#turns.length);
    const turn = this.#turns[index]!;
    const last = this.#turns.pop()!;
    if (index < this.#turns.length) this.#turns[index] = last;
    return turn;
  }

  #addTimer(ms: number, process: Process | undefined, fire: () => void): void {
    const timer: Timer = { atMs: this.#nowMs + ms, order: this.#timerCount++, process, fire };
    let index = this.#timers.length;
    while (index > 0 && isLater(this.#timers[index - 1]!, timer)) index--;
    this.#timers.splice(index, 0, timer);
  }
}

function isLater(one: Timer, other: Timer): boolean {
  return one.atMs > other.atMs || (one.atMs === other.atMs && one.order > other.order);
}

/** When every promise that can resolve has: the fakes answer without timers, so one turn of the event loop will do. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
