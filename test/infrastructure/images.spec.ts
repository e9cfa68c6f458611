import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { StorageAccounts } from '#adapters/azure/blob/storage-accounts.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { validateStage } from '#handlers/validate.ts';
import { smallBag, timesNs } from '#test/support/small-bag.ts';
import { StageBench } from '#test/support/stage-bench.ts';
import {
  copiesOf,
  type Dockerfile,
  entryPointOf,
  keptDependencies,
  layOut,
  readDockerfile,
} from './image-layout.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const images = globSync('containers/*/Dockerfile', { cwd: ROOT }).map((path) => path.split(/[/\\]/)[1] ?? '');
const textOf = (image: string) => readFileSync(join(ROOT, 'containers', image, 'Dockerfile'), 'utf8');

/** What is wrong with a Dockerfile, one sentence each. */
function problemsOf(text: string): readonly string[] {
  const dockerfile = readDockerfile(text);
  const { globalArguments, stages } = dockerfile;
  const final = stages.at(-1);
  if (final === undefined || stages.length < 2) return ['it has fewer than two stages'];
  const all = stages.flatMap(({ instructions }) => instructions);
  const inFinal = (keyword: string) => final.instructions.find((found) => found.keyword === keyword)?.text;
  const problems: string[] = [];
  const rule = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  for (const { from } of stages) {
    const base = globalArguments.get(/^\$\{(\w+)\}$/.exec(from)?.[1] ?? '');
    rule(base !== undefined, `FROM ${from} cannot be given by digest`);
    rule(base === undefined || /:(?!latest)[\w.-]+$/.test(base), `${base} has no tag, or a moving one`);
  }
  rule(
    /distroless/.test(globalArguments.get('RUNTIME_IMAGE') ?? ''),
    'the image it runs in is not distroless',
  );
  rule(/^[1-9]\d*:[1-9]\d*$/.test(inFinal('USER') ?? ''), 'it runs as root');
  rule(/^\["\/nodejs\/bin\/node"/.test(inFinal('ENTRYPOINT') ?? ''), 'its entry point goes through a shell');
  rule(inFinal('HEALTHCHECK') !== undefined, 'it says nothing about its health');
  rule(/NODE_ENV=production/.test(inFinal('ENV') ?? ''), 'it is not made for production');
  rule(inFinal('RUN') === undefined, 'it runs commands in the image that is kept');
  rule(!all.some(({ keyword }) => keyword === 'ADD'), 'it uses ADD');
  rule(
    !all.some(({ text: line }) => /\b(curl|wget|apt-get|sudo)\b/.test(line)),
    'it fetches more than npm does',
  );
  rule(!/\b(ARG|ENV)\b.*(secret|password|token)/i.test(text), 'it is given secrets');
  const fromHere = stages.flatMap(copiesOf).filter(({ fromStage }) => fromStage === undefined);
  for (const source of fromHere.flatMap(({ sources }) => sources)) {
    rule(source !== '.', 'it copies everything');
    rule(existsSync(join(ROOT, source)), `it copies ${source}, which is not there`);
  }
  return problems;
}

describe('Dockerfiles', () => {
  for (const image of images) {
    it(`of ${image} keeps the rules, and all it copies is there`, () => {
      assert.deepEqual(problemsOf(textOf(image)), []);
    });
  }

  const breakages: Readonly<Record<string, readonly [RegExp | string, string, RegExp]>> = {
    'runs as root': ['USER 65532:65532', 'USER root', /runs as root/],
    'has no user': [/USER .*\n/, '', /runs as root/],
    'goes through a shell': [/ENTRYPOINT \[.*\]/, 'ENTRYPOINT node main.ts', /through a shell/],
    'copies what is not there': ['COPY src src', 'COPY source src', /source, which is not there/],
    'copies everything': ['COPY src src', 'COPY . .', /copies everything/],
    'takes whatever is newest': ['node:24-bookworm-slim', 'node:latest', /a moving one/],
    'names its base where no digest can be given': [/FROM \S+ AS/, 'FROM node:24 AS', /given by digest/],
    'says nothing about health': [/HEALTHCHECK .*\n/, '', /nothing about its health/],
  };
  for (const [situation, [what, by, expected]] of Object.entries(breakages)) {
    it(`break a rule when one ${situation}`, () => {
      const broken = textOf('validate').replace(what, () => by);
      let said: string;
      try {
        said = problemsOf(broken).join('\n');
      } catch (error) {
        said = String(error);
      }
      assert.match(said, expected);
    });
  }

  it('get from the build context what .dockerignore lets through', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8');
    const allowed: readonly string[] = ignored.match(/(?<=^!).+$/gm) ?? [];
    for (const image of images)
      for (const { fromStage, sources } of readDockerfile(textOf(image)).stages.flatMap(copiesOf))
        for (const source of fromStage === undefined ? sources : [])
          assert.ok(
            [source, source.split('/')[0]].some((path) => allowed.includes(path ?? '')),
            `${image}: ${source}`,
          );
  });
});

