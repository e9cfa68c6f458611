import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A Python with the packages of test/conformance/tables/requirements.txt; LANDFALL_TABLES_PYTHON names another. */
const VENV = join(tmpdir(), 'landfall-tables-venv');

export function tablesPython(): string | undefined {
  const path = process.env['LANDFALL_TABLES_PYTHON'] ?? join(VENV, 'bin/python');
  return existsSync(path) ? path : undefined;
}

/** To be said when there is none. */
export const HOW_TO_GET_PYTHON = `no Python with deltalake, pandas and pyarrow: python3 -m venv ${VENV} && ${VENV}/bin/pip install -r test/conformance/tables/requirements.txt`;

/** Standard output of a script. */
export function runPython(
  python: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): string {
  return execFileSync(python, [...words], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...environment },
  });
}
