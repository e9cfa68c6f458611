import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Compiled, compileAll, findBicepCli, isRecent } from '../../scripts/bicep-check.ts';

describe('the Bicep CLI', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-bicep-'));
  after(() => rmSync(folder, { recursive: true }));

  it('is taken from BICEP_CLI, or else from the PATH', () => {
    const cli = join(folder, process.platform === 'win32' ? 'bicep.exe' : 'bicep');
    writeFileSync(cli, '', { mode: 0o755 });
    assert.equal(findBicepCli({ BICEP_CLI: cli, PATH: '' }), cli);
    assert.equal(findBicepCli({ PATH: `/nowhere:${folder}` }), cli);
    assert.equal(findBicepCli({ BICEP_CLI: join(folder, 'absent'), PATH: folder }), undefined);
  });

  it('must know what the sources use', () => {
    assert.deepEqual(['0.35.1', '0.36.1', '0.40.2', '1.0.0'].map(isRecent), [false, true, true, true]);
  });
});

describe('the compiled template', function () {
  this.timeout(120_000);
  let compiled: Compiled;

  before(async function () {
    const cli = findBicepCli(process.env);
    if (cli === undefined) {
      console.log('    skipped: no Bicep CLI (set BICEP_CLI, or run npm run bicep:check -- --download once)');
      this.skip();
    }
    compiled = await compileAll(cli);
  });

  it('has no errors and no warnings', () => assert.deepEqual(compiled.findings, []));

  it('holds every queue, topic and container the code knows', () => {
    const text = JSON.stringify(compiled.template);
    const names = [
      ...[...readFileSync('bicep/service-bus-entities.json', 'utf8').matchAll(/"Name": "([^"]+)"/g)],
      ...[...readFileSync('bicep/cosmos-containers.json', 'utf8').matchAll(/"name": "([^"]+)"/g)],
    ].map((match) => match[1] ?? '');
    assert.deepEqual(
      names.filter((name) => !text.includes(name)),
      [],
    );
  });

  it('opens nothing to the public, and hands on no key', () => {
    const values = [...propertiesOf(compiled.template)];
    const all = (name: string) => values.filter(([key]) => key === name).map(([, value]) => value);
    for (const name of ['allowSharedKeyAccess', 'allowBlobPublicAccess', 'adminUserEnabled', 'allowInsecure'])
      assert.ok(
        all(name).every((value) => value === false),
        name,
      );
    for (const name of ['disableLocalAuth', 'DisableLocalAuth', 'supportsHttpsTrafficOnly'])
      assert.ok(
        all(name).every((value) => value === true),
        name,
      );
    assert.doesNotMatch(JSON.stringify(compiled.template), /listKeys\(/);
  });
});

function* propertiesOf(value: unknown): Generator<readonly [string, unknown]> {
  if (typeof value !== 'object' || value === null) return;
  for (const entry of Object.entries(value)) {
    yield entry;
    yield* propertiesOf(entry[1]);
  }
}
