import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmulatorUnderTest } from '../emulator-under-test.ts';
import {
  addJob,
  addPool,
  BATCH_ACCOUNT,
  batchClient,
  javascript,
  removeFolder,
  temporaryFolder,
  untilTask,
} from './batch-fixture.ts';

/** A process whose parent is gone may stay listed, dead, until somebody collects it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

describe('batch emulator as a process', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const flags = ['--data', join(folder, 'data'), '--account', BATCH_ACCOUNT.name, '--key', BATCH_ACCOUNT.key];
  let running: EmulatorUnderTest | undefined;

  const start = async (port = 0): Promise<EmulatorUnderTest> => {
    running = await EmulatorUnderTest.start('batch', [...flags, '--port', String(port)]);
    return running;
  };
  after(async () => {
    await running?.end('SIGKILL');
    removeFolder(folder);
  });

  it('loses no task to kill -9: completed ones stay so, running ones are killed and run again', async () => {
    const killed = await start();
    let client = batchClient(killed.endpoint);
    await addPool(client);
    await addJob(client, 'job');
    const runs = join(folder, 'runs.txt');
    await client.task.addCollection('job', [
      {
        id: 'done',
        commandLine: javascript(`require('fs').appendFileSync('${runs}', 'done ' + process.pid + '\\n')`),
      },
      {
        id: 'long',
        commandLine: javascript(
          `const fs = require('fs'); const again = fs.existsSync('${runs}.long'); fs.appendFileSync('${runs}.long', process.pid + '\\n'); if (!again) setInterval(() => {}, 1000)`,
        ),
      },
      { id: 'after', commandLine: javascript(''), dependsOn: { taskIds: ['long'] } },
    ]);
    await untilTask(client, 'job', 'done');
    await untilTask(client, 'job', 'long', ({ state }) => state === 'running' && existsSync(`${runs}.long`));
    const [firstPid = ''] = readFileSync(`${runs}.long`, 'utf8').split('\n');
    assert.equal(await killed.end('SIGKILL'), 'SIGKILL');
    assert.ok(isAlive(Number(firstPid)), 'the task outlives its emulator');

    client = batchClient((await start()).endpoint);
    const { executionInfo } = await untilTask(client, 'job', 'long');
    assert.equal(executionInfo?.requeueCount, 1);
    assert.equal(executionInfo?.result, 'success');
    assert.ok(!isAlive(Number(firstPid)), 'the task of the killed emulator is killed');
    await untilTask(client, 'job', 'after');
    assert.equal(readFileSync(runs, 'utf8').split('\n').length, 2, 'the completed task ran once');
    assert.equal((await client.task.get('job', 'done')).executionInfo?.requeueCount, 0);
  });

  it('starts in under two seconds, ends cleanly on SIGTERM, and says so when its port is taken', async () => {
    const first = running ?? (await start());
    await assert.rejects(
      EmulatorUnderTest.start('batch', [...flags, '--port', String(first.port)]),
      new RegExp(`exit 1: .*Port ${first.port} .*LANDFALL_PORT_BASE`),
    );
    assert.equal(await first.end('SIGTERM'), 0);
    running = undefined;
  });
});
