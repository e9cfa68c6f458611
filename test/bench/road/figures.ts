/** The value below which `share` (0 … 1) of the sample lies: nearest rank. NaN for an empty sample. */
export function percentile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/** How long at least one of the intervals lasted. */
export function coveredMs(intervals: readonly Interval[]): number {
  let covered = 0;
  let reached = Number.NEGATIVE_INFINITY;
  for (const { startMs, endMs } of intervals.toSorted((a, b) => a.startMs - b.startMs)) {
    covered += Math.max(0, endMs - Math.max(startMs, reached));
    reached = Math.max(reached, endMs);
  }
  return covered;
}

/** `1.23 / 4.56`: p50 and p95 of milliseconds, in seconds. */
export function p50p95(sampleMs: readonly number[]): string {
  if (sampleMs.length === 0) return '—';
  return `${seconds(percentile(sampleMs, 0.5))} / ${seconds(percentile(sampleMs, 0.95))}`;
}

export function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
