/** Rules of a subscription: a message is copied into it, once, when any of its rules matches. */
import type {
  CorrelationFilterDescription,
  FilterDescription,
  RuleDescription,
} from './entity-description.ts';
import { decodeApplicationProperties, decodeProperties, type MessageContent } from './message-codec.ts';
import { malformed } from './service-bus-error.ts';
import { compileSqlFilter, type FilterSubject } from './sql-filter.ts';

export interface SubscriptionRule {
  readonly description: RuleDescription;
  readonly createdAt: number;
  readonly matches: (subject: FilterSubject) => boolean;
}

export function compileRule(description: RuleDescription, createdAt: number): SubscriptionRule {
  return { description, createdAt, matches: compileFilter(description.filter) };
}

/** Decodes only what a filter asks for: most rules look at one section, or at none. */
export function subjectOf(content: MessageContent): FilterSubject {
  let system: FilterSubject['system'] | undefined;
  let user: FilterSubject['user'] | undefined;
  return {
    get system() {
      system ??= systemPropertiesOf(content);
      return system;
    },
    get user() {
      user ??= decodeApplicationProperties(content);
      return user;
    },
  };
}

function systemPropertiesOf(content: MessageContent): FilterSubject['system'] {
  const properties = decodeProperties(content);
  return {
    contenttype: properties.content_type,
    correlationid: properties.correlation_id,
    label: properties.subject,
    messageid: properties.message_id,
    replyto: properties.reply_to,
    replytosessionid: properties.reply_to_group_id,
    sessionid: properties.group_id,
    subject: properties.subject,
    to: properties.to,
  };
}

function compileFilter(filter: FilterDescription): (subject: FilterSubject) => boolean {
  if (filter.kind === 'correlation') return (subject) => correlates(filter, subject);
  const compiled = compileSqlFilter(filter.expression, filter.parameters);
  if ('fault' in compiled) throw malformed(compiled.fault);
  return compiled.matches;
}

function correlates(filter: CorrelationFilterDescription, subject: FilterSubject): boolean {
  const { kind: _kind, properties, ...system } = filter;
  const systemMatches = Object.entries(system).every(
    ([name, wanted]) =>
      wanted === undefined || wanted === '' || subject.system[name.toLowerCase()] === wanted,
  );
  return (
    systemMatches &&
    Object.entries(properties).every(
      ([name, wanted]) => comparable(subject.user[name]) === comparable(wanted),
    )
  );
}

function comparable(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  if (Buffer.isBuffer(value) && value.length === 8) return Number(value.readBigInt64BE(0));
  return value;
}
