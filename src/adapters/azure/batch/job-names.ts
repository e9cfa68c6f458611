import { shardOf } from '#domain/identity.ts';
import { STAGES } from '#domain/vocabulary.ts';

/** Jobs of a stage, pool and day that share its tasks: a listing stays short, a job that is stuck is not all of them. */
const SHARDS = 4;
const DAY_MS = 86_400_000;

const PATTERN = /^landfall-[a-z-]+-\d+-(\d{4})(\d{2})(\d{2})$/;

/** `landfall-<stage>-<pool>-<shard>-<yyyymmdd>`; at most 64 characters of `[a-z0-9-]`. */
export function jobIdOf(stage: string, pool: string, stageRunId: string, day: Date): string {
  const date = day.toISOString().slice(0, 10).replaceAll('-', '');
  return `landfall-${stage}-${pool}-${shardOf(stageRunId, SHARDS)}-${date}`;
}

/**
 * Later stages go first (Batch knows -1000 … 1000): what has begun is finished before more is begun, so that a backlog
 * waits at its beginning and holds nothing half done. What is no stage is as urgent as the first.
 */
export function priorityOf(stage: string): number {
  return 10 * Math.max(0, (STAGES as readonly string[]).indexOf(stage));
}

export function dayBefore(day: Date): Date {
  return new Date(day.getTime() - DAY_MS);
}

/** Whole days since the job's day; undefined for jobs of others. */
export function ageInDays(jobId: string, now: Date): number | undefined {
  const [, year, month, date] = PATTERN.exec(jobId) ?? [];
  if (year === undefined) return undefined;
  return Math.floor((now.getTime() - Date.UTC(Number(year), Number(month) - 1, Number(date))) / DAY_MS);
}
