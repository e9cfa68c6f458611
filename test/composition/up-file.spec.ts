import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalStack, localStack } from '#composition/local-stack.ts';
import { isRunning } from '#composition/process-identity.ts';
import { endOrphans, readUpFile, writeUpFile } from '#composition/up-file.ts';

/** The id of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

describe('up.json', function () {
  this.timeout(30_000);
  let stack: LocalStack;
  let script: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    stack = localStack({ LANDFALL_HOME: await mkdtemp(join(tmpdir(), 'landfall-up-file-')) });
    script = join(stack.home, 'worker.mjs');
    await writeFile(script, "console.log('up'); setInterval(() => undefined, 1000);");
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(stack.home, { recursive: true, force: true });
  });

  async function start(): Promise<number> {
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout!, 'data');
    return child.pid!;
  }

  function leave(pid: number, processes: readonly { name: string; pid: number; script: string }[]) {
    const content = {
      pid,
      script: 'landfall',
      ready: true,
      startedAt: new Date(0).toISOString(),
      processes: processes.map((process) => ({ ...process, restarts: 0 })),
    };
    return writeFile(join(stack.home, 'up.json'), JSON.stringify(content));
  }

  it('tells other commands who runs the stack', () => {
    assert.equal(readUpFile(stack), undefined);
    writeUpFile(stack, { ready: false, startedAt: 'now', processes: [] });
    const found = readUpFile(stack);
    assert.equal(found?.pid, process.pid);
    assert.equal(found.ready, false);
  });

  it('of a killed run counts as not running, also when its process id belongs to another program now', async () => {
    await leave(await endedPid(), []);
    assert.equal(readUpFile(stack), undefined);
    await leave(await start(), []);
    assert.equal(readUpFile(stack), undefined, 'that program is no landfall');
  });

  it('of a killed run names the orphans, which are ended', async () => {
    const pid = await start();
    await leave(await endedPid(), [{ name: 'cosmos', pid, script }]);
    assert.deepEqual(await endOrphans(stack), ['cosmos']);
    assert.ok(!isRunning(pid, script));
    assert.ok(!existsSync(join(stack.home, 'up.json')));
  });

  it('never lets a process be ended that is not one of ours', async () => {
    const pid = await start();
    await leave(await endedPid(), [{ name: 'cosmos', pid, script: '/somewhere/emulators/cosmos/main.ts' }]);
    assert.deepEqual(await endOrphans(stack), []);
    assert.ok(isRunning(pid, script));
  });

  it('of a run that is up has no orphans', async () => {
    const pid = await start();
    const processes = [{ name: 'cosmos', pid, restarts: 0, script }];
    writeUpFile(stack, { ready: true, startedAt: 'now', processes });
    assert.deepEqual(await endOrphans(stack), []);
    assert.ok(isRunning(pid, script));
  });
});
