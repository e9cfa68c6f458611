/** Atom documents of administration clients, read into descriptions. */
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { parseDurationMs } from './duration.ts';
import {
  DEFAULT_RULE,
  type FilterDescription,
  type IntakeSettings,
  type QueueDescription,
  type ReceivableSettings,
  type RuleDescription,
  SERVICE_DEFAULTS,
  type SubscriptionDescription,
  type TopicDescription,
} from './entity-description.ts';
import { malformed, ServiceBusError } from './service-bus-error.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name) => name === 'KeyValueOfstringanyType',
});

const text = z.string().optional();
const keyValues = z
  .object({
    KeyValueOfstringanyType: z.array(
      z.object({
        Key: z.string(),
        Value: z.union([z.string(), z.object({ '#text': text, '@type': text })]),
      }),
    ),
  })
  .or(z.literal(''))
  .optional();
const ruleXml = z.object({
  Name: text,
  Filter: z
    .object({
      '@type': text,
      SqlExpression: text,
      Parameters: keyValues,
      CorrelationId: text,
      MessageId: text,
      To: text,
      ReplyTo: text,
      Label: text,
      SessionId: text,
      ReplyToSessionId: text,
      ContentType: text,
      Properties: keyValues,
    })
    .optional(),
  Action: z.object({ SqlExpression: text }).or(z.literal('')).optional(),
});
const entityXml = z.object({
  LockDuration: text,
  MaxDeliveryCount: text,
  MaxSizeInMegabytes: text,
  RequiresDuplicateDetection: text,
  DuplicateDetectionHistoryTimeWindow: text,
  RequiresSession: text,
  DefaultMessageTimeToLive: text,
  DeadLetteringOnMessageExpiration: text,
  ForwardTo: text,
  ForwardDeadLetteredMessagesTo: text,
  DefaultRuleDescription: ruleXml.optional(),
});
const emptyOr = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? {} : value), schema);
const contentXml = z.object({
  QueueDescription: emptyOr(entityXml).optional(),
  TopicDescription: emptyOr(entityXml).optional(),
  SubscriptionDescription: emptyOr(entityXml).optional(),
  RuleDescription: emptyOr(ruleXml).optional(),
});
const documentXml = z.object({ entry: z.object({ content: contentXml }) });

type EntityXml = z.output<typeof entityXml>;
type RuleXml = z.output<typeof ruleXml>;

export type RequestedEntity =
  | { readonly kind: 'queue'; readonly description: QueueDescription }
  | { readonly kind: 'topic'; readonly description: Omit<TopicDescription, 'subscriptions'> }
  | { readonly kind: 'subscription'; readonly description: SubscriptionDescription }
  | { readonly kind: 'rule'; readonly description: RuleDescription };

/** @throws ServiceBusError 400 when the document is none, or asks for what this emulator does not have */
export function readAtomRequest(body: string, name: string): RequestedEntity {
  const parsed = documentXml.safeParse(parser.parse(body));
  if (!parsed.success)
    throw malformed(`The body is no Atom entry with a description: ${z.prettifyError(parsed.error)}`);
  const content = parsed.data.entry.content;
  if (content.QueueDescription !== undefined) {
    const source = content.QueueDescription;
    return { kind: 'queue', description: { name, ...receivableOf(source), ...intakeOf(source) } };
  }
  if (content.TopicDescription !== undefined) {
    const source = content.TopicDescription;
    const defaultTimeToLiveMs = durationOf(
      source.DefaultMessageTimeToLive,
      SERVICE_DEFAULTS.defaultTimeToLiveMs,
    );
    return { kind: 'topic', description: { name, defaultTimeToLiveMs, ...intakeOf(source) } };
  }
  if (content.SubscriptionDescription !== undefined) {
    const source = content.SubscriptionDescription;
    const rule = source.DefaultRuleDescription;
    const rules = [rule === undefined ? DEFAULT_RULE : ruleOf(rule, rule.Name ?? DEFAULT_RULE.name)];
    return { kind: 'subscription', description: { name, ...receivableOf(source), rules } };
  }
  if (content.RuleDescription !== undefined) {
    return { kind: 'rule', description: ruleOf(content.RuleDescription, name) };
  }
  throw malformed(
    'The Atom entry has no QueueDescription, TopicDescription, SubscriptionDescription or RuleDescription.',
  );
}

