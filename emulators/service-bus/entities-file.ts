/**
 * The entities file: Config.json of Microsoft's own Service Bus emulator
 * (https://learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator), read into a
 * namespace description. Two settings go beyond it: `MaxSizeInMegabytes`, and durations below Azure's minimum (Azure:
 * lock 5 s, duplicate window 20 s), so that tests need not wait.
 */
import { z } from 'zod';
import { parseDurationMs } from './duration.ts';
import {
  type CorrelationFilterDescription,
  DEFAULT_RULE,
  type FilterDescription,
  type NamespaceDescription,
  type QueueDescription,
  type ReceivableSettings,
  type RuleDescription,
  SERVICE_DEFAULTS,
  type SubscriptionDescription,
  type TopicDescription,
} from './entity-description.ts';
import { compileSqlFilter } from './sql-filter.ts';

const MAX_LOCK_DURATION_MS = 5 * 60_000;

/** The entities file cannot be used. The message lists every fault with the place it is at. */
export class EntitiesFileError extends Error {
  override readonly name = 'EntitiesFileError';
}

const duration = z
  .string()
  .refine(
    (text) => parseDurationMs(text) !== undefined,
    'must be an ISO 8601 duration such as "PT1M" or "P14D"',
  );
const lockDuration = duration.refine((text) => {
  const lockMs = parseDurationMs(text) ?? 0;
  return lockMs > 0 && lockMs <= MAX_LOCK_DURATION_MS;
}, 'must be longer than zero and at most PT5M, the longest lock Service Bus gives');
const entityName = z
  .string()
  .regex(
    /^[A-Za-z0-9]([\w.\-/~]{0,258}[A-Za-z0-9_])?$/,
    'must be letters, digits, ".", "-", "_" or "/", at most 260',
  );
const shortName = z
  .string()
  .regex(/^[\w.\-$]{1,50}$/, 'must be letters, digits, ".", "-" or "_", at most 50');
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const noSessions = z.literal(false, {
  error: 'must be false: this emulator has no sessions; order by a sequence number in the message instead',
});

const receivable = {
  DeadLetteringOnMessageExpiration: z.boolean().optional(),
  DefaultMessageTimeToLive: duration.optional(),
  LockDuration: lockDuration.optional(),
  MaxDeliveryCount: z.int().min(1).max(2000).optional(),
  ForwardDeadLetteredMessagesTo: z.string().optional(),
  ForwardTo: z.string().optional(),
  RequiresSession: noSessions.optional(),
};
const intake = {
  DefaultMessageTimeToLive: duration.optional(),
  DuplicateDetectionHistoryTimeWindow: duration.optional(),
  RequiresDuplicateDetection: z.boolean().optional(),
  MaxSizeInMegabytes: z.number().positive().max(81_920).optional(),
};

const ruleSchema = z.strictObject({
  Name: shortName.optional(),
  Properties: z.strictObject({
    FilterType: z.enum(['Correlation', 'Sql']),
    CorrelationFilter: z
      .strictObject({
        ContentType: z.string().optional(),
        CorrelationId: z.string().optional(),
        Label: z.string().optional(),
        MessageId: z.string().optional(),
        ReplyTo: z.string().optional(),
        ReplyToSessionId: z.string().optional(),
        SessionId: z.string().optional(),
        To: z.string().optional(),
        Properties: z.record(z.string(), scalar).optional(),
      })
      .optional(),
    SqlFilter: z.strictObject({ SqlExpression: z.string().max(1024) }).optional(),
  }),
});
const subscriptionSchema = z.strictObject({
  Name: shortName,
  Properties: z.strictObject(receivable).optional(),
  Rules: z.array(ruleSchema).optional(),
});
const queueSchema = z.strictObject({
  Name: entityName,
  Properties: z.strictObject({ ...receivable, ...intake }).optional(),
});
const topicSchema = z.strictObject({
  Name: entityName,
  Properties: z.strictObject(intake).optional(),
  Subscriptions: z.array(subscriptionSchema).optional(),
});
const fileSchema = z.strictObject({
  UserConfig: z.strictObject({
    Namespaces: z
      .array(
        z.strictObject({
          Name: shortName,
          Queues: z.array(queueSchema).optional(),
          Topics: z.array(topicSchema).optional(),
        }),
      )
      .length(1, 'must hold exactly one namespace: a connection string cannot tell two apart on one port'),
    Logging: z.looseObject({}).optional(),
  }),
});

