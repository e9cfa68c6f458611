import { CHECKERS } from './checkers.ts';
import type { Mutant } from './mutants.ts';
import { World } from './world.ts';

export interface SimulationResult {
  readonly seed: number;
  /** Sentences; none when everything is as it must be. */
  readonly problems: readonly string[];
  readonly stories: readonly string[];
  readonly stepCount: number;
  /** The faults that were injected, in order. */
  readonly faults: readonly string[];
}

/** Runs one world from its seed to rest, and looks whether everything is as it must be. */
export async function simulate(
  seed: number,
  mutant?: Mutant,
  isRelayOn?: boolean,
): Promise<SimulationResult> {
  const world = new World(seed, mutant, isRelayOn);
  const cameToRest = await world.run();
  const problems = Object.entries(CHECKERS).flatMap(([name, check]) =>
    check(world).map((problem) => `${name}: ${problem}`),
  );
  if (!cameToRest) problems.unshift(`did not come to rest: ${world.unrest()}`);
  return {
    seed,
    problems,
    stories: world.told.map(({ story }) => story.name),
    stepCount: world.scheduler.stepCount,
    faults: world.faults.log,
  };
}
