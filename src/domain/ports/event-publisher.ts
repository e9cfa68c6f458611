import type { Envelope } from '../messages.ts';

/** Pushes events to those who want push (an Event Grid topic). */
export interface EventPublisher {
  /** At least once. @throws {RetryableFailure} when not accepted. */
  publish(events: readonly Envelope[]): Promise<void>;
}
