// `npm run bench -- formats`: every reader on generated files, to columns and to Parquet, beside the Python peers.
// Each measurement is a process of its own. Every figure is of this machine under the load it had.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { table } from '../road/figures.ts';
import { Measurement } from './measurement.ts';
import { type Mode, WORKLOADS, type Workload } from './workloads.ts';

const PEER_GB_MAX = 1;
const MODES: readonly Mode[] = ['columns', 'channel', 'parquet'];

const USAGE = `npm run bench -- formats [--size-gb 0.3] [--only sorted,mcap] [--to columns,channel,parquet] [--peer-seconds 60] [--no-peers] [--json file]
  --size-gb       size of each file, before compression; files are written one at a time and removed
  --only          parts of the names of the workloads: ${WORKLOADS.map(({ name }) => name).join('; ')}
  --to            what to read into: columns measures decoding alone, channel one column of a file of channels,
                  bytes only reads the file
  --peer-seconds  after so long a peer that reads message by message stops; its rate is that of what it read
  --no-peers      measure only this project's readers
  --json          also write the measurements there
Peers that hold the file's columns in memory are not asked above ${PEER_GB_MAX} GB.

The Python peers are found by LANDFALL_BENCH_PYTHON, or in ${join(tmpdir(), 'landfall-bench-venv')}, made by:
  python3 -m venv ${join(tmpdir(), 'landfall-bench-venv')} && ${join(tmpdir(), 'landfall-bench-venv')}/bin/pip install -r test/bench/formats/requirements.txt`;

const FOLDER = import.meta.dirname;
const COMPILE_CACHE = join(tmpdir(), 'landfall-bench-compile-cache');

