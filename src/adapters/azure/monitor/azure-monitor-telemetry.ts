import {
  type Context,
  context,
  createContextKey,
  type Histogram,
  metrics,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import type { TelemetryClient } from 'applicationinsights';
import { attributesOfCall, CallsOfSpan, nameOfCall, type ToldCalls } from '#domain/calls-of-span.ts';
import type { Attributes, Span as RunningSpan, Telemetry } from '#domain/ports/telemetry.ts';
import { METRICS_OF_EVENTS, type Metric, QUEUE_AGE, type ReportedEvent } from '#domain/reported-events.ts';
import type { ServiceCall } from '#domain/service-call.ts';
import { identityCredential } from '../credentials.ts';

export interface AzureMonitorOptions {
  readonly connectionString: string;
  /** Name of the process in the application map. */
  readonly role: string;
  /** Who sends, in Azure; it needs the role Monitoring Metrics Publisher on the component. */
  readonly identity?: { readonly clientId?: string };
}

/** The library says nothing of a string it cannot use, and fails at the first event. */
export class ConnectionStringError extends Error {
  override readonly name = 'ConnectionStringError';
}

const INSTRUMENTATION_KEY =
  /(?:^|;)\s*InstrumentationKey=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:;|$)/i;

const KINDS = {
  consumer: SpanKind.CONSUMER,
  producer: SpanKind.PRODUCER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const;

/** Spans of consumers become requests, whose name the exporter takes from this attribute only. */
const OPERATION_NAME = 'ai.operation.name';

const FLUSH_MS_MAX = 5_000;

/** 0 keeps every trace; by default the library would keep five a second. */
const TRACES_PER_SECOND = 0;

/**
 * What the library would otherwise hook into every module of the process to see. Our adapters say their calls
 * themselves, by name and with their cost; twice would be wrong.
 */
const INSTRUMENTATIONS = {
  http: { enabled: false },
  azureSdk: { enabled: false },
  mongoDb: { enabled: false },
  mySql: { enabled: false },
  postgreSql: { enabled: false },
  redis: { enabled: false },
  redis4: { enabled: false },
};

/** The calls of the span that runs here. */
const CALLS = createContextKey('landfall.calls');

/**
 * Spans, calls, custom events and metrics in Application Insights. The library takes a second and 60 MB to load, so it
 * is loaded here and not where the process only might need it.
 */
export class AzureMonitorTelemetry implements Telemetry {
  readonly #client: TelemetryClient;
  readonly #shutdown: () => Promise<void>;
  readonly #histograms = new Map<string, Histogram>();

  private constructor(client: TelemetryClient, shutdown: () => Promise<void>) {
    this.#client = client;
    this.#shutdown = shutdown;
  }

  /**
   * Once per process: OpenTelemetry's providers are global.
   * @throws {ConnectionStringError} when the connection string is none.
   */
  static async start({
    connectionString,
    role,
    identity,
  }: AzureMonitorOptions): Promise<AzureMonitorTelemetry> {
    if (!INSTRUMENTATION_KEY.test(connectionString))
      throw new ConnectionStringError(
        'APPLICATIONINSIGHTS_CONNECTION_STRING has no InstrumentationKey; copy it from the overview of the component, or unset it.',
      );
    // Read by the library while it loads: the role, and no usage statistics to its maker.
    process.env['OTEL_SERVICE_NAME'] ??= role;
    process.env['APPLICATION_INSIGHTS_NO_STATSBEAT'] ??= 'true';
    const {
      TelemetryClient: Client,
      flushAzureMonitor,
      shutdownAzureMonitor,
    } = await import('applicationinsights');
    const client = new Client(connectionString);
    if (identity !== undefined)
      client.config.aadTokenCredential = identityCredential({ auth: 'managed-identity', ...identity });
    client.config.azureMonitorOpenTelemetryOptions = {
      enableLiveMetrics: false,
      enablePerformanceCounters: false,
      tracesPerSecond: TRACES_PER_SECOND,
      instrumentationOptions: INSTRUMENTATIONS,
    };
    client.initialize();
    return new AzureMonitorTelemetry(client, async () => {
      await flushAzureMonitor();
      await shutdownAzureMonitor();
    });
  }

  async span<T>(
    name: string,
    options: {
      readonly parent?: string;
      readonly kind?: 'consumer' | 'producer' | 'client' | 'internal';
      readonly attributes?: Attributes;
    },
    work: (span: RunningSpan) => Promise<T>,
  ): Promise<T> {
    const parent = contextOf(options.parent);
    const { kind = 'internal', attributes = {} } = options;
    const span = trace
      .getTracer('landfall')
      .startSpan(name, { kind: KINDS[kind], attributes: { ...attributes, [OPERATION_NAME]: name } }, parent);
    if (kind === 'consumer') this.#record(QUEUE_AGE, attributes, attributes);
    const { traceId, spanId } = span.spanContext();
    const calls = new CallsOfSpan();
    const inside = trace.setSpan(parent, span).setValue(CALLS, calls);
    const running = {
      traceparent: `00-${traceId}-${spanId}-01`,
      set: (more: Attributes) => {
        span.setAttributes(more);
      },
    };
    try {
      return await context.with(inside, () => work(running));
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
      sayCalls(calls, trace.setSpan(ROOT_CONTEXT, span));
      span.end();
    }
  }

  event(name: string, attributes: Attributes, measurements: Readonly<Record<string, number>> = {}): void {
    const texts = Object.entries(attributes).map(([key, value]) => [key, String(value)]);
    this.#client.trackEvent({
      name,
      properties: Object.fromEntries(texts),
      measurements: { ...measurements },
    });
    for (const metric of METRICS_OF_EVENTS[name as ReportedEvent] ?? [])
      this.#record(metric, attributes, measurements);
  }

  call(call: ServiceCall): void {
    const calls = context.active().getValue(CALLS);
    if (calls instanceof CallsOfSpan) calls.add(call, Date.now());
  }

  #record(metric: Metric, attributes: Attributes, numbers: Readonly<Record<string, unknown>>): void {
    const value = numbers[metric.from];
    if (typeof value !== 'number') return;
    let histogram = this.#histograms.get(metric.name);
    if (histogram === undefined) {
      histogram = metrics.getMeter('landfall').createHistogram(metric.name, { unit: metric.unit });
      this.#histograms.set(metric.name, histogram);
    }
    const dimensions = metric.dimensions.flatMap((name) => {
      const dimension = attributes[name];
      return dimension === undefined ? [] : [[name, String(dimension)] as const];
    });
    histogram.record(value, Object.fromEntries(dimensions));
  }

  /** Sends what is left, for some seconds. What cannot be sent is lost: telemetry never fails the work. */
  async close(): Promise<void> {
    const shutdown = this.#shutdown().catch(() => undefined);
    const enough = new Promise((resolve) => {
      setTimeout(resolve, FLUSH_MS_MAX).unref();
    });
    await Promise.race([shutdown, enough]);
  }
}

function sayCalls(calls: CallsOfSpan, parent: Context): void {
  const tracer = trace.getTracer('landfall');
  for (const call of calls.told()) {
    const span = tracer.startSpan(
      nameOfCall(call),
      { kind: SpanKind.CLIENT, attributes: { ...attributesOfCall(call) }, startTime: call.startedAtMs },
      parent,
    );
    if (call.failedCalls > 0) markFailed(span, call);
    span.end(call.startedAtMs + call.durationMs);
  }
}

function markFailed(span: Span, { error, statusCode, failedCalls }: ToldCalls): void {
  const message = error ?? (statusCode === undefined ? `${failedCalls} failed` : `status ${statusCode}`);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** Nothing is inherited from whatever span is active here: a message's trace is the one it carries. */
function contextOf(traceparent: string | undefined): Context {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
}
