import { spawn } from 'node:child_process';
import { join } from 'node:path';

const LANDFALL = join(import.meta.dirname, '..', '..', 'bin', 'landfall');

export interface CommandEnd {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** Runs one command line as a process of its own. The variables stand beside those of this process. */
export function runLandfall(
  argv: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  const child = spawn(process.execPath, [LANDFALL, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  });
  const texts = { out: '', errors: '' };
  child.stdout.on('data', (chunk) => {
    texts.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    texts.errors += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, ...texts })));
}
