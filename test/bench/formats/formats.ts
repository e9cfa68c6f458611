// `npm run bench -- formats`: every reader on generated files, to columns and to Parquet, beside the Python peers.
// Each measurement is a process of its own. Every figure is of this machine under the load it had.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { arch, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { table } from '../road/figures.ts';
import { Measurement } from './measurement.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

const USAGE = `npm run bench -- formats [--size-gb 0.3] [--only tdms,mcap] [--to columns,parquet] [--peer-seconds 60] [--no-peers]
  --size-gb       size of each file, before compression
  --only          parts of the names of the workloads
  --to            what to read into: columns measures decoding alone
  --peer-seconds  after so long a peer that reads message by message stops; its rate is that of what it read
  --no-peers      measure only this project's readers

The Python peers are found by LANDFALL_BENCH_PYTHON, or in ${join(tmpdir(), 'landfall-bench-venv')}, made by:
  python3 -m venv ${join(tmpdir(), 'landfall-bench-venv')} && ${join(tmpdir(), 'landfall-bench-venv')}/bin/pip install -r test/bench/formats/requirements.txt`;

const FOLDER = import.meta.dirname;
const MODES = ['columns', 'parquet'] as const;
type Mode = (typeof MODES)[number];

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
  const modes = MODES.filter((mode) => values.to.split(',').includes(mode));
  const conditions = { python, peerSeconds: Number(values['peer-seconds']), modes };
  console.log(machineLine());
  const sizeBytes = Number(values['size-gb']) * 1e9;
  const folder = await mkdtemp(join(tmpdir(), 'landfall-bench-formats-'));
  const rows: string[][] = [];
  try {
    for (const workload of workloads) {
      const result = await measureAll(workload, sizeBytes, folder, conditions);
      for (const row of result) {
        rows.push(row);
        console.log(row.join(' | '));
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  console.log(`\n${table(HEAD, rows)}`);
  for (const { name, what } of workloads) console.log(`- ${name}: ${what}`);
  console.log(machineLine());
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

async function measureAll(
  workload: Workload,
  sizeBytes: number,
  folder: string,
  { python, peerSeconds, modes }: Conditions,
): Promise<string[][]> {
  const path = join(folder, workload.fileName);
  await mkdir(dirname(path), { recursive: true });
  await workload.write(path, sizeBytes);
  const { size } = await stat(path);
  const rows: string[][] = [];
  for (const mode of modes) {
    const script = join(FOLDER, 'measure.ts');
    const own = await inFolder(folder, (out) => measured(process.execPath, [script, path, mode, out]));
    const peerWords = [join(FOLDER, 'peer.py'), workload.peer, path, mode];
    const peer =
      python === undefined
        ? undefined
        : await inFolder(folder, (out) => measured(python, [...peerWords, out, String(peerSeconds)])).catch(
            (error: Error) => {
              console.log(`the peer of ${workload.name} failed: ${error.message.slice(-500)}`);
              return undefined;
            },
          );
    rows.push(rowOf(workload, mode, size, own, peer));
  }
  await rm(path);
  return rows;
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
  const { stdout } = await promisify(execFile)(program, [...words], { maxBuffer: 1 << 24 });
  return Measurement.parse(JSON.parse(stdout.trim().split('\n').at(-1)!));
}

function rowOf(
  workload: Workload,
  mode: Mode,
  sizeBytes: number,
  own: Measurement,
  peer: Measurement | undefined,
): string[] {
  const rate = (seconds: number, share: number) => (sizeBytes * share) / 1e6 / seconds;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  const front = [
    workload.name,
    mode === 'columns' ? 'columns' : 'Parquet',
    megabytes(sizeBytes),
    own.seconds.toFixed(2),
    own.cpuSeconds.toFixed(2),
    rate(own.seconds, 1).toFixed(0),
    own.rows === 0 ? '—' : Math.round(own.rows / own.seconds).toLocaleString('en'),
    megabytes(own.peakRssBytes),
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
