import { EXIT } from './exit-codes.ts';

/** One thing that `landfall doctor` looked at. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'warning' | 'failed';
  /** What was found, in a few words. */
  readonly found: string;
  /** What to do; there is one whenever the state is not `ok`. */
  readonly remedy?: string;
}

const SIGNS = { ok: '✓', warning: '!', failed: '✗' } as const;

export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map((finding) => finding.name.length));
  return findings
    .flatMap(({ name, state, found, remedy }) => [
      `${SIGNS[state]} ${name.padEnd(width)}  ${found}`,
      ...(remedy === undefined ? [] : [`  ${' '.repeat(width)}  → ${remedy}`]),
    ])
    .join('\n');
}

export function findingsExitCode(findings: readonly Finding[]): number {
  return findings.some((finding) => finding.state === 'failed') ? EXIT.failed : EXIT.ok;
}
