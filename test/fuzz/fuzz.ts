// Damages small recordings at random and reads them: npm run fuzz -- --seconds 60 [--format mcap] [--first 1]
// A reader may refuse a file by name or yield what is left of it. Everything else is a finding: another error, a
// file that takes longer than 10 s, memory that grows beyond 1 GiB. A finding names the number that repeats it.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { damagedFile } from './attempt.ts';
import { FUZZED_FORMATS, type FuzzedFormat } from './formats.ts';

const HANG_MS = 10_000;
const RSS_BYTES_MAX = 2 ** 30;
const FINDINGS_MAX = 5;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    format: { type: 'string' },
    first: { type: 'string', default: '1' },
  },
});
const formats = FUZZED_FORMATS.filter(({ name }) => values.format === undefined || name === values.format);
if (formats.length === 0) {
  console.error(
    `No format ${values.format}. There are: ${FUZZED_FORMATS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
let findings = 0;
for (const format of formats) {
  findings += await fuzz(format, (Number(values.seconds) * 1000) / formats.length, Number(values.first));
}
process.exit(findings === 0 ? 0 : 1);

/** Damages one format's seeds for so long; returns how many findings there were. */
async function fuzz(format: FuzzedFormat, durationMs: number, first: number): Promise<number> {
  const seeds = await format.seeds();
  const deadline = performance.now() + durationMs;
  const found: string[] = [];
  const watched = { slowestMs: 0, rssBytesMax: 0 };
  const rssBytesBefore = process.memoryUsage().rss;
  const report = (number: number, what: string) => {
    const path = join(tmpdir(), `landfall-fuzz-${format.name}-${number}`);
    writeFileSync(path, damagedFile(seeds, number));
    found.push(`${format.name} file ${number}: ${what}\n  kept as ${path}`);
  };
  let next = first;
  while (performance.now() < deadline && found.length < FINDINGS_MAX) {
    next = await run(format, next, deadline, found, watched, report);
  }
  console.log(
    `${format.name}: files ${first} to ${next - 1} of ${seeds.length} seeds, ${found.length} findings; ` +
      `slowest ${watched.slowestMs.toFixed(0)} ms; memory ${mebibytes(rssBytesBefore)} before, ` +
      `${mebibytes(watched.rssBytesMax)} at most, ${mebibytes(process.memoryUsage().rss)} after`,
  );
  for (const finding of found) console.log(finding);
  return found.length;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

type Report = (number: number, what: string) => void;

/** Runs one worker until the deadline or a finding that ends it; returns the number to go on with. */
function run(
  format: FuzzedFormat,
  first: number,
  deadline: number,
  found: readonly string[],
  watched: { slowestMs: number; rssBytesMax: number },
  report: Report,
): Promise<number> {
  const file = new URL('./fuzz-worker.ts', import.meta.url);
  const worker = new Worker(file, { workerData: { format: format.name, first } });
  let current = first;
  let since = performance.now();
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const isHanging = performance.now() - since > HANG_MS;
      const rssBytes = process.memoryUsage().rss;
      watched.rssBytesMax = Math.max(watched.rssBytesMax, rssBytes);
      if (isHanging) report(current, `still being read after ${HANG_MS / 1000} s`);
      else if (rssBytes > RSS_BYTES_MAX) report(current, `memory grew to ${rssBytes} bytes`);
      else if (performance.now() < deadline && found.length < FINDINGS_MAX) return;
      clearInterval(watch);
      void worker.terminate().then(() => resolve(current + 1), reject);
    }, 200);
    worker.on('message', (message: { kind: string; number: number; text?: string }) => {
      if (message.number > first) watched.slowestMs = Math.max(watched.slowestMs, performance.now() - since);
      current = message.number;
      since = performance.now();
      if (message.kind === 'finding') report(message.number, message.text ?? '');
    });
    worker.on('error', (error) => {
      clearInterval(watch);
      report(current, `the thread died: ${error}`);
      resolve(current + 1);
    });
  });
}
