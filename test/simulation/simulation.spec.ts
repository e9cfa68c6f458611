import assert from 'node:assert/strict';
import { MUTANTS, type Mutant } from './mutants.ts';
import { simulate } from './simulate.ts';

/**
 * Goal: whatever crashes, is lost, doubled, late or refused between Event Grid and Batch, every input is applied once,
 * no output is lost, and every measurement ends as its story says. Method: the real saga manager, landing, relay,
 * sweeps and dead-letter replay on fakes, with a fault possible at every call of a port, all from one seed.
 */
const SEEDS_PER_SPEC = 500;
const MUTANT_SEEDS_MAX = 400;

describe('simulation', () => {
  for (const part of [0, 1, 2, 3]) {
    const first = part * SEEDS_PER_SPEC + 1;
    const last = first + SEEDS_PER_SPEC - 1;
    it(`seeds ${first} to ${last} come to rest with nothing lost and nothing done twice`, async function () {
      this.timeout(120_000);
      for (let seed = first; seed <= last; seed++) {
        const { problems, stories, faults } = await simulate(seed);
        const repeat = `npm run simulate -- --seed ${seed}`;
        assert.deepEqual(
          problems,
          [],
          [`${repeat} (${stories.join(', ')})`, ...problems, ...faults].join('\n  '),
        );
      }
    });
  }

  it('the same seed is the same run', async () => {
    assert.deepEqual(await simulate(7), await simulate(7));
  });

  it('the relay alone heals messages that are completed before their outputs are sent', async function () {
    this.timeout(60_000);
    for (let seed = 1; seed <= 150; seed++) {
      const { problems } = await simulate(seed, 'complete-before-dispatch', true);
      assert.deepEqual(problems, [], `seed ${seed}`);
    }
  });

  for (const [mutant, mistake] of Object.entries(MUTANTS)) {
    it(`catches the mutant ${mutant}: ${mistake}`, async function () {
      this.timeout(60_000);
      for (let seed = 1; seed <= MUTANT_SEEDS_MAX; seed++) {
        const { problems } = await simulate(seed, mutant as Mutant);
        if (problems.length > 0) return;
      }
      assert.fail(`no seed up to ${MUTANT_SEEDS_MAX} shows that ${mutant} is wrong`);
    });
  }
});
