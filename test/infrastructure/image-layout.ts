import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Reads Dockerfiles, and lays out in a folder what the image built from one would hold, without building it. */

export interface Instruction {
  readonly keyword: string;
  readonly text: string;
}

export interface Stage {
  readonly from: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly globalArguments: ReadonlyMap<string, string>;
  readonly stages: readonly Stage[];
}

export function readDockerfile(text: string): Dockerfile {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const globalArguments = new Map<string, string>();
  const stages: { from: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, keyword = '', rest = ''] = /^([A-Z]+)\s*(.*)$/.exec(line) ?? [];
    if (keyword === 'FROM') {
      const [from = '', , name] = rest.split(/\s+/);
      stages.push({ from, name, instructions: [] });
    } else if (stages.length === 0) {
      const [name = '', value = ''] = rest.split('=');
      globalArguments.set(name, value);
    } else stages.at(-1)!.instructions.push({ keyword, text: rest.replaceAll(/\s+/g, ' ') });
  }
  return { globalArguments, stages };
}

export interface Copy {
  readonly fromStage: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export function copiesOf(stage: Stage): readonly Copy[] {
  return stage.instructions
    .filter(({ keyword }) => keyword === 'COPY')
    .map(({ text }) => {
      const words = text.split(' ');
      const fromStage = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
      const paths = words.filter((word) => !word.startsWith('--'));
      return { fromStage, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
    });
}

/** The dependencies that a Dockerfile keeps. */
export function keptDependencies({ stages }: Dockerfile): readonly string[] {
  const run = stages[0]?.instructions.find(({ keyword }) => keyword === 'RUN')?.text ?? '';
  return /keep-dependencies\.mjs (.*?) &&/.exec(run)?.[1]?.split(' ') ?? [];
}

export const entryPointOf = (stage: Stage): readonly string[] =>
  JSON.parse(stage.instructions.find(({ keyword }) => keyword === 'ENTRYPOINT')?.text ?? '[]');

/** Fills `folder` with what lies below /landfall in the image. */
export function layOut(root: string, dockerfile: Dockerfile, folder: string): void {
  const final = dockerfile.stages.at(-1)!;
  for (const { fromStage, sources, target } of copiesOf(final)) {
    if (fromStage !== undefined) continue;
    for (const source of sources) {
      const to = join(folder, target, target.endsWith('/') ? basename(source) : '');
      mkdirSync(dirname(to), { recursive: true });
      cpSync(join(root, source), to, { recursive: true });
    }
  }
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  const kept = keptDependencies(dockerfile);
  execFileSync(process.execPath, [join(root, 'containers', 'keep-dependencies.mjs'), ...kept], {
    cwd: folder,
  });
  for (const name of packagesBelow(root, kept)) {
    const to = join(folder, 'node_modules', name);
    mkdirSync(dirname(to), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), to);
  }
}

/** What npm installs at the top for these dependencies: all that they depend on, as far as it is here. */
export function packagesBelow(root: string, names: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const waiting = names.map((name) => join('node_modules', name));
  const seen = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const nested = path.lastIndexOf('node_modules/');
    if (nested === 0) found.add(path.slice('node_modules/'.length));
    const manifest = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'));
    const needed = {
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies,
    };
    for (const name of Object.keys(needed)) {
      const place = resolveFrom(root, path, name);
      if (place !== undefined) waiting.push(place);
    }
  }
  return found;
}

function resolveFrom(root: string, from: string, name: string): string | undefined {
  for (let folder = from; folder !== '.'; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(root, candidate, 'package.json'))) return candidate;
  }
  const top = join('node_modules', name);
  return existsSync(join(root, top, 'package.json')) ? top : undefined;
}

/** Bytes below a folder, links followed; without what `keep-dependencies.mjs --trim` removes. */
export function sizeBytesOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    const path = join(folder, name);
    const stat = statSync(path);
    if (stat.isDirectory())
      return /[/\\]dist$/.test(folder) && /^(browser|react-native|workerd)$/.test(name)
        ? sum
        : sum + sizeBytesOf(path);
    return /\.(d\.[cm]?ts|map|md|markdown)$/.test(name) ? sum : sum + stat.size;
  }, 0);
}
