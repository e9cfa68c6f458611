import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The product as a user has it: `landfall up` in a folder and on ports of its own, driven by the command line. */
export interface RunningStack {
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Runs a command. @returns what it printed and its exit code. */
  landfall(
    ...words: readonly string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
  /** Runs a command with `--json` and reads its answer. */
  json<T>(...words: readonly string[]): Promise<T>;
  /** Processes by name, as the supervisor knows them. */
  processId(name: string): Promise<number>;
  processes(): Promise<readonly { readonly name: string; readonly pid: number }[]>;
  stop(): Promise<number | null>;
}

const ROOT = join(import.meta.dirname, '..', '..');
const LANDFALL = join(ROOT, 'bin', 'landfall');
const UP_WITHIN_MS = 90_000;
const UP_LINE = 'Landfall is up.';

/** @param settings further `LANDFALL_*` variables; waiting times are short unless they say otherwise. */
export async function startRunningStack(
  settings: Readonly<Record<string, string>> = {},
): Promise<RunningStack> {
  const home = await mkdtemp(join(tmpdir(), 'landfall-acceptance-'));
  const environment = {
    ...definedOf(process.env),
    LANDFALL_HOME: home,
    LANDFALL_PORT_BASE: String(await freeBlock()),
    LANDFALL_TASK_POLL_SECONDS: '2',
    LANDFALL_LANDING_SWEEP_SECONDS: '1',
    LANDFALL_RETRY_DELAYS_SECONDS: '1,3,10',
    ...settings,
  };
  const up = spawn(process.execPath, [LANDFALL, 'up'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  for (const stream of [up.stdout, up.stderr])
    stream.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  const landfall: RunningStack['landfall'] = (...words) => run(words, environment);
  await ready(up, output);
  const stack: RunningStack = {
    home,
    environment,
    landfall,
    async json<T>(...words: readonly string[]) {
      const { code, out, err } = await landfall(...words, '--json');
      if (out === '') throw new Error(`landfall ${words.join(' ')} ended with ${code}: ${err}`);
      return JSON.parse(out) as T;
    },
    async processId(name) {
      const processes = await stack.processes();
      const found = processes.find((candidate) => candidate.name === name);
      if (found === undefined)
        throw new Error(`${name} is not running: ${processes.map((p) => p.name).join(', ')}`);
      return found.pid;
    },
    async processes() {
      const { processes } = JSON.parse(await readFile(join(home, 'up.json'), 'utf8')) as {
        processes: readonly { name: string; pid: number }[];
      };
      return processes;
    },
    async stop() {
      const ended = new Promise<number | null>((resolve) => up.once('exit', (code) => resolve(code)));
      up.kill('SIGTERM');
      const code = await ended;
      await rm(home, { recursive: true, force: true });
      return code;
    },
  };
  return stack;
}

/** Resolves when the stack says that it is up. One that does not, in its time, is ended. */
async function ready(up: ChildProcess, output: readonly string[]): Promise<void> {
  const deadline = Date.now() + UP_WITHIN_MS;
  while (!output.join('').includes(UP_LINE)) {
    if (up.exitCode !== null) throw new Error(`landfall up ended with ${up.exitCode}:\n${output.join('')}`);
    if (Date.now() > deadline) {
      up.kill('SIGTERM');
      throw new Error(`landfall up was not ready in time:\n${output.join('')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function run(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [LANDFALL, ...words],
      { env: environment, maxBuffer: 64 * 1024 * 1024 },
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
  });
}

/** 20 ports nobody listens on, from a random place, so that stacks of parallel runs do not meet. */
async function freeBlock(): Promise<number> {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 1000) * 20;
    const taken = await Promise.all(Array.from({ length: 10 }, (_, offset) => isTaken(base + offset)));
    if (!taken.includes(true)) return base;
  }
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(true));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(false)));
  });
}

function definedOf(environment: NodeJS.ProcessEnv): Record<string, string> {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('LANDFALL_'));
  return Object.fromEntries(others.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
