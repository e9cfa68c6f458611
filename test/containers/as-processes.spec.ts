import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import type { Envelope } from '#domain/messages.ts';
import { TaskReportBody } from '#domain/tasks/task-report.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { copyStage } from '#handlers/copy.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { registerHandler } from '#handlers/register.ts';
import { validateStage } from '#handlers/validate.ts';
import { startIngestionEndpoint } from '#test/support/ingestion-endpoint.ts';
import { smallBag, timesNs } from '#test/support/small-bag.ts';
import { StageBench } from '#test/support/stage-bench.ts';

const ACCOUNTS = ['landing', 'raw', 'archive', 'operations'];
const ROOT = join(import.meta.dirname, '..', '..');
const PLACE = { generation: 1, attempt: 1 };

describe('task containers as processes, on storage that speaks Azure', function () {
  this.timeout(60_000);
  const key = Buffer.from('k'.repeat(64)).toString('base64');
  const home = mkdtempSync(join(tmpdir(), 'landfall-processes-'));
  let storage: RunningStorage;
  let bench: StageBench;
  let api: Server;

  before(async () => {
    storage = await startStorage({
      accounts: ACCOUNTS.map((name) => ({ name, key, hierarchical: name === 'landing' })),
      dataFolder: join(home, 'storage'),
    });
    const accounts = ACCOUNTS.map((name) => [
      name,
      { endpoint: `${storage.endpoint}/${name}`, access: { auth: 'emulator-key', key } as const },
    ]);
    bench = new StageBench(new AzureBlobStore(new StorageAccounts(Object.fromEntries(accounts))));
    api = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const taskId = /^\/tasks\/([^/]+)\/report$/.exec(request.url ?? '')?.[1] ?? '';
        reportTask(bench, taskId, TaskReportBody.parse(JSON.parse(body))).then(
          () => response.writeHead(202).end(),
          (error: unknown) => response.writeHead(500).end(String(error)),
        );
      });
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    api.close();
    await storage.close();
    rmSync(home, { recursive: true, force: true });
  });

  function run(
    image: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<{ code: number; errors: string }> {
    const connectionStrings = ACCOUNTS.map((name) => [
      name,
      `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};BlobEndpoint=${storage.endpoint}/${name};`,
    ]);
    const child = spawn(
      process.execPath,
      [join(ROOT, 'containers', image.replace('landfall/', ''), 'main.ts')],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          PATH: process.env['PATH'],
          LANDFALL_HOME: home,
          LANDFALL_API: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
          LANDFALL_STORAGE_CONNECTION_STRINGS: JSON.stringify(Object.fromEntries(connectionStrings)),
          ...environment,
        },
      },
    );
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    return new Promise((resolve) => {
      child.on('close', (code) => resolve({ code: code ?? -1, errors }));
    });
  }

  async function runSubmitted(from: number): Promise<void> {
    for (const task of bench.tasks.submitted().slice(from)) {
      const { code, errors } = await run(task.image, task.environment);
      assert.equal(code, 0, errors);
    }
  }

  it('validate, copy, verify and remove a recording, and report by themselves', async () => {
    const bag = await smallBag({ timesNs: timesNs(1_772_600_000_000_000_000n, 500, 10) });
    const recording = await bench.land({
      'a.bag': bag,
      'deep/er/notes.txt': Uint8Array.of(65, 66),
      'empty.log': new Uint8Array(0),
    });
    const validate = batchStageHandler(validateStage(bench), bench);
    await validate(
      bench.command('landfall.measurement.validate.v1', { ...PLACE, stage: 'validate', recording }),
    );
    await runSubmitted(0);
    await validate(bench.said('landfall.stage.conclude.v1')[0] as Envelope);
    const { ledger, quality } = bench.said('landfall.measurement.validated.v1')[0]!.data;
    assert.equal(quality.messageCount, 500);

    await registerHandler(bench)(
      bench.command(
        'landfall.measurement.register.v1',
        { ...PLACE, stage: 'register', recording, ledger, quality },
        20,
      ),
    );
    const { raw, archive } = bench.said('landfall.measurement.registered.v1')[0]!.data;
    const copy = batchStageHandler(copyStage(bench), bench);
    await copy(
      bench.command(
        'landfall.measurement.copy.v1',
        { ...PLACE, stage: 'copy', recording, ledger, raw, archive },
        30,
      ),
    );
    await runSubmitted(1);
    await copy(bench.said('landfall.stage.conclude.v1')[1] as Envelope);
    const { dataStream } = bench.said('landfall.measurement.copied.v1')[0]!.data;
    assert.equal(dataStream.fileCount, 4);
    assert.deepEqual(await bench.paths('landing'), []);
    const rawFolder = raw.locations[0]!;
    for (const folder of [rawFolder, archive])
      assert.deepEqual(await bench.blobs.read({ ...folder, path: `${folder.path}a.bag` }), bag);
    const telemetry = readFileSync(join(home, 'telemetry', 'tasks.jsonl'), 'utf8');
    assert.equal(telemetry.match(/"task\.ended"/g)?.length, 4);
  });

  it('report to Application Insights where they are told to, in the trace of their stage', async () => {
    const endpoint = await startIngestionEndpoint();
    try {
      const traceparent = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
      const recording = await bench.land({ 'b.txt': Uint8Array.of(1, 2, 3) });
      const from = bench.tasks.submitted().length;
      const command = bench.command(
        'landfall.measurement.validate.v1',
        { generation: 2, attempt: 1, stage: 'validate', recording },
        50,
      );
      await batchStageHandler(validateStage(bench), bench)({ ...command, traceparent });
      const [task] = bench.tasks.submitted().slice(from);
      const told = await run(task!.image, { ...task!.environment, ...endpoint.environment });
      assert.equal(told.code, 0, told.errors);
      const [ran] = endpoint.named('task landfall/validate');
      assert.equal(ran?.data.baseType, 'RequestData');
      assert.equal(ran?.tags['ai.operation.id'], 'c'.repeat(32));
      assert.equal(ran?.tags['ai.operation.parentId'], 'd'.repeat(16));
      assert.equal(ran?.tags['ai.cloud.role'], 'landfall/validate');
      const [ended] = endpoint.named('task.ended');
      assert.equal(ended?.tags['ai.operation.id'], 'c'.repeat(32));
      assert.ok((ended?.data.baseData.measurements?.['total'] ?? -1) >= 0);
      const reads = endpoint.items.filter((item) => item.data.baseData.name?.startsWith('GetBlob landing/'));
      assert.ok(reads.length > 0);
      assert.equal(reads[0]?.tags['ai.operation.parentId'], ran?.data.baseData.id);
      assert.equal(endpoint.metric('landfall.task.duration').length, 1);
    } finally {
      await endpoint.close();
    }
  });

  it('say on standard error what is wrong with their settings, and that no retry helps', async () => {
    const { code, errors } = await run('landfall/copy', { LANDFALL_TASK_CONFIGURATION: 'nonsense' });
    assert.equal(code, 2);
    assert.match(errors, /LANDFALL_TASK_CONFIGURATION is "nonsense"; it must be account\/container\/path/);
  });
});
