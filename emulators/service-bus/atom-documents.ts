/**
 * Entities as the Atom documents of the Service Bus management API ("Service Bus resource manager REST API", Atom
 * entries with a QueueDescription, TopicDescription, SubscriptionDescription or RuleDescription as their content).
 */
import { formatDuration } from './duration.ts';
import {
  type Entity,
  type QueueEntity,
  type ReceivableEntity,
  type SubscriptionEntity,
  sizeBytesOf,
  type TopicEntity,
} from './entity.ts';
import {
  type CorrelationFilterDescription,
  type FilterDescription,
  MAX_MESSAGE_SIZE_BYTES,
  SERVICE_DEFAULTS,
} from './entity-description.ts';
import { NEVER_MS } from './message-queue.ts';
import type { SubscriptionRule } from './subscription-rule.ts';

const NAMESPACE = 'http://schemas.microsoft.com/netservices/2010/10/servicebus/connect';
const COUNTS_NAMESPACE = 'http://schemas.microsoft.com/netservices/2011/06/servicebus';
const INSTANCE_NAMESPACE = 'http://www.w3.org/2001/XMLSchema-instance';
const SCHEMA_NAMESPACE = 'http://www.w3.org/2001/XMLSchema';
const ATOM_NAMESPACE = 'http://www.w3.org/2005/Atom';
const BYTES_PER_MEGABYTE = 1024 * 1024;
const SQL_COMPATIBILITY_LEVEL = 20;

/** One resource: where it is, and its description as XML. */
export interface AtomResource {
  readonly path: string;
  readonly xml: string;
}

export function entryDocument(baseUrl: string, resource: AtomResource): string {
  const url = escapeXml(`${baseUrl}/${resource.path}`);
  return (
    `<entry xmlns="${ATOM_NAMESPACE}"><id>${url}</id><title type="text">${escapeXml(titleOf(resource.path))}</title>` +
    `<published>1970-01-01T00:00:00Z</published><updated>1970-01-01T00:00:00Z</updated>` +
    `<link rel="self" href="${url}"/><content type="application/xml">${resource.xml}</content></entry>`
  );
}

export interface FeedPage {
  readonly path: string;
  readonly resources: readonly AtomResource[];
  /** Query string of the next page. */
  readonly nextQuery: string | undefined;
}

export function feedDocument(baseUrl: string, page: FeedPage): string {
  const url = escapeXml(`${baseUrl}/${page.path}`);
  const next =
    page.nextQuery === undefined ? '' : `<link rel="next" href="${url}?${escapeXml(page.nextQuery)}"/>`;
  return (
    `<feed xmlns="${ATOM_NAMESPACE}"><title type="text">${escapeXml(page.path)}</title><id>${url}</id>` +
    `<updated>1970-01-01T00:00:00Z</updated><link rel="self" href="${url}"/>${next}` +
    `${page.resources.map((resource) => entryDocument(baseUrl, resource)).join('')}</feed>`
  );
}

export function errorDocument(status: number, detail: string): string {
  return `<Error>${element('Code', status)}${element('Detail', detail)}</Error>`;
}

export function namespaceResource(name: string): AtomResource {
  const xml = described('NamespaceInfo', [
    element('CreatedTime', '1970-01-01T00:00:00Z'),
    element('MessagingSKU', 'Standard'),
    element('ModifiedTime', '1970-01-01T00:00:00Z'),
    element('Name', name),
    element('NamespaceType', 'Messaging'),
  ]);
  return { path: '$namespaceinfo', xml };
}

export function entityResource(entity: Entity): AtomResource {
  if (entity.kind === 'queue') return { path: entity.path, xml: queueXml(entity) };
  if (entity.kind === 'topic') return { path: entity.path, xml: topicXml(entity) };
  return { path: entity.path, xml: subscriptionXml(entity) };
}

export function ruleResource(subscription: SubscriptionEntity, rule: SubscriptionRule): AtomResource {
  const { name, filter } = rule.description;
  const xml = described('RuleDescription', [
    filterXml(filter),
    '<Action i:type="EmptyRuleAction"/>',
    element('CreatedAt', timestamp(rule.createdAt)),
    element('Name', name),
  ]);
  return { path: `${subscription.path}/Rules/${name}`, xml };
}

function queueXml(queue: QueueEntity): string {
  const { description } = queue;
  return described('QueueDescription', [
    element('LockDuration', formatDuration(description.lockDurationMs)),
    element('MaxSizeInMegabytes', description.maxSizeBytes / BYTES_PER_MEGABYTE),
    element('RequiresDuplicateDetection', description.duplicateWindowMs !== undefined),
    element('RequiresSession', false),
    element('DefaultMessageTimeToLive', formatDuration(description.defaultTimeToLiveMs)),
    element('DeadLetteringOnMessageExpiration', description.deadLetterOnExpiration),
    element('DuplicateDetectionHistoryTimeWindow', duplicateWindow(description.duplicateWindowMs)),
    element('MaxDeliveryCount', description.maxDeliveryCount),
    element('EnableBatchedOperations', true),
    element('SizeInBytes', sizeBytesOf(queue)),
    element('MessageCount', messageCount(queue)),
    ...commonElements(queue),
    element('ForwardTo', description.forwardTo),
    element('ForwardDeadLetteredMessagesTo', description.forwardDeadLettersTo),
    element('EnablePartitioning', false),
    element('EnableExpress', false),
    element('MaxMessageSizeInKilobytes', MAX_MESSAGE_SIZE_BYTES / 1024),
  ]);
}

