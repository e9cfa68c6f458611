// Durations of the Batch REST API: ISO 8601, days and smaller.

const PATTERN = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** What Batch writes for "no limit". */
export const UNLIMITED_DURATION = 'P10675199DT2H48M5.4775807S';

/** The duration in milliseconds; undefined when the text is not a duration. No text is no limit. */
export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined || text === UNLIMITED_DURATION) return Number.POSITIVE_INFINITY;
  const match = PATTERN.exec(text);
  if (match === null || text === 'P' || text.endsWith('T')) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = match;
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}
