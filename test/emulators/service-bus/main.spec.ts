// The emulator as a process of its own: started, stopped, and killed.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { entitiesOf, eventually, fetchJson } from './local-namespace.ts';

const MAIN = join(import.meta.dirname, '../../../emulators/service-bus/main.ts');

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly adminPort: number;
}

describe('Service Bus: the process', function () {
  this.timeout(30_000);
  let folder: string;
  let entitiesFile: string;
  const children: ChildProcess[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-service-bus-'));
    entitiesFile = join(folder, 'entities.json');
    const entities = entitiesOf(
      [
        { Name: 'work' },
        { Name: 'once', Properties: { RequiresDuplicateDetection: true } },
        { Name: 'target' },
        { Name: 'gone' },
      ],
      [{ Name: 'commands', Subscriptions: [{ Name: 'target', Properties: { ForwardTo: 'target' } }] }],
    );
    writeFileSync(entitiesFile, JSON.stringify(entities));
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('says when it is ready and where, and closes cleanly on SIGTERM', async () => {
    const running = await start(['--data', join(folder, 'clean')]);
    const { status } = await fetchJson<{ status: string }>(`http://127.0.0.1:${running.adminPort}/health`);
    assert.equal(status, 'healthy');
    running.child.kill('SIGTERM');
    const [code] = await once(running.child, 'exit');
    assert.equal(code, 0);
  });

  it('names the port that is taken and the remedy', async () => {
    const { port } = await start([]);
    const { code, errors } = await runToEnd([
      '--entities',
      entitiesFile,
      '--port',
      String(port),
      '--admin-port',
      '0',
    ]);
    assert.equal(code, 1);
    assert.match(errors, new RegExp(`Port ${port} is taken.*--port.*LANDFALL_PORT_BASE`, 's'));
  });

  it('names what is wrong with its entities file', async () => {
    const missing = await runToEnd(['--entities', join(folder, 'nowhere.json')]);
    assert.match(missing.errors, /nowhere\.json does not exist/);
    const brokenFile = join(folder, 'broken.json');
    writeFileSync(brokenFile, '{"UserConfig": {');
    const broken = await runToEnd(['--entities', brokenFile]);
    assert.equal(broken.code, 1);
    assert.match(broken.errors, /broken\.json is not JSON/);
  });

  it('brings back queues, scheduled, deferred and dead messages and seen ids after kill -9', async () => {
    const data = join(folder, 'kinds');
    const first = await start(['--data', data]);
    const client = clientOf(first.port);
    const dueAt = new Date(Date.now() + 1500);
    await client
      .createSender('work')
      .sendMessages(['active', 'deferred', 'dead', 'abandoned'].map((body) => ({ body })));
    const receiver = client.createReceiver('work');
    const messages = await receiver.receiveMessages(4, { maxWaitTimeInMs: 2000 });
    await receiver.deferMessage(messages[1]!);
    await receiver.deadLetterMessage(messages[2]!, {
      deadLetterReason: 'Poison',
      deadLetterErrorDescription: 'why',
    });
    await receiver.abandonMessage(messages[3]!, { note: 'kept' });
    await client.createSender('work').scheduleMessages({ body: 'scheduled' }, dueAt);
    await client.createSender('once').sendMessages({ body: 1, messageId: 'A' });
    await client.createSender('commands').sendMessages({ body: 'forwarded', subject: 's' });
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await client.close();

    const second = await start(['--data', data]);
    const again = clientOf(second.port);
    const work = again.createReceiver('work');
    const back = await work.receiveMessages(2, { maxWaitTimeInMs: 2000 });
    assert.deepEqual(
      back.map((message) => [message.body, message.deliveryCount, message.applicationProperties?.['note']]),
      [
        ['active', 0, undefined],
        ['abandoned', 1, 'kept'],
      ],
    );
    const [deferred] = await work.receiveDeferredMessages(messages[1]!.sequenceNumber!);
    assert.equal(deferred?.body, 'deferred');
    const graveyard = again.createReceiver('work', { subQueueType: 'deadLetter' });
    const [dead] = await graveyard.receiveMessages(1, { maxWaitTimeInMs: 1000 });
    assert.deepEqual([dead?.body, dead?.deadLetterReason], ['dead', 'Poison']);
    await again.createSender('once').sendMessages({ body: 2, messageId: 'A' });
    assert.equal((await again.createReceiver('once').peekMessages(5)).length, 1, 'the id is still known');
    assert.equal((await again.createReceiver('target').peekMessages(5))[0]?.body, 'forwarded');
    const [scheduled] = await work.receiveMessages(1, { maxWaitTimeInMs: 4000 });
    assert.equal(scheduled?.body, 'scheduled');
    assert.ok(Date.now() >= dueAt.getTime() - 5);
    assert.ok(scheduled.sequenceNumber! > messages[3]!.sequenceNumber!, 'sequence numbers go on');
    await again.close();
  });

  it('loses no acknowledged message, and repeats no acknowledged completion, when killed under load', async () => {
    const data = join(folder, 'load');
    let running = await start(['--data', data]);
    const { port } = running;
    const client = clientOf(port);
    const acknowledged = new Set<number>();
    const completed = new Set<string>();
    const seen = new Set<number>();
    let repeatedAfterCompletion = 0;
    let isStopping = false;
    let nextId = 0;
    const sender = client.createSender('work');
    const receiver = client.createReceiver('work', { maxAutoLockRenewalDurationInMs: 0 });
    receiver.subscribe(
      {
        processMessage: async (message) => {
          const number = String(message.sequenceNumber);
          seen.add(message.body);
          if (completed.has(number)) repeatedAfterCompletion++;
          try {
            await receiver.completeMessage(message);
            completed.add(number);
          } catch (error) {
            // The process was killed under it: the message comes again.
            assert.ok(error instanceof Error);
          }
        },
        processError: async () => undefined,
      },
      { maxConcurrentCalls: 20, autoCompleteMessages: false },
    );
    const publish = async (): Promise<void> => {
      while (!isStopping) {
        const id = nextId++;
        try {
          await sender.sendMessages({ body: id });
          acknowledged.add(id);
        } catch (error) {
          // Not acknowledged, so nothing is promised about it. A refused connection comes back at once: give it a moment.
          assert.ok(error instanceof Error);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const publishers = Array.from({ length: 8 }, publish);
    for (let kill = 1; kill <= 2; kill++) {
      await eventually('traffic flows', () => acknowledged.size > kill * 150, 10_000);
      running.child.kill('SIGKILL');
      await once(running.child, 'exit');
      running = await start(['--data', data, '--port', String(port)]);
    }
    await eventually('traffic flows again', () => acknowledged.size > 450, 10_000);
    isStopping = true;
    await Promise.all(publishers);
    const lost = () => [...acknowledged].filter((id) => !seen.has(id));
    await eventually('every acknowledged message arrives', () => lost().length === 0, 10_000);
    assert.equal(repeatedAfterCompletion, 0);
    await client.close();
  });

  async function start(flags: readonly string[]): Promise<Running> {
    const ports = ['--port', '0', '--admin-port', '0'].filter(
      (_, index) => index > 1 || !flags.includes('--port'),
    );
    const child = spawn(process.execPath, [MAIN, '--entities', entitiesFile, ...ports, ...flags]);
    children.push(child);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    await eventually('the emulator is ready', () => {
      assert.equal(child.exitCode, null, errors);
      return output.includes('\n');
    });
    const { port, adminPort, ready, service } = JSON.parse(output);
    assert.deepEqual([ready, service], [true, 'service-bus']);
    return { child, port, adminPort };
  }

  async function runToEnd(flags: readonly string[]): Promise<{ code: number | null; errors: string }> {
    const child = spawn(process.execPath, [MAIN, ...flags]);
    children.push(child);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const [code] = await once(child, 'close');
    return { code, errors };
  }
});

function clientOf(port: number): ServiceBusClient {
  return new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;` +
      'SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;',
    { retryOptions: { maxRetries: 30, retryDelayInMs: 50, maxRetryDelayInMs: 100, timeoutInMs: 1000 } },
  );
}