/** The file's content as a program writes it. */
export type EntitiesFile = z.input<typeof fileSchema>;
type ReceivableProperties = NonNullable<z.output<typeof subscriptionSchema>['Properties']>;
type IntakeProperties = NonNullable<z.output<typeof topicSchema>['Properties']>;

export function parseEntitiesFile(text: string, fileName: string): NamespaceDescription {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new EntitiesFileError(`${fileName} is not JSON: ${error.message}`);
  }
  return readEntities(content, fileName);
}

/** Checks the content of an entities file and says everything that is wrong with it at once. */
export function readEntities(content: unknown, fileName = 'The entities'): NamespaceDescription {
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      (issue) => `  ${issue.path.join('.') || '(top)'}: ${issue.message}`,
    );
    throw new EntitiesFileError(`${fileName} cannot be used:\n${faults.join('\n')}`);
  }
  const source = parsed.data.UserConfig.Namespaces[0]!;
  const namespace: NamespaceDescription = {
    name: source.Name,
    queues: (source.Queues ?? []).map(queueOf),
    topics: (source.Topics ?? []).map(topicOf),
  };
  const faults = [...nameFaults(namespace), ...forwardFaults(namespace), ...filterFaults(namespace)];
  if (faults.length > 0) {
    throw new EntitiesFileError(
      `${fileName} cannot be used:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
  }
  return namespace;
}

function queueOf(source: z.output<typeof queueSchema>): QueueDescription {
  const properties = source.Properties ?? {};
  return { name: source.Name, ...receivableOf(properties), ...intakeOf(properties) };
}

function topicOf(source: z.output<typeof topicSchema>): TopicDescription {
  const properties = source.Properties ?? {};
  return {
    name: source.Name,
    defaultTimeToLiveMs: timeToLiveOf(properties.DefaultMessageTimeToLive),
    subscriptions: (source.Subscriptions ?? []).map(subscriptionOf),
    ...intakeOf(properties),
  };
}

function subscriptionOf(source: z.output<typeof subscriptionSchema>): SubscriptionDescription {
  const rules = (source.Rules ?? []).map(ruleOf);
  return {
    name: source.Name,
    ...receivableOf(source.Properties ?? {}),
    rules: rules.length === 0 ? [DEFAULT_RULE] : rules,
  };
}

function receivableOf(properties: ReceivableProperties): ReceivableSettings {
  return {
    lockDurationMs: parseDurationMs(properties.LockDuration ?? '') ?? SERVICE_DEFAULTS.lockDurationMs,
    maxDeliveryCount: properties.MaxDeliveryCount ?? SERVICE_DEFAULTS.maxDeliveryCount,
    defaultTimeToLiveMs: timeToLiveOf(properties.DefaultMessageTimeToLive),
    deadLetterOnExpiration: properties.DeadLetteringOnMessageExpiration ?? false,
    // Microsoft's sample file writes "" for "does not forward".
    forwardTo: properties.ForwardTo || undefined,
    forwardDeadLettersTo: properties.ForwardDeadLetteredMessagesTo || undefined,
  };
}

function intakeOf(properties: IntakeProperties): {
  maxSizeBytes: number;
  duplicateWindowMs: number | undefined;
} {
  const windowMs =
    parseDurationMs(properties.DuplicateDetectionHistoryTimeWindow ?? '') ??
    SERVICE_DEFAULTS.duplicateWindowMs;
  return {
    maxSizeBytes:
      properties.MaxSizeInMegabytes === undefined
        ? SERVICE_DEFAULTS.maxSizeBytes
        : Math.round(properties.MaxSizeInMegabytes * 1024 * 1024),
    duplicateWindowMs: properties.RequiresDuplicateDetection === true ? windowMs : undefined,
  };
}

function timeToLiveOf(text: string | undefined): number {
  return parseDurationMs(text ?? '') ?? SERVICE_DEFAULTS.defaultTimeToLiveMs;
}

function ruleOf(source: z.output<typeof ruleSchema>, index: number): RuleDescription {
  return { name: source.Name ?? `rule-${index + 1}`, filter: filterOf(source.Properties) };
}

function filterOf(properties: z.output<typeof ruleSchema>['Properties']): FilterDescription {
  if (properties.FilterType === 'Sql') {
    return { kind: 'sql', expression: properties.SqlFilter?.SqlExpression ?? '' };
  }
  const source = properties.CorrelationFilter ?? {};
  const filter: CorrelationFilterDescription = {
    kind: 'correlation',
    contentType: source.ContentType,
    correlationId: source.CorrelationId,
    label: source.Label,
    messageId: source.MessageId,
    replyTo: source.ReplyTo,
    replyToSessionId: source.ReplyToSessionId,
    sessionId: source.SessionId,
    to: source.To,
    properties: source.Properties ?? {},
  };
  return filter;
}

function nameFaults(namespace: NamespaceDescription): string[] {
  const duplicates = (what: string, names: readonly string[]): string[] => {
    const lower = names.map((name) => name.toLowerCase());
    return names
      .filter((_, index) => lower.indexOf(lower[index]!) !== index)
      .map((name) => `${what} '${name}' is declared twice; names differ by more than upper and lower case.`);
  };
  return [
    ...duplicates(
      'Entity',
      [...namespace.queues, ...namespace.topics].map((entity) => entity.name),
    ),
    ...namespace.topics.flatMap((topic) => [
      ...duplicates(
        `Subscription of topic '${topic.name}'`,
        topic.subscriptions.map((subscription) => subscription.name),
      ),
      ...topic.subscriptions.flatMap((subscription) =>
        duplicates(
          `Rule of subscription '${topic.name}/${subscription.name}'`,
          subscription.rules.map((rule) => rule.name),
        ),
      ),
    ]),
  ];
}

function forwardFaults(namespace: NamespaceDescription): string[] {
  const targets = new Set(
    [...namespace.queues, ...namespace.topics].map((entity) => entity.name.toLowerCase()),
  );
  const check = (path: string, settings: ReceivableSettings): string[] =>
    [
      ['ForwardTo', settings.forwardTo] as const,
      ['ForwardDeadLetteredMessagesTo', settings.forwardDeadLettersTo] as const,
    ].flatMap(([setting, target]) => {
      if (target === undefined) return [];
      if (!targets.has(target.toLowerCase())) {
        return [
          `'${path}' has ${setting} '${target}', which is not a queue or topic of this file. Declare it.`,
        ];
      }
      return target.toLowerCase() === path.toLowerCase()
        ? [`'${path}' has ${setting} to itself. Name another queue or topic.`]
        : [];
    });
  return [
    ...namespace.queues.flatMap((queue) => check(queue.name, queue)),
    ...namespace.topics.flatMap((topic) =>
      topic.subscriptions.flatMap((subscription) =>
        check(`${topic.name}/${subscription.name}`, subscription),
      ),
    ),
  ];
}

function filterFaults(namespace: NamespaceDescription): string[] {
  const faults: string[] = [];
  for (const topic of namespace.topics) {
    for (const subscription of topic.subscriptions) {
      for (const { name, filter } of subscription.rules) {
        const fault = filterFault(filter);
        if (fault !== undefined)
          faults.push(`Rule '${name}' of '${topic.name}/${subscription.name}': ${fault}`);
      }
    }
  }
  return faults;
}

function filterFault(filter: FilterDescription): string | undefined {
  if (filter.kind === 'sql') {
    const compiled = compileSqlFilter(filter.expression);
    return 'fault' in compiled ? compiled.fault : undefined;
  }
  const { kind, properties, ...system } = filter;
  const isEmpty =
    Object.values(system).every((value) => value === undefined) && Object.keys(properties).length === 0;
  return isEmpty ? `a ${kind} filter needs at least one property to compare.` : undefined;
}
