import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { isRunning } from '#composition/process-identity.ts';
import type { UpFile } from '#composition/up-file.ts';

const LANDFALL = join(import.meta.dirname, '..', '..', 'bin', 'landfall');
const UP_WITHIN_MS = 120_000;
const PROCESSES = ['service-bus', 'cosmos', 'event-grid', 'storage', 'batch', 'saga', 'handlers', 'api'];
/** One line that says of each process how long it took; the last three start side by side. */
const START_TIMES = new RegExp(
  `ready after: ${PROCESSES.slice(0, 5)
    .map((name) => `${name} \\d+\\.\\d s, `)
    .join('')}(\\w+ \\d+\\.\\d s(, |$)){3}`,
  'm',
);
const VIN = 'WVWZZZ1KZ6W000007';

interface Place {
  readonly LANDFALL_HOME: string;
  readonly LANDFALL_PORT_BASE: string;
}

/** `landfall up` as a person uses it: started, interrupted, killed and started again, with its state in a folder. */
describe('landfall up', function () {
  this.timeout(300_000);
  let place: Place;
  let folder: string;
  const running: ChildProcess[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-up-'));
    // What a shell would trip over, were it not quoted.
    place = { LANDFALL_HOME: join(folder, "it's $HOME"), LANDFALL_PORT_BASE: String(await freeBlock()) };
  });

  after(async () => {
    for (const child of running.splice(0)) await stop(child, 'SIGTERM');
    await rm(folder, { recursive: true, force: true });
  });

  const environmentOf = (of: Place) => {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('LANDFALL_'));
    return { ...Object.fromEntries(others), ...of };
  };

  function landfall(of: Place, ...words: readonly string[]) {
    return command(process.execPath, [LANDFALL, ...words], environmentOf(of));
  }

  async function up(of: Place): Promise<ChildProcess> {
    const child = spawn(process.execPath, [LANDFALL, 'up'], {
      env: environmentOf(of),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    let output = '';
    const isUp = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not up in time:\n${output}`)), UP_WITHIN_MS);
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (!output.includes('Landfall is up.') || !START_TIMES.test(output)) return;
          clearTimeout(timer);
          resolve();
        });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`ended with ${code}:\n${output}`));
      });
    });
    await isUp;
    return child;
  }

  async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exit = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }

  async function processesOf(of: Place): Promise<UpFile['processes']> {
    const text = await readFile(join(of.LANDFALL_HOME, 'up.json'), 'utf8');
    return (JSON.parse(text) as UpFile).processes;
  }

  const left = (processes: UpFile['processes']) =>
    processes.filter(({ pid, script }) => isRunning(pid, script)).map(({ name }) => name);

  it('before it, `landfall env` says that nothing is running', async () => {
    const { code, out, err } = await landfall(place, 'env');
    assert.equal(code, EXIT.notReady);
    assert.equal(out, '');
    assert.match(err, /is not running. Start it with: npx landfall up/);
  });

  it('names the port that is taken, the service it is for, and the remedy', async () => {
    const port = Number(place.LANDFALL_PORT_BASE) + 2;
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    const { code, err } = await landfall(place, 'up');
    other.close();
    assert.equal(code, EXIT.failed);
    assert.match(
      err,
      new RegExp(`Port ${port} \\(cosmos\\) is taken by another program.*LANDFALL_PORT_BASE=`, 's'),
    );
    assert.ok(!existsSync(join(place.LANDFALL_HOME, 'up.json')), 'and has started nothing');
  });

  it('accepts work: `landfall env` prints what a shell can take, and a second start says that it runs', async () => {
    await up(place);
    assert.deepEqual((await processesOf(place)).map(({ name }) => name).toSorted(), PROCESSES.toSorted());
    const { code, out } = await landfall(place, 'env');
    assert.equal(code, EXIT.ok);
    const shell = await command('sh', ['-c', `${out}\nprintf '%s\\n' "$LANDFALL_HOME" "$LANDFALL_API"`], {});
    assert.deepEqual(shell.out.trim().split('\n'), [
      place.LANDFALL_HOME,
      `http://127.0.0.1:${Number(place.LANDFALL_PORT_BASE) + 7}`,
    ]);
    const second = await landfall(place, 'up');
    assert.equal(second.code, EXIT.failed);
    assert.match(second.err, /is running already \(process \d+\). Stop it with `landfall down`/);
    assert.equal((await landfall(place, 'vehicle', 'set', VIN, '--reference-clock', 'gnss')).code, EXIT.ok);
  });

  it('runs beside another checkout’s, with state of its own; Ctrl-C ends that one and all its processes', async () => {
    const beside: Place = {
      LANDFALL_HOME: join(folder, 'beside'),
      LANDFALL_PORT_BASE: String(await freeBlock()),
    };
    const child = await up(beside);
    const processes = await processesOf(beside);
    assert.deepEqual(left(processes).length, PROCESSES.length);
    assert.doesNotMatch((await landfall(beside, 'vehicle', 'show', VIN)).out, /gnss/);
    // npm passes the terminal's Ctrl-C on once more.
    const code = stop(child, 'SIGINT');
    child.kill('SIGINT');
    assert.equal(await code, EXIT.ok);
    assert.deepEqual(left(processes), []);
    assert.equal((await landfall(beside, 'env')).code, EXIT.notReady);
    assert.equal((await landfall(place, 'env')).code, EXIT.ok, 'the first one is still there');
  });

  it('killed, leaves orphans; the next start ends them and finds its state again', async () => {
    const orphans = await processesOf(place);
    await stop(running[0]!, 'SIGKILL');
    assert.deepEqual(left(orphans).length, PROCESSES.length, 'a killed supervisor cannot stop anybody');
    assert.equal((await landfall(place, 'env')).code, EXIT.notReady);
    const child = await up(place);
    assert.deepEqual(left(orphans), []);
    assert.match((await landfall(place, 'vehicle', 'show', VIN)).out, /gnss/);
    const processes = await processesOf(place);
    const { code, out } = await landfall(place, 'down');
    assert.equal(code, EXIT.ok, out);
    assert.deepEqual(left(processes), []);
    assert.equal(child.exitCode, EXIT.ok);
  });
});

function command(
  program: string,
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(program, words, { env: { PATH: process.env['PATH'], ...environment } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
  });
}

/** 20 ports nobody listens on, from a random place, so that stacks of parallel runs do not meet. */
async function freeBlock(): Promise<number> {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 1000) * 20;
    const free = await Promise.all(Array.from({ length: 8 }, (_, offset) => isFree(base + offset)));
    if (!free.includes(false)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
