import { NEVER_MS } from './message-queue.ts';

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** An ISO 8601 duration such as `PT1M` or `P14D` in milliseconds; `undefined` when the text is none. */
export function parseDurationMs(text: string): number | undefined {
  const parts = DURATION.exec(text);
  if (parts === null || text === 'P' || text.endsWith('T')) return undefined;
  const [days, hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  const durationMs = (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000;
  return Math.min(Math.round(durationMs), NEVER_MS);
}

/** The shortest text Service Bus clients read back to the same duration. */
export function formatDuration(durationMs: number): string {
  if (durationMs >= NEVER_MS) return 'P10675199DT2H48M5.4775807S';
  return `PT${durationMs / 1000}S`;
}
