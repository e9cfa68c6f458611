/** Rules of a subscription over AMQP: what `createRuleManager` of the SDKs calls. */
import type { SubscriptionEntity } from './entity.ts';
import type {
  CorrelationFilterDescription,
  FilterDescription,
  RuleDescription,
} from './entity-description.ts';
import type { EntityRegistry } from './entity-registry.ts';
import { amqpTypes, numberOf, type TypedValue } from './rhea-internals.ts';
import { entityNotFound, malformed, notAllowed, ServiceBusError } from './service-bus-error.ts';
import type { SubscriptionRule } from './subscription-rule.ts';

/** Descriptors of `com.microsoft:…:list`; rhea wants them as numbers below 2^53. */
const DESCRIPTOR = {
  ruleDescription: 0x13700000004,
  emptyAction: 0x13700000005,
  sqlFilter: 0x1370000006,
  trueFilter: 0x1370000007,
  correlationFilter: 0x1370000009,
} as const;
const SQL_COMPATIBILITY_LEVEL = 20;

type Body = Readonly<Record<string, unknown>>;

export class RuleManagement {
  readonly #registry: EntityRegistry;

  constructor(registry: EntityRegistry) {
    this.#registry = registry;
  }

  add(address: string, body: Body): object {
    const subscription = this.#subscription(address);
    this.#registry.addRule(
      subscription,
      ruleOf(String(body['rule-name']), (body['rule-description'] ?? {}) as Body),
    );
    return {};
  }

  remove(address: string, body: Body): object {
    this.#registry.removeRule(this.#subscription(address), String(body['rule-name']));
    return {};
  }

  enumerate(address: string, body: Body): object | undefined {
    const skip = numberOf(body['skip'] ?? 0);
    const rules = this.#subscription(address).rules.slice(skip, skip + numberOf(body['top'] ?? 100));
    if (rules.length === 0) return undefined;
    return { rules: rules.map((rule) => ({ 'rule-description': encodeRule(rule) })) };
  }

  #subscription(address: string): SubscriptionEntity {
    const entity = this.#registry.find(address);
    if (entity === undefined) throw entityNotFound(address);
    if (entity.kind !== 'subscription')
      throw notAllowed(`'${address}' is a ${entity.kind}; only subscriptions have rules.`);
    return entity;
  }
}

function ruleOf(name: string, description: Body): RuleDescription {
  const action = (description['sql-rule-action'] as Body | null | undefined)?.['expression'];
  if (typeof action === 'string' && action.trim() !== '') {
    throw new ServiceBusError(
      'amqp:not-implemented',
      501,
      `Rule '${name}': this emulator has no rule actions.`,
    );
  }
  return { name, filter: filterOf(name, description) };
}

function filterOf(name: string, description: Body): FilterDescription {
  const sql = description['sql-filter'] as Body | null | undefined;
  if (sql) return { kind: 'sql', expression: String(sql['expression']) };
  const correlation = description['correlation-filter'] as Body | null | undefined;
  if (!correlation) throw malformed(`Rule '${name}' has neither a sql-filter nor a correlation-filter.`);
  const text = (field: string): string | undefined => {
    const value = correlation[field];
    return value === undefined || value === null ? undefined : String(value);
  };
  const filter: CorrelationFilterDescription = {
    kind: 'correlation',
    correlationId: text('correlation-id'),
    messageId: text('message-id'),
    to: text('to'),
    replyTo: text('reply-to'),
    label: text('label'),
    sessionId: text('session-id'),
    replyToSessionId: text('reply-to-session-id'),
    contentType: text('content-type'),
    properties: (correlation['properties'] ?? {}) as Body,
  };
  return filter;
}

function encodeRule({ description, createdAt }: SubscriptionRule): TypedValue {
  return described(DESCRIPTOR.ruleDescription, [
    encodeFilter(description.filter),
    // The SDK needs some descriptor here; this one stands for "no action".
    described(DESCRIPTOR.emptyAction, []),
    description.name,
    amqpTypes.wrap_timestamp(createdAt),
  ]);
}

function encodeFilter(filter: FilterDescription): TypedValue {
  if (filter.kind === 'sql') {
    return described(DESCRIPTOR.sqlFilter, [filter.expression, amqpTypes.wrap_int(SQL_COMPATIBILITY_LEVEL)]);
  }
  return described(DESCRIPTOR.correlationFilter, [
    filter.correlationId,
    filter.messageId,
    filter.to,
    filter.replyTo,
    filter.label,
    filter.sessionId,
    filter.replyToSessionId,
    filter.contentType,
    filter.properties,
  ]);
}

function described(descriptor: number, fields: readonly unknown[]): TypedValue {
  return amqpTypes.described(amqpTypes.wrap_ulong(descriptor), amqpTypes.wrap_list(fields));
}
