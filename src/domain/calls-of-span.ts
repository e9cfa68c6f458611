import type { ServiceCall } from './service-call.ts';

/** Calls that a span shows one by one; of those after it only sums are kept, per operation. */
const SINGLE_CALLS_MAX = 32;
/** Kinds of calls that are summed; what is beyond goes into one sum per service. */
const SUMS_MAX = 64;

/** A call, or the sum of several of one operation. */
export interface ToldCalls extends ServiceCall {
  /** Milliseconds since 1970: when the first began. */
  readonly startedAtMs: number;
  readonly calls: number;
  readonly failedCalls: number;
}

/**
 * The calls to services that were made in one span. However many they are, what is kept is small: a task that reads a
 * file of ten gigabytes makes thousands, all alike.
 */
export class CallsOfSpan {
  readonly #single: ToldCalls[] = [];
  readonly #sums = new Map<string, ToldCalls>();

  /** `endedAtMs`: milliseconds since 1970. */
  add(call: ServiceCall, endedAtMs: number): void {
    const told = {
      ...call,
      startedAtMs: endedAtMs - call.durationMs,
      calls: 1,
      failedCalls: isFailed(call) ? 1 : 0,
    };
    if (this.#single.length < SINGLE_CALLS_MAX) {
      this.#single.push(told);
      return;
    }
    const isRoom = this.#sums.size < SUMS_MAX;
    const own = keyOf(call.service, call.operation, call.target);
    const other = { ...told, operation: 'other', target: 'several' };
    const [key, counted] = isRoom || this.#sums.has(own) ? [own, told] : [keyOf(call.service), other];
    const sum = this.#sums.get(key);
    this.#sums.set(key, sum === undefined ? counted : plus(sum, counted));
  }

  /** In the order they began, sums last. */
  told(): readonly ToldCalls[] {
    return [...this.#single, ...this.#sums.values()];
  }
}

function keyOf(...parts: readonly string[]): string {
  return parts.join('\n');
}

function plus(sum: ToldCalls, call: ToldCalls): ToldCalls {
  const error = sum.error ?? call.error;
  return {
    service: sum.service,
    operation: sum.operation,
    target: sum.target,
    startedAtMs: Math.min(sum.startedAtMs, call.startedAtMs),
    durationMs: sum.durationMs + call.durationMs,
    calls: sum.calls + call.calls,
    failedCalls: sum.failedCalls + call.failedCalls,
    ...(sum.requestCharge === undefined && call.requestCharge === undefined
      ? {}
      : { requestCharge: (sum.requestCharge ?? 0) + (call.requestCharge ?? 0) }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Other statuses are answers: "there is none", "another was faster". */
function isFailed({ statusCode, error }: ServiceCall): boolean {
  if (statusCode === undefined) return error !== undefined;
  return statusCode >= 500 || statusCode === 429 || statusCode === 401 || statusCode === 403;
}

export function nameOfCall({ operation, target }: ServiceCall): string {
  return `${operation} ${target}`;
}

/** Milliseconds and request units as they are shown: fractions of a thousandth are noise. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/**
 * What a call's span says about it, by the names of OpenTelemetry's semantic conventions ("Semantic conventions for
 * Azure Cosmos DB client operations", "… for Azure Service Bus", "… for Azure SDKs"). `service`, `target` and
 * `statusCode` are said for every service, so that they can be asked for alike.
 */
export function attributesOfCall(call: ToldCalls): Attributes {
  const { service, operation, target, statusCode, requestCharge, calls, failedCalls } = call;
  return {
    service,
    target,
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(calls === 1 ? {} : { calls }),
    ...(failedCalls === 0 ? {} : { failedCalls }),
    ...conventionOf(service, operation, target),
    ...(requestCharge === undefined
      ? {}
      : { 'azure.cosmosdb.operation.request_charge': rounded(requestCharge) }),
  };
}

type Attributes = Readonly<Record<string, string | number>>;

function conventionOf(service: ServiceCall['service'], operation: string, target: string): Attributes {
  switch (service) {
    case 'Cosmos DB':
      return {
        'db.system.name': 'azure.cosmosdb',
        'db.operation.name': operation,
        'db.collection.name': target,
      };
    case 'Service Bus':
      return {
        'messaging.system': 'servicebus',
        'messaging.operation.name': operation,
        'messaging.destination.name': target,
      };
    case 'Blob Storage':
      return { 'azure.resource_provider.namespace': 'Microsoft.Storage', operation };
    case 'Batch':
      return { 'azure.resource_provider.namespace': 'Microsoft.Batch', operation };
  }
}
