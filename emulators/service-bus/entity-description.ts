/** What an operator declares about the entities of a namespace. Durations in milliseconds, sizes in bytes. */
import { NEVER_MS } from './message-queue.ts';

export interface ReceivableSettings {
  readonly lockDurationMs: number;
  readonly maxDeliveryCount: number;
  readonly defaultTimeToLiveMs: number;
  readonly deadLetterOnExpiration: boolean;
  /** Queue or topic the messages are moved on to. */
  readonly forwardTo: string | undefined;
  readonly forwardDeadLettersTo: string | undefined;
}

export interface IntakeSettings {
  readonly maxSizeBytes: number;
  /** `undefined`: no duplicate detection. */
  readonly duplicateWindowMs: number | undefined;
}

export interface QueueDescription extends ReceivableSettings, IntakeSettings {
  readonly name: string;
}

export interface TopicDescription extends IntakeSettings {
  readonly name: string;
  readonly defaultTimeToLiveMs: number;
  readonly subscriptions: readonly SubscriptionDescription[];
}

export interface SubscriptionDescription extends ReceivableSettings {
  readonly name: string;
  readonly rules: readonly RuleDescription[];
}

export interface RuleDescription {
  readonly name: string;
  readonly filter: FilterDescription;
}

export type FilterDescription =
  | {
      readonly kind: 'sql';
      readonly expression: string;
      /** Values of the `@name` parameters in the expression. */
      readonly parameters?: Readonly<Record<string, unknown>>;
    }
  | CorrelationFilterDescription;

/** Every field that is given must equal the message's; strings are compared exactly, upper and lower case differ. */
export interface CorrelationFilterDescription {
  readonly kind: 'correlation';
  readonly correlationId?: string | undefined;
  readonly messageId?: string | undefined;
  readonly to?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly label?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly replyToSessionId?: string | undefined;
  readonly contentType?: string | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface NamespaceDescription {
  readonly name: string;
  readonly queues: readonly QueueDescription[];
  readonly topics: readonly TopicDescription[];
}

export const DEFAULT_RULE: RuleDescription = {
  name: '$Default',
  filter: { kind: 'sql', expression: '1=1' },
};

/** What Service Bus assumes when a setting is left out. */
export const SERVICE_DEFAULTS = {
  lockDurationMs: 60_000,
  maxDeliveryCount: 10,
  defaultTimeToLiveMs: NEVER_MS,
  duplicateWindowMs: 10 * 60_000,
  maxSizeBytes: 1024 * 1024 * 1024,
} as const;

/** Standard tier: a message, and a batch as a whole, may have 256 KB. */
export const MAX_MESSAGE_SIZE_BYTES = 256 * 1024;

/** A message forwarded more often than this is dead-lettered where it is. */
export const MAX_FORWARD_HOPS = 4;