function topicXml(topic: TopicEntity): string {
  const { description } = topic;
  return described('TopicDescription', [
    element('DefaultMessageTimeToLive', formatDuration(description.defaultTimeToLiveMs)),
    element('MaxSizeInMegabytes', description.maxSizeBytes / BYTES_PER_MEGABYTE),
    element('RequiresDuplicateDetection', description.duplicateWindowMs !== undefined),
    element('DuplicateDetectionHistoryTimeWindow', duplicateWindow(description.duplicateWindowMs)),
    element('EnableBatchedOperations', true),
    element('SizeInBytes', sizeBytesOf(topic)),
    ...commonElements(topic),
    element('SupportOrdering', true),
    element('SubscriptionCount', topic.subscriptions.size),
    element('EnablePartitioning', false),
    element('EnableExpress', false),
    element('MaxMessageSizeInKilobytes', MAX_MESSAGE_SIZE_BYTES / 1024),
  ]);
}

function subscriptionXml(subscription: SubscriptionEntity): string {
  const { description } = subscription;
  return described('SubscriptionDescription', [
    element('LockDuration', formatDuration(description.lockDurationMs)),
    element('RequiresSession', false),
    element('DefaultMessageTimeToLive', formatDuration(description.defaultTimeToLiveMs)),
    element('DeadLetteringOnMessageExpiration', description.deadLetterOnExpiration),
    element('DeadLetteringOnFilterEvaluationExceptions', false),
    element('MessageCount', messageCount(subscription)),
    element('MaxDeliveryCount', description.maxDeliveryCount),
    element('EnableBatchedOperations', true),
    ...commonElements(subscription),
    element('ForwardTo', description.forwardTo),
    element('ForwardDeadLetteredMessagesTo', description.forwardDeadLettersTo),
  ]);
}

function commonElements(entity: Entity): string[] {
  const createdAt = timestamp(entity.createdAt);
  return [
    element('Status', 'Active'),
    element('CreatedAt', createdAt),
    element('UpdatedAt', createdAt),
    element('AccessedAt', createdAt),
    countDetails(entity),
    element('AutoDeleteOnIdle', formatDuration(NEVER_MS)),
    element('EntityAvailabilityStatus', 'Available'),
  ];
}

/** Deferred messages count as active: they are in the queue, and are neither scheduled nor dead. */
function countDetails(entity: Entity): string {
  const { active, deferred, scheduled } = entity.main.queue.counts();
  const counts: readonly [name: string, count: number][] = [
    ['ActiveMessageCount', active + deferred],
    ['DeadLetterMessageCount', entity.kind === 'topic' ? 0 : entity.deadLetter.queue.size],
    ['ScheduledMessageCount', scheduled],
    // Forwarding happens at once, so nothing is ever found on its way.
    ['TransferMessageCount', 0],
    ['TransferDeadLetterMessageCount', entity.kind === 'topic' ? 0 : entity.transferDeadLetter.queue.size],
  ];
  const elements = counts.map(([name, count]) => element(`d2p1:${name}`, count)).join('');
  return `<CountDetails xmlns:d2p1="${COUNTS_NAMESPACE}">${elements}</CountDetails>`;
}

function messageCount(entity: ReceivableEntity): number {
  return entity.main.queue.size + entity.deadLetter.queue.size + entity.transferDeadLetter.queue.size;
}

function filterXml(filter: FilterDescription): string {
  if (filter.kind === 'correlation') return correlationFilterXml(filter);
  const fields = [
    element('SqlExpression', filter.expression),
    element('CompatibilityLevel', SQL_COMPATIBILITY_LEVEL),
    keyValues('Parameters', filter.parameters ?? {}),
  ];
  return `<Filter i:type="SqlFilter">${fields.join('')}</Filter>`;
}

function correlationFilterXml(filter: CorrelationFilterDescription): string {
  const fields = [
    element('CorrelationId', filter.correlationId),
    element('MessageId', filter.messageId),
    element('To', filter.to),
    element('ReplyTo', filter.replyTo),
    element('Label', filter.label),
    element('SessionId', filter.sessionId),
    element('ReplyToSessionId', filter.replyToSessionId),
    element('ContentType', filter.contentType),
    keyValues('Properties', filter.properties),
  ];
  return `<Filter i:type="CorrelationFilter">${fields.join('')}</Filter>`;
}

function keyValues(name: string, values: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(values).map(([key, value]) => {
    const text = value instanceof Date ? value.toISOString() : String(value);
    return (
      `<KeyValueOfstringanyType>${element('Key', key)}` +
      `<Value xmlns:d6p1="${SCHEMA_NAMESPACE}" i:type="d6p1:${schemaTypeOf(value)}">${escapeXml(text)}</Value>` +
      '</KeyValueOfstringanyType>'
    );
  });
  return entries.length === 0 ? '' : `<${name}>${entries.join('')}</${name}>`;
}

function schemaTypeOf(value: unknown): string {
  if (typeof value === 'number') return 'double';
  if (typeof value === 'boolean') return 'boolean';
  return value instanceof Date ? 'dateTime' : 'string';
}

function described(name: string, elements: readonly string[]): string {
  return `<${name} xmlns="${NAMESPACE}" xmlns:i="${INSTANCE_NAMESPACE}">${elements.join('')}</${name}>`;
}

function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;
}

function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '<': '&lt;',
    '>': '&gt;',
    '&': '&amp;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return text.replace(/[<>&"']/g, (character) => entities[character] ?? character);
}

function duplicateWindow(windowMs: number | undefined): string {
  return formatDuration(windowMs ?? SERVICE_DEFAULTS.duplicateWindowMs);
}

function timestamp(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** Entities carry their path as title, rules and subscriptions their name. */
function titleOf(path: string): string {
  const match = /\/(?:Rules|Subscriptions)\/([^/]+)$/i.exec(path);
  return match?.[1] ?? path;
}
