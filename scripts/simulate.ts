// `npm run simulate -- --seeds 10000 [--seed 1] [--mutant no-etag]`: the saga, landing, relay and replay on fakes,
// from many seeds; `--seed` alone runs that one, with `--seeds` as many from there on. A seed that fails is printed with its faults and how to repeat it.
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from '#test/simulation/mutants.ts';
import { simulate } from '#test/simulation/simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    mutant: { type: 'string' },
  },
});
const { mutant } = values;
if (mutant !== undefined && !(mutant in MUTANTS)) {
  console.error(`There is no mutant ${mutant}. There are: ${Object.keys(MUTANTS).join(', ')}`);
  process.exit(2);
}
const first = Number(values.seed ?? 1);
const count = Number(values.seeds ?? (values.seed === undefined ? 1000 : 1));
const startedAt = performance.now();
let stepCount = 0;
let failedCount = 0;
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate(seed, mutant as Mutant | undefined);
  stepCount += result.stepCount;
  if (result.problems.length > 0) {
    failedCount++;
    console.log(`seed ${seed} (${result.stories.join(', ')}) after ${result.stepCount} steps:`);
    for (const problem of result.problems.slice(0, 10)) console.log(`  ${problem}`);
    for (const fault of result.faults) console.log(`    ${fault}`);
    console.log(
      `  repeat: npm run simulate -- --seed ${seed}${mutant === undefined ? '' : ` --mutant ${mutant}`}`,
    );
    if (failedCount >= 5) break;
  }
}
const seconds = (performance.now() - startedAt) / 1000;
console.log(`${count} seeds, ${stepCount} steps, ${seconds.toFixed(1)} s, ${failedCount} failed`);
process.exit(failedCount > 0 ? 1 : 0);
