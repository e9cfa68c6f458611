import type { Envelope } from '../messages.ts';

export interface OutgoingMessage {
  readonly destination: { readonly kind: 'topic' | 'queue'; readonly name: string };
  readonly envelope: Envelope;
  /** Transport id; the CloudEvents id unless it is a retry or a replay. Duplicate detection looks at this only. */
  readonly messageId: string;
  /** Commands only: the consumer whose subscription takes it (domain/topology.ts). */
  readonly consumer?: string;
  /** Deliver not before this time. */
  readonly enqueueAt?: Date;
}

export interface MessageSender {
  /**
   * Resolves when every message is accepted. May send some twice, never in part silently.
   * @throws {RetryableFailure} when the broker did not accept all of them; send all again.
   */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
}

/** Sends a body as it is, to one queue: a dead letter may be anything, and goes back to the consumer that failed. */
export interface MessageResender {
  /** @throws {RetryableFailure} when the broker did not accept it. */
  resend(queue: string, body: unknown, messageId: string): Promise<void>;
}
