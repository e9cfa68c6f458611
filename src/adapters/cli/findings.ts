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

/** The finding of a check that lists what is wrong: all is well when the list is empty. */
export function findingOf(
  name: string,
  problems: readonly string[],
  { ok, remedy }: { readonly ok: string; readonly remedy: string },
): Finding {
  if (problems.length === 0) return { name, state: 'ok', found: ok };
  return { name, state: 'failed', found: problems.join('; '), remedy };
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
