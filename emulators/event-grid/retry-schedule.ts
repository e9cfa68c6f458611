// When a delivery that failed is tried again, and when it is given up.
// "Event Grid message delivery and retry", sections "Retry schedule" and "Retry policy".
import type { Subscription } from './configuration.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const RETRY_DELAYS_MS = [
  10 * SECOND_MS,
  30 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
];
const LAST_DELAY_MS = 12 * HOUR_MS;

/** The wait after the given number of failed attempts (1 or more), in milliseconds. */
export function retryDelayMs(failedAttempts: number): number {
  return RETRY_DELAYS_MS[failedAttempts - 1] ?? LAST_DELAY_MS;
}

/** How an attempt ended, in the words dead-lettered events use, and whether another one may end better. */
export interface FailedAttempt {
  readonly outcome: string;
  readonly retryable: boolean;
}

/**
 * Why a delivery is given up, or undefined when it is to be tried again. `ageMs` is the time since it was published,
 * on the scale of the retry policy.
 */
export function reasonToGiveUp(
  { outcome, retryable }: FailedAttempt,
  failedAttempts: number,
  ageMs: number,
  policy: Subscription['retry'],
): string | undefined {
  if (!retryable) return `UndeliverableDueTo${outcome}`;
  if (failedAttempts >= policy.maxDeliveryAttempts) return 'MaxDeliveryAttemptsExceeded';
  // Event Grid looks at the time to live when the next attempt would be made.
  if (ageMs + retryDelayMs(failedAttempts) >= policy.eventTimeToLiveMinutes * MINUTE_MS)
    return 'TimeToLiveExceeded';
  return undefined;
}
