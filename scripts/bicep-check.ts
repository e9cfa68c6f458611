// Compiles and lints bicep/ with the real Bicep CLI: BICEP_CLI, else the PATH, else with --download a copy fetched
// into node_modules/.cache. Without one it says so and succeeds, unless --required is given.
import { accessSync, constants, globSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Bicep } from 'bicep-node';

const ROOT = join(import.meta.dirname, '..');
const NAME = process.platform === 'win32' ? 'bicep.exe' : 'bicep';
/** `bicep jsonrpc`, which bicep-node speaks, and typed variables came with 0.36 at the latest. */
const VERSION_MIN = [0, 36] as const;

/** Path of a Bicep CLI that is here already, or undefined. */
export function findBicepCli(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const named = environment['BICEP_CLI'];
  const onPath = (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, NAME));
  const cached = join(ROOT, 'node_modules', '.cache', 'bicep', NAME);
  const candidates = named === undefined || named === '' ? [...onPath, cached] : [named];
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Whether a version is one that these sources can be checked with. */
export function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > VERSION_MIN[0] || minor >= VERSION_MIN[1];
}

export interface Compiled {
  /** Errors and warnings, as `path(line,column): level code: message`. */
  readonly findings: readonly string[];
  /** The ARM template of main.bicep. */
  readonly template: unknown;
}

/** Compiles main.bicep, bootstrap.bicep and all parameters files. @throws {Error} when the CLI is too old. */
export async function compileAll(cli: string): Promise<Compiled> {
  const bicep = await Bicep.initialize(cli);
  try {
    const version = await bicep.version();
    if (!isRecent(version)) {
      throw new Error(`${cli} is Bicep ${version}; ${VERSION_MIN.join('.')} or newer is needed. Update it.`);
    }
    const findings: string[] = [];
    let template: unknown;
    for (const path of ['bicep/main.bicep', 'bicep/bootstrap.bicep']) {
      const { success, diagnostics, contents } = await bicep.compile({ path: join(ROOT, path) });
      findings.push(...diagnostics.filter(({ level }) => level !== 'Info').map(lineOf));
      if (!success && diagnostics.length === 0) findings.push(`${path}: did not compile`);
      if (path === 'bicep/main.bicep' && contents !== undefined) template = JSON.parse(contents);
    }
    for (const path of globSync('bicep/environments/*.bicepparam', { cwd: ROOT })) {
      const compiled = await bicep.compileParams({ path: join(ROOT, path), parameterOverrides: {} });
      findings.push(...compiled.diagnostics.filter(({ level }) => level !== 'Info').map(lineOf));
      if (!compiled.success && compiled.diagnostics.length === 0) findings.push(`${path}: did not compile`);
    }
    return { findings: [...new Set(findings)], template };
  } finally {
    bicep.dispose();
  }
}

type Diagnostic = Awaited<ReturnType<Bicep['compile']>>['diagnostics'][number];

function lineOf({ source, range, level, code, message }: Diagnostic): string {
  return `${source}(${range.start.line + 1},${range.start.char + 1}): ${level} ${code}: ${message}`;
}

async function download(): Promise<string> {
  const folder = join(ROOT, 'node_modules', '.cache', 'bicep');
  mkdirSync(folder, { recursive: true });
  return Bicep.install(folder);
}

if (import.meta.main) {
  const cli =
    findBicepCli(process.env) ?? (process.argv.includes('--download') ? await download() : undefined);
  if (cli === undefined) {
    console.log(
      'bicep:check skipped: no Bicep CLI. Set BICEP_CLI, put bicep on the PATH, or add --download.',
    );
    process.exit(process.argv.includes('--required') ? 1 : 0);
  }
  const { findings } = await compileAll(cli);
  for (const finding of findings) console.error(finding);
  console.log(`bicep:check: ${findings.length} findings (${cli})`);
  process.exit(findings.length === 0 ? 0 : 1);
}
