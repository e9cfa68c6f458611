import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '#composition/process-identity.ts';
import { type ProcessDefinition, Supervisor, type SupervisorTimes } from '#composition/supervisor.ts';

const TIMES: SupervisorTimes = { restartDelaysMs: [0, 400], recoveredAfterMs: 60_000, stopWithinMs: 600 };

/** Says that it is ready, waits, and writes its name into `ends.txt` when it is asked to end. */
const OBEDIENT = `
  import { appendFileSync } from 'node:fs';
  const [name, folder] = process.argv.slice(2);
  process.on('SIGTERM', () => { appendFileSync(folder + '/ends.txt', name + '\\n'); process.exit(0); });
  console.log(JSON.stringify({ ready: true, name }));
  setInterval(() => undefined, 1000);
`;
const DEAF = `
  process.on('SIGTERM', () => undefined);
  console.log(JSON.stringify({ ready: true }));
  setInterval(() => undefined, 1000);
`;
const BROKEN = `console.error('the disk is on fire'); process.exit(7);`;
const SILENT = `console.log('hello'); setInterval(() => undefined, 1000);`;
/** Ready the first time, dead before it is ready ever after. */
const FRAIL = `
  import { appendFileSync, existsSync } from 'node:fs';
  const [name, folder] = process.argv.slice(2);
  const mark = folder + '/frail.txt';
  const first = !existsSync(mark);
  appendFileSync(mark, performance.timeOrigin + '\\n');
  if (!first) process.exit(1);
  console.log(JSON.stringify({ ready: true }));
  setInterval(() => undefined, 1000);
`;

describe('the supervisor', function () {
  this.timeout(30_000);
  let folder: string;
  let supervisor: Supervisor;
  let changeCount: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-supervisor-'));
    changeCount = 0;
    supervisor = new Supervisor(
      join(folder, 'logs'),
      () => {
        changeCount += 1;
      },
      TIMES,
    );
  });

  afterEach(async () => {
    await supervisor.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function processOf(name: string, source: string, readyWithinMs = 15_000): Promise<ProcessDefinition> {
    const script = join(folder, `${name}.mjs`);
    await writeFile(script, source);
    return {
      name,
      command: [process.execPath, script, name, folder],
      environment: process.env,
      readyWithinMs,
    };
  }

  async function eventually<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const deadline = performance.now() + 15_000;
    for (;;) {
      const seen = look();
      if (seen !== undefined && seen !== false) return seen;
      if (performance.now() > deadline) throw new Error(`${what} did not happen in time`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('waits for the ready line, and keeps what a process prints', async () => {
    await supervisor.start(await processOf('one', OBEDIENT));
    const [running] = supervisor.running();
    assert.equal(running?.name, 'one');
    assert.equal(running.restarts, 0);
    assert.ok(isRunning(running.pid, running.script));
    assert.match(await readFile(join(folder, 'logs', 'one.log'), 'utf8'), /"ready":true/);
  });

  it('says how long a process took to be ready', async () => {
    const late = `setTimeout(() => console.log(JSON.stringify({ ready: true })), 400); setInterval(() => undefined, 1000);`;
    const startedAt = performance.now();
    const readyAfterMs = await supervisor.start(await processOf('late', late));
    assert.ok(readyAfterMs >= 400 && readyAfterMs <= performance.now() - startedAt, `${readyAfterMs} ms`);
  });

  it('starts what was killed again at once, and says so', async () => {
    await supervisor.start(await processOf('one', OBEDIENT));
    const { pid } = supervisor.running()[0]!;
    const before = changeCount;
    process.kill(pid, 'SIGKILL');
    const next = await eventually('a restart', () =>
      supervisor.running().find((candidate) => candidate.pid !== pid && candidate.restarts === 1),
    );
    assert.ok(isRunning(next.pid, next.script));
    assert.ok(changeCount > before);
  });

  it('waits longer before it starts again what keeps dying', async () => {
    await supervisor.start(await processOf('frail', FRAIL));
    process.kill(supervisor.running()[0]!.pid, 'SIGKILL');
    const starts = async () =>
      (await readFile(join(folder, 'frail.txt'), 'utf8')).trim().split('\n').map(Number);
    let seen: readonly number[] = [];
    for (let look = 0; look < 300 && seen.length < 4; look++) {
      seen = await starts();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(seen.length >= 4, 'it was tried again and again');
    const gaps = seen.slice(1).map((at, index) => at - seen[index]!);
    assert.ok(gaps[1]! >= 400 && gaps[2]! >= 400, `gaps of ${gaps.join(', ')} ms`);
  });

  it('fails with the last words of a process that ends before it is ready', async () => {
    await assert.rejects(supervisor.start(await processOf('broken', BROKEN)), {
      name: 'StartFailure',
      message: 'broken ended with exit code 7 before it was ready:\nthe disk is on fire',
    });
    assert.deepEqual(supervisor.running(), []);
  });

  it('kills a process that never says that it is ready', async () => {
    await assert.rejects(supervisor.start(await processOf('silent', SILENT, 1500)), {
      name: 'StartFailure',
      message: /silent was not ready within 1\.5 s/,
    });
    await supervisor.stop();
    assert.deepEqual(supervisor.running(), []);
  });

  it('says so when a program does not exist', async () => {
    const definition = { ...(await processOf('none', '')), command: [join(folder, 'nothing')] as [string] };
    await assert.rejects(supervisor.start(definition), /none could not be started: .*ENOENT/);
  });

  it('asks the last started to end first', async () => {
    for (const name of ['first', 'second', 'third']) await supervisor.start(await processOf(name, OBEDIENT));
    await supervisor.stop();
    assert.equal(await readFile(join(folder, 'ends.txt'), 'utf8'), 'third\nsecond\nfirst\n');
    assert.deepEqual(supervisor.running(), []);
  });

  it('kills what does not end when it is asked', async () => {
    await supervisor.start(await processOf('deaf', DEAF));
    const { pid, script } = supervisor.running()[0]!;
    const startedAt = performance.now();
    await supervisor.stop();
    assert.ok(performance.now() - startedAt >= TIMES.stopWithinMs - 50, 'it had its time');
    assert.ok(!isRunning(pid, script));
  });

  it('starts nothing again once it stops', async () => {
    await supervisor.start(await processOf('one', OBEDIENT));
    await supervisor.stop();
    const ends = await readFile(join(folder, 'ends.txt'), 'utf8');
    await new Promise((resolve) => setTimeout(resolve, TIMES.restartDelaysMs[1]! + 200));
    assert.deepEqual(supervisor.running(), []);
    assert.equal(ends, 'one\n');
    assert.ok(existsSync(join(folder, 'logs', 'one.log')));
  });
});