describe('what an image holds, laid out in a folder', function () {
  this.timeout(120_000);
  const home = mkdtempSync(join(tmpdir(), 'landfall-images-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  function layOutImage(image: string): { readonly folder: string; readonly dockerfile: Dockerfile } {
    const folder = join(home, image);
    const dockerfile = readDockerfile(textOf(image));
    if (!existsSync(folder)) layOut(ROOT, dockerfile, folder);
    return { folder, dockerfile };
  }

  function start(
    image: string,
    environment: Readonly<Record<string, string>>,
    more: readonly string[] = [],
  ): Promise<{ readonly code: number; readonly errors: string }> {
    const { folder, dockerfile } = layOutImage(image);
    const [, ...rest] = entryPointOf(dockerfile.stages.at(-1)!);
    // Links are taken for the folders they stand for: what is not laid out is not found.
    const child = spawn(
      process.execPath,
      ['--preserve-symlinks', '--preserve-symlinks-main', ...rest, ...more],
      {
        cwd: folder,
        timeout: 60_000,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { NODE_ENV: 'production', NODE_OPTIONS: '--preserve-symlinks', ...environment },
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

  for (const image of images.filter((name) => name !== 'services')) {
    it(`${image} starts, and asks for its configuration`, async () => {
      const { code, errors } = await start(image, {
        LANDFALL_API: 'http://127.0.0.1:9',
        LANDFALL_STORAGE_ENDPOINTS: '{"operations":"https://operations.blob.core.windows.net"}',
      });
      assert.match(errors, /LANDFALL_TASK_CONFIGURATION is ""/);
      assert.equal(code, 2);
    });
  }

  it('every image has what reports to Application Insights, which is loaded only where it is told to', async () => {
    for (const image of images) {
      const kept = keptDependencies(readDockerfile(textOf(image)));
      for (const name of ['applicationinsights', '@opentelemetry/api'])
        assert.ok(kept.includes(name), `${image} does not keep ${name}`);
    }
    const { code, errors } = await start('copy', {
      LANDFALL_API: 'http://127.0.0.1:9',
      LANDFALL_STORAGE_ENDPOINTS: '{"operations":"https://operations.blob.core.windows.net"}',
      APPLICATIONINSIGHTS_CONNECTION_STRING:
        'InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=https://127.0.0.1:9/',
    });
    assert.match(errors, /LANDFALL_TASK_CONFIGURATION is ""/);
    assert.equal(code, 2);
  });

  it('services starts, and says which setting is missing', async () => {
    const { code, errors } = await start('services', { LANDFALL_API: 'https://api' }, [
      'worker',
      '--roles',
      'saga',
    ]);
    assert.match(errors, /LANDFALL_\w+ is not set/);
    assert.notEqual(code, 0);
  });

  describe('on storage that speaks Azure', () => {
    const key = Buffer.from('k'.repeat(64)).toString('base64');
    const accounts = ['landing', 'raw', 'archive', 'operations'];
    let storage: RunningStorage;
    before(async () => {
      storage = await startStorage({
        accounts: accounts.map((name) => ({ name, key, hierarchical: name === 'landing' })),
        dataFolder: join(home, 'storage'),
      });
    });
    after(() => storage.close());

    it('validate does its task', async () => {
      const entries = accounts.map((name) => [
        name,
        { endpoint: `${storage.endpoint}/${name}`, access: { auth: 'emulator-key', key } as const },
      ]);
      const bench = new StageBench(new AzureBlobStore(new StorageAccounts(Object.fromEntries(entries))));
      const bag = await smallBag({ timesNs: timesNs(1_772_600_000_000_000_000n, 50, 10) });
      const recording = await bench.land({ 'a.bag': bag });
      await batchStageHandler(
        validateStage(bench),
        bench,
      )(
        bench.command('landfall.measurement.validate.v1', {
          generation: 1,
          attempt: 1,
          stage: 'validate',
          recording,
        }),
      );
      const connectionStrings = accounts.map((name) => [
        name,
        `AccountName=${name};AccountKey=${key};BlobEndpoint=${storage.endpoint}/${name};`,
      ]);
      const before = (await bench.paths('operations', 'tasks')).length;
      const { code, errors } = await start('validate', {
        // Nobody listens there: the task does its work, writes its result, and says that it could not report it.
        LANDFALL_API: 'http://127.0.0.1:9',
        LANDFALL_STORAGE_CONNECTION_STRINGS: JSON.stringify(Object.fromEntries(connectionStrings)),
        LANDFALL_SCRATCH: join(home, 'scratch'),
        ...bench.tasks.submitted()[0]?.environment,
      });
      const written = await bench.paths('operations', 'tasks');
      assert.ok(written.length > before, `${code} ${errors} ${written}`);
      assert.doesNotMatch(errors, /ERR_MODULE_NOT_FOUND|Cannot find/);
    });
  });
});
