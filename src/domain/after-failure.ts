import { Cancelled, Conflict, RetryableFailure, TerminalFailure } from './failures.ts';

/**
 * What becomes of a message whose handling failed. A retry is a copy on the consumer's own queue, scheduled for
 * later, then the original is completed: abandoning has no delay, and ten quick failures would be ten deliveries. A
 * crash between the two gives a duplicate, which the consumer recognises by the CloudEvents id.
 */

/** Waits before the first, second and third retry, in milliseconds; after that the message is a dead letter. */
export const RETRY_DELAYS_MS: readonly number[] = [30_000, 300_000, 1_800_000];

/** Somebody else was first: soon, because what stood in the way is already over. */
const CONFLICT_DELAY_MS = 5_000;

/** Service Bus keeps this much of a dead letter's description. */
const DESCRIPTION_LENGTH_MAX = 1024;

export interface Delivery {
  readonly cloudEventId: string;
  /** Transport id; a replay has its number in it (`#r2`). */
  readonly messageId: string;
  /** Times the broker delivered this transport message, this time included. */
  readonly deliveryCount: number;
  /** 0 for the message as it was first sent; each retry is a copy with the next number. Travels with the message. */
  readonly copyNumber: number;
  /** Retries that were spent on failures, not on conflicts. Travels with the message. */
  readonly failureCount: number;
}

export type AfterFailure =
  | {
      readonly action: 'retry-later';
      readonly delayMs: number;
      /** Transport id of the copy: never one that was used before, or duplicate detection would swallow it. */
      readonly messageId: string;
      readonly copyNumber: number;
      readonly failureCount: number;
    }
  | {
      readonly action: 'dead-letter';
      /** `<class>:<code>`. */
      readonly reason: string;
      readonly description: string;
    }
  /** Gives the message back as it is: this process is stopping. */
  | { readonly action: 'abandon' };

/** @param delaysMs waits before the retries; a setting, short in tests. */
export function afterFailure(
  error: unknown,
  delivery: Delivery,
  delaysMs: readonly number[] = RETRY_DELAYS_MS,
): AfterFailure {
  if (error instanceof Cancelled) return { action: 'abandon' };
  if (error instanceof TerminalFailure) return deadLetter(error);
  if (error instanceof Conflict) return retryLater(delivery, CONFLICT_DELAY_MS, delivery.failureCount);
  const delayMs = delaysMs[delivery.failureCount];
  if (delayMs === undefined) return deadLetter(error);
  const atLeastMs = error instanceof RetryableFailure ? (error.retryAfterMs ?? 0) : 0;
  return retryLater(delivery, Math.max(delayMs, atLeastMs), delivery.failureCount + 1);
}

function retryLater(delivery: Delivery, delayMs: number, failureCount: number): AfterFailure {
  const copyNumber = delivery.copyNumber + 1;
  // A replay that fails again is another dead letter than the first, and the next replay must get the next number.
  const replayNumber = /#r\d+/.exec(delivery.messageId)?.[0] ?? '';
  // The delivery count tells the copies of a message apart that was delivered twice and failed twice.
  const messageId = `${delivery.cloudEventId}${replayNumber}~d${copyNumber}.${delivery.deliveryCount}`;
  return { action: 'retry-later', delayMs, messageId, copyNumber, failureCount };
}

function deadLetter(error: unknown): AfterFailure {
  const failure = error instanceof TerminalFailure || error instanceof RetryableFailure ? error : undefined;
  const reason = failure === undefined ? `Unexpected:${nameOf(error)}` : `${failure.name}:${failure.code}`;
  const sentences = [error instanceof Error ? error.message : String(error), ...(failure?.details ?? [])];
  return {
    action: 'dead-letter',
    reason,
    description: sentences.join(' ').slice(0, DESCRIPTION_LENGTH_MAX),
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
