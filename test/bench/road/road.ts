// `npm run bench -- road`: the whole product on loopback with small measurements. Every figure is of this machine under
// the load it had; the load is printed with them.
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { p50p95, seconds, table } from './figures.ts';
import type { RoadRun } from './road-stack.ts';
import { RoadStack } from './road-stack.ts';
import { memoryTable, stageTable, taskTable } from './road-tables.ts';

const TASK_MODULE = join(import.meta.dirname, 'tasks-in-process.ts');

const USAGE = `npm run bench -- road [--processes 1,20,200] [--in-process 1,20,200,2000] [--files 10000] [--minutes 30]
  --processes   counts of small measurements whose tasks are processes, as in the product; 0 for none
  --in-process  counts of small measurements whose tasks run without processes; 0 for none
  --files       files in one folder; 0 for none
  --minutes     after so long a run is given up`;

/** @returns 0 when every measurement ended Shared. */
export async function run(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      processes: { type: 'string', default: '1,20,200' },
      'in-process': { type: 'string', default: '1,20,200,2000' },
      files: { type: 'string', default: '10000' },
      minutes: { type: 'string', default: '30' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const withinMs = Number(values.minutes) * 60_000;
  const counts = (text: string) =>
    text
      .split(',')
      .map(Number)
      .filter((count) => count > 0);
  let badCount = 0;
  const withProcesses = counts(values.processes);
  if (withProcesses.length > 0) badCount += await drive('processes', {}, withProcesses, 0, withinMs);
  const inProcess = counts(values['in-process']);
  const fileCount = Number(values.files);
  if (inProcess.length > 0 || fileCount > 0)
    badCount += await drive(
      'no processes',
      { LANDFALL_BATCH_TASK_MODULE: TASK_MODULE },
      inProcess,
      fileCount,
      withinMs,
    );
  return badCount === 0 ? 0 : 1;
}

/** @returns how many measurements did not end Shared. */
async function drive(
  tasks: string,
  environment: Readonly<Record<string, string>>,
  counts: readonly number[],
  fileCount: number,
  withinMs: number,
): Promise<number> {
  // Of task processes, which come and go, the memory is not asked for, and a probe would make their start-up longer.
  const stack = await RoadStack.start(environment, tasks !== 'processes');
  let badCount = 0;
  const show = (title: string, roadRun: RoadRun) => {
    badCount += roadRun.notShared.length;
    console.log(`\n${describeRun(`${title} (tasks: ${tasks})`, roadRun)}`);
  };
  try {
    show('warm-up', await stack.together('warm-up', 1, withinMs));
    for (const count of counts) {
      if (count === 1) show('10, one after the other', await stack.oneByOne('single', 10, withinMs));
      else show(`${count} at once`, await stack.together(`at-once-${count}`, count, withinMs));
    }
    if (fileCount > 0) show(`${fileCount} files in one folder`, await stack.manyFiles(fileCount, withinMs));
  } finally {
    await stack.stop();
  }
  return badCount;
}

function describeRun(title: string, roadRun: RoadRun): string {
  const { road, firstCommandMs, wholeMs, roadOnlyMs, elapsedMs, processorMs } = roadRun;
  const lines = [
    `### ${title}`,
    '',
    `${road.length} measurements in ${seconds(elapsedMs)} s; load average ${loadavg()[0]?.toFixed(1)}; landing took ${seconds(roadRun.landingMs)} s`,
    '',
    table(
      ['', 'p50 / p95 (s)'],
      [
        ['last blob committed to first command', p50p95(firstCommandMs)],
        ['whole road, last blob committed to Shared', p50p95(wholeMs)],
        ['of that, while no task ran', p50p95(roadOnlyMs)],
      ],
    ),
    '',
    stageTable(road),
    '',
    taskTable(roadRun.tasks),
    '',
    memoryTable(roadRun.memory),
    '',
    table(
      ['process', 'processor time per measurement (ms)'],
      [...processorMs].map(([name, ms]) => [name, (ms / Math.max(1, road.length)).toFixed(0)]),
    ),
  ];
  if (roadRun.notShared.length > 0)
    lines.push('', `NOT SHARED: ${roadRun.notShared.length}`, ...roadRun.notShared.slice(0, 10));
  return lines.join('\n');
}
