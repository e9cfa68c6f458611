// Writes the histories that test/saga/histories.spec.ts replays: one measurement per story, as the saga of this
// release lived it. Run at a release: `node scripts/record-histories.ts 0.1.0`. Older files are never rewritten.
import { mkdir, writeFile } from 'node:fs/promises';
import { World } from '#test/simulation/world.ts';

const STORIES = [
  'a stage fails once',
  'lossy and skipped',
  'rejected, then corrected',
  'corrected after it was shared',
  'run again from sync',
  'rehydrated',
];
const FOLDER = 'test/saga/histories';

const [release] = process.argv.slice(2);
if (release === undefined) {
  console.error('Name the release: node scripts/record-histories.ts 0.1.0');
  process.exit(2);
}
await mkdir(FOLDER, { recursive: true });
for (const story of STORIES) console.log(await record(release, story));

async function record(name: string, story: string): Promise<string> {
  for (let seed = 1; seed < 10_000; seed++) {
    const world = new World(seed);
    if (!(await world.run())) continue;
    const [told] = world.told;
    if (world.told.length !== 1 || told?.story.name !== story) continue;
    const path = `${FOLDER}/${name}-${story.replaceAll(/[^a-z]+/g, '-')}.jsonl`;
    const lines = [
      { release: name, story, state: world.sagas.stateOf(told.measurementId) },
      ...world.sagas.records(told.measurementId),
    ];
    await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    return path;
  }
  throw new Error(`no seed tells the story '${story}' alone`);
}
