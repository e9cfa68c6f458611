// What people mistype and what stands in the way ends with a sentence and its exit code, never with a stack trace.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeApi } from '#test/support/fake-api.ts';
import { runLandfall } from '#test/support/run-landfall.ts';
import { smallBag } from '#test/support/small-bag.ts';

describe('the command line', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-command-line-'));
  const bag = join(folder, 'a.bag');
  const home = join(folder, 'home');
  before(async () => {
    writeFileSync(bag, await smallBag({ timesNs: [1_000_000_000n, 2_000_000_000n] }));
  });
  after(() => rmSync(folder, { recursive: true }));

  const cases: readonly {
    readonly what: string;
    readonly argv: readonly string[];
    readonly variables?: Readonly<Record<string, string>>;
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    {
      what: 'a file that is not there',
      argv: ['inspect', join(folder, 'b.bag')],
      code: 4,
      says: /b\.bag: there is no such file; name /,
    },
    {
      what: 'a file where a folder is meant',
      argv: ['upload', bag],
      variables: { LANDFALL_HOME: home },
      code: 2,
      says: /a\.bag is not a folder\. Name /,
    },
    {
      what: 'a picture that has no folder to lie in',
      argv: ['inspect', bag, '--png', join(folder, 'no', 'a.png')],
      code: 1,
      says: /--png .*a\.png: its folder does not exist; make it/,
    },
    {
      what: 'an output folder that is a file',
      argv: ['extract', bag, '--out', bag],
      code: 1,
      says: /--out .*a\.bag: this is a file, not a folder; name another/,
    },
    {
      what: 'an end before the start',
      argv: ['extract', bag, '--out', join(folder, 'out'), '--from', '5', '--to', '2'],
      code: 2,
      says: /--from "5" is not before --to "2"/,
    },
    {
      what: 'a range to keep that ends before it begins',
      argv: ['extract', bag, '--out', join(folder, 'out'), '--downsample', 'keep=5..2'],
      code: 2,
      says: /"keep=5\.\.2" ends before it begins/,
    },
    {
      what: 'a state folder that is a file',
      argv: ['status'],
      variables: { LANDFALL_HOME: bag },
      code: 1,
      says: /state folder .*a\.bag cannot be used \(ENOTDIR\)\. Set LANDFALL_HOME/,
    },
    {
      what: 'a port base that is none',
      argv: ['env'],
      variables: { LANDFALL_HOME: home, LANDFALL_PORT_BASE: 'abc' },
      code: 1,
      says: /LANDFALL_PORT_BASE is abc; give a number/,
    },
    {
      what: 'an API of a deployment that is out of reach',
      argv: ['status'],
      variables: { LANDFALL_API: 'https://api.landfall.invalid' },
      code: 5,
      says: /api\.landfall\.invalid does not answer.*inside its own network/,
    },
  ];
  for (const { what, argv, variables, code, says } of cases) {
    it(`speaks of ${what}`, async () => {
      const end = await runLandfall(argv, variables);
      assert.match(end.errors, says);
      assert.doesNotMatch(end.errors, /\n {4}at /);
      assert.equal(end.code, code);
    });
  }

  it('asks a deployment with its address and a token alone', async () => {
    const api = new FakeApi();
    const address = await api.start();
    api.answers.set('GET /measurements', { status: 200, body: { measurements: [] } });
    try {
      const end = await runLandfall(['status', '--json'], { LANDFALL_API: address, LANDFALL_API_TOKEN: 't' });
      assert.deepEqual(end, { code: 0, out: '[]\n', errors: '' });
    } finally {
      await api.stop();
    }
  });
});
