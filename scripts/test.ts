// The test command. `npm test` runs every check a contributor needs; `npm test -- saga` runs the specs of one
// room (a folder or a file name below test/), without the other checks, in seconds.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings'] },
  {
    name: 'import rules',
    command: ['depcruise', '--no-progress', 'src', 'containers', 'emulators', 'test', 'scripts'],
  },
];

const rooms = process.argv.slice(2);
const specs = rooms.length === 0 ? ['test/**/*.spec.ts'] : rooms.flatMap(specsOf);
if (rooms.length > 0 && specs.length === 0) {
  console.error(
    `No specs for ${rooms.join(', ')}. Name a folder or file below test/, for example: npm test -- saga`,
  );
  process.exit(2);
}

const failedChecks: string[] = [];
if (rooms.length === 0) {
  for (const check of CHECKS) {
    const startedAt = performance.now();
    const { code, output } = await run(check.command, false);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${code === 0 ? '✓' : '✗'} ${check.name} (${seconds} s)`);
    if (code !== 0) {
      failedChecks.push(check.name);
      console.log(output);
    }
  }
}

// Journeys start the whole product; beside other specs both would be slow and neither would prove anything.
const JOURNEYS = 'test/acceptance/**/*.spec.ts';
const runs =
  rooms.length === 0
    ? [
        ['mocha', '--ignore', JOURNEYS, ...specs],
        ['mocha', '--no-parallel', '--reporter', 'spec', JOURNEYS],
      ]
    : [['mocha', ...specs]];

let passed = 0;
let failed = failedChecks.length;
let skipped = 0;
for (const command of runs) {
  const { code, output } = await run(command, true);
  const failures = count(output, /(\d+) failing/);
  passed += count(output, /(\d+) passing/);
  skipped += count(output, /(\d+) pending/);
  // A run in which mocha itself broke is a failure, however few tests failed.
  failed += code !== 0 && failures === 0 ? 1 : failures;
}
if (failedChecks.length > 0) console.log(`Failed checks: ${failedChecks.join(', ')}`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

function specsOf(room: string): string[] {
  const asFile = room.replace(/^test\//, '');
  return globSync(
    [
      `test/${asFile}/**/*.spec.ts`,
      `test/**/${asFile}/**/*.spec.ts`,
      `test/**/${asFile}*.spec.ts`,
      `test/${asFile}`,
    ],
    {
      exclude: (path) => !/(\.spec\.ts$)|^[^.]*$/.test(path),
    },
  )
    .filter((path) => path.endsWith('.spec.ts'))
    .filter((path, index, all) => all.indexOf(path) === index);
}

function count(output: string, pattern: RegExp): number {
  return Number(pattern.exec(output)?.[1] ?? 0);
}

function run(command: readonly string[], live: boolean): Promise<{ code: number; output: string }> {
  const [program = '', ...rest] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output += text;
        if (live) process.stdout.write(text);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