function receivableOf(source: EntityXml): ReceivableSettings {
  if (source.RequiresSession === 'true') throw absent('Sessions are');
  return {
    lockDurationMs: durationOf(source.LockDuration, SERVICE_DEFAULTS.lockDurationMs),
    maxDeliveryCount: Number(source.MaxDeliveryCount ?? SERVICE_DEFAULTS.maxDeliveryCount),
    defaultTimeToLiveMs: durationOf(source.DefaultMessageTimeToLive, SERVICE_DEFAULTS.defaultTimeToLiveMs),
    deadLetterOnExpiration: source.DeadLetteringOnMessageExpiration === 'true',
    forwardTo: entityNameOf(source.ForwardTo),
    forwardDeadLettersTo: entityNameOf(source.ForwardDeadLetteredMessagesTo),
  };
}

function intakeOf(source: EntityXml): IntakeSettings {
  const windowMs = durationOf(source.DuplicateDetectionHistoryTimeWindow, SERVICE_DEFAULTS.duplicateWindowMs);
  return {
    maxSizeBytes:
      source.MaxSizeInMegabytes === undefined
        ? SERVICE_DEFAULTS.maxSizeBytes
        : Number(source.MaxSizeInMegabytes) * BYTES_PER_MEGABYTE,
    duplicateWindowMs: source.RequiresDuplicateDetection === 'true' ? windowMs : undefined,
  };
}

function ruleOf(source: RuleXml, name: string): RuleDescription {
  if (source.Action !== undefined && source.Action !== '' && source.Action.SqlExpression)
    throw absent('Rule actions are');
  return { name, filter: filterOf(source) };
}

function filterOf({ Filter: source }: RuleXml): FilterDescription {
  if (source?.['@type'] !== undefined && /TrueFilter|FalseFilter/.test(source['@type'])) {
    return { kind: 'sql', expression: source['@type'].endsWith('TrueFilter') ? '1=1' : '1=0' };
  }
  if (source?.SqlExpression !== undefined) {
    return { kind: 'sql', expression: source.SqlExpression, parameters: valuesOf(source.Parameters) };
  }
  return {
    kind: 'correlation',
    correlationId: source?.CorrelationId,
    messageId: source?.MessageId,
    to: source?.To,
    replyTo: source?.ReplyTo,
    label: source?.Label,
    sessionId: source?.SessionId,
    replyToSessionId: source?.ReplyToSessionId,
    contentType: source?.ContentType,
    properties: valuesOf(source?.Properties),
  };
}

function valuesOf(source: z.output<typeof keyValues>): Record<string, unknown> {
  if (source === undefined || source === '') return {};
  return Object.fromEntries(
    source.KeyValueOfstringanyType.map(({ Key, Value }) => [
      Key,
      typeof Value === 'string' ? Value : typedValue(Value['#text'] ?? '', Value['@type'] ?? ''),
    ]),
  );
}

/** `type` is an XML Schema type with any prefix, such as `d6p1:int`. */
function typedValue(value: string, type: string): unknown {
  if (/:(int|long|short|double|float|decimal)$/.test(type)) return Number(value);
  if (type.endsWith(':boolean')) return value === 'true';
  return type.endsWith(':dateTime') ? new Date(value) : value;
}

function durationOf(value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  const durationMs = parseDurationMs(value);
  if (durationMs === undefined) throw malformed(`'${value}' is no ISO 8601 duration.`);
  return durationMs;
}

/** Clients send the target as an address: `sb://host:port/queue`. */
function entityNameOf(address: string | undefined): string | undefined {
  return address?.replace(/^[a-z]+:\/\/[^/]*\//i, '') || undefined;
}

function absent(what: string): ServiceBusError {
  return new ServiceBusError('amqp:not-implemented', 400, `${what} not part of this emulator.`);
}
