import assert from 'node:assert/strict';
import sinon from 'sinon';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { type Actions, runProgram } from '#adapters/cli/program.ts';

describe('the command line', () => {
  let said: string;
  beforeEach(() => {
    said = '';
    const take = (text: unknown) => {
      said += String(text);
      return true;
    };
    // Commander writes help and complaints itself.
    sinon.stub(process.stdout, 'write').callsFake(take);
    sinon.stub(process.stderr, 'write').callsFake(take);
  });
  afterEach(() => sinon.restore());

  /** Actions that remember what they were called with. */
  function recordedActions(exitCode: number): {
    actions: Actions;
    calls: Record<string, readonly unknown[]>;
  } {
    const calls: Record<string, readonly unknown[]> = {};
    const actions = new Proxy({} as Actions, {
      get:
        (_, name) =>
        async (...arguments_: readonly unknown[]) => {
          calls[String(name)] = arguments_;
          return exitCode;
        },
    });
    return { actions, calls };
  }
  const run = async (line: string, exitCode: number = EXIT.ok) => {
    const { actions, calls } = recordedActions(exitCode);
    const code = await runProgram(line.split(' '), actions);
    sinon.restore();
    return { code, calls };
  };

  it('ends with the exit code of its verb', async () => {
    assert.equal((await run('status drive-7 --watch', EXIT.notShared)).code, EXIT.notShared);
  });

  it('hands over arguments and options, with what was left out', async () => {
    const { calls } = await run('dead-letters replay --all --rate 5 --dry-run');
    const [id, options] = calls['deadLettersReplay']!;
    assert.equal(id, undefined);
    assert.deepEqual({ ...(options as object) }, { all: true, rate: 5, dryRun: true, json: false });
  });

  it('takes several files in one option', async () => {
    const { calls } = await run('vehicle set WLF1 --dbc 1=a.dbc 2=b.dbc --json');
    assert.deepEqual(calls['vehicleSet']![0], 'WLF1');
    assert.deepEqual((calls['vehicleSet']![1] as { dbc: string[] }).dbc, ['1=a.dbc', '2=b.dbc']);
  });

  for (const [line, complaint] of [
    ['fly', /unknown command 'fly'/],
    ['upload', /missing required argument 'folder'/],
    ['cancel x', /required option '--reason/],
    ['rerun x --from landing --reason y', /Allowed choices are validate/],
    ['dead-letters replay --all --rate 0', /give a number above 0/],
    ['status --jason', /unknown option '--jason'[\s\S]*--json/],
  ] as const) {
    it(`refuses: landfall ${line}`, async () => {
      const { code, calls } = await run(line);
      assert.equal(code, EXIT.usage);
      assert.deepEqual(calls, {});
      assert.match(said, complaint);
    });
  }

  it('shows what there is, and the exit codes, when asked for help', async () => {
    assert.equal((await run('--help')).code, EXIT.ok);
    assert.match(said, /upload[\s\S]*dead-letters[\s\S]*Exit codes: 0 done/);
  });
});