/** @returns 0 when every file was read whole. */
export async function run(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      'size-gb': { type: 'string', default: '0.3' },
      only: { type: 'string', default: '' },
      to: { type: 'string', default: MODES.join(',') },
      'peer-seconds': { type: 'string', default: '60' },
      'no-peers': { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const wanted = values.only.toLowerCase().split(',');
  const workloads = WORKLOADS.filter(({ name }) => wanted.some((part) => name.toLowerCase().includes(part)));
  const python = values['no-peers'] ? undefined : peerPython();
  const asked = values.to.split(',');
  const modes = (['bytes', ...MODES] as const).filter((mode) => asked.includes(mode));
  const conditions = { python, peerSeconds: Number(values['peer-seconds']), modes };
  console.log(machineLine());
  const sizeBytes = Number(values['size-gb']) * 1e9;
  const folder = await mkdtemp(join(tmpdir(), 'landfall-bench-formats-'));
  const results: Result[] = [];
  try {
    for (const workload of workloads) {
      for await (const result of measureAll(workload, sizeBytes, folder, conditions)) {
        results.push(result);
        console.log(`${new Date().toISOString().slice(11, 19)} ${rowOf(result).join(' | ')}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  console.log(`\n${table(HEAD, results.map(rowOf))}`);
  for (const { name, what } of workloads) console.log(`- ${name}: ${what}`);
  console.log(machineLine());
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(results, undefined, 1));
  return 0;
}

function peerPython(): string | undefined {
  const path = process.env['LANDFALL_BENCH_PYTHON'] ?? join(tmpdir(), 'landfall-bench-venv/bin/python');
  if (existsSync(path)) return path;
  console.log(`No Python peers at ${path}: only this project's readers are measured.\n${USAGE}\n`);
  return undefined;
}

function machineLine(): string {
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
  const memoryGb = (totalmem() / 1e9).toFixed(0);
  return `${cpus().length} x ${cpus()[0]?.model} (${arch()}), ${memoryGb} GB, Node ${process.versions.node}; load ${load}`;
}

const HEAD = [
  'file',
  'to',
  'MB',
  's',
  'CPU s',
  'MB/s',
  'rows/s',
  'peak RSS MB',
  'loop held ms, max / p99',
  'peer s',
  'peer CPU s',
  'peer MB/s',
  'peer RSS MB',
  'times as fast',
  'by CPU',
];

interface Conditions {
  readonly python: string | undefined;
  readonly peerSeconds: number;
  readonly modes: readonly Mode[];
}

/** One line of the table. */
interface Result {
  readonly workload: string;
  readonly mode: Mode;
  readonly sizeBytes: number;
  readonly own: Measurement;
  readonly peer: Measurement | undefined;
}

async function* measureAll(
  workload: Workload,
  sizeBytes: number,
  folder: string,
  { python, peerSeconds, modes }: Conditions,
): AsyncGenerator<Result> {
  const path = join(folder, workload.fileName);
  await mkdir(dirname(path), { recursive: true });
  await workload.write(path, sizeBytes);
  const { size } = await stat(path);
  const channel = workload.channel === undefined ? [] : [workload.channel];
  for (const mode of modes) {
    if (mode === 'channel' && channel.length === 0) continue;
    const script = join(FOLDER, 'measure.ts');
    const own = await inFolder(folder, (out) =>
      measured(process.execPath, [script, path, mode, out, ...channel]),
    );
    const peerWords = [join(FOLDER, 'peer.py'), workload.peer, path, mode];
    const isTooLarge = workload.peerHoldsFile && sizeBytes > PEER_GB_MAX * 1e9;
    if (python !== undefined && isTooLarge) console.log(`${workload.name}: too large for its peer`);
    const peer =
      python === undefined || isTooLarge || mode === 'bytes'
        ? undefined
        : await inFolder(folder, (out) =>
            measured(python, [...peerWords, out, String(peerSeconds), ...channel]),
          ).catch((error: Error) => {
            console.log(`the peer of ${workload.name} failed: ${error.message.slice(-500)}`);
            return undefined;
          });
    yield { workload: workload.name, mode, sizeBytes: size, own, peer };
  }
  await rm(path);
}

async function inFolder(
  parent: string,
  work: (folder: string) => Promise<Measurement>,
): Promise<Measurement> {
  const folder = await mkdtemp(join(parent, 'out-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measured(program: string, words: readonly string[]): Promise<Measurement> {
  // As the product runs: what compiles TypeScript takes 40 MB, and is not needed again.
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
  const { stdout } = await promisify(execFile)(program, [...words], { maxBuffer: 1 << 24, env });
  return Measurement.parse(JSON.parse(stdout.trim().split('\n').at(-1)!));
}

const MODE_WORDS: Readonly<Record<Mode, string>> = {
  bytes: 'bytes',
  columns: 'columns',
  channel: 'one channel',
  parquet: 'Parquet',
};

function rowOf({ workload, mode, sizeBytes, own, peer }: Result): string[] {
  const rate = (seconds: number, share: number) => (sizeBytes * share) / 1e6 / seconds;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  const held = (ms: number | undefined) => (ms === undefined ? '—' : ms.toFixed(0));
  const front = [
    workload,
    MODE_WORDS[mode],
    megabytes(sizeBytes),
    own.seconds.toFixed(2),
    own.cpuSeconds.toFixed(2),
    rate(own.seconds, 1).toFixed(0),
    own.rows === 0 ? '—' : Math.round(own.rows / own.seconds).toLocaleString('en'),
    megabytes(own.peakRssBytes),
    `${held(own.loopDelayMsMax)} / ${held(own.loopDelayMsP99)}`,
  ];
  if (peer === undefined) return [...front, '—', '—', '—', '—', '—', '—'];
  const partial = peer.share < 1 ? ` (${(peer.share * 100).toFixed(0)} %)` : '';
  return [
    ...front,
    `${peer.seconds.toFixed(2)}${partial}`,
    peer.cpuSeconds.toFixed(2),
    rate(peer.seconds, peer.share).toFixed(0),
    megabytes(peer.peakRssBytes),
    (peer.seconds / peer.share / own.seconds).toFixed(1),
    (peer.cpuSeconds / peer.share / own.cpuSeconds).toFixed(1),
  ];
}
