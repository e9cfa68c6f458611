import {
  type Context,
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import type { TelemetryClient } from 'applicationinsights';
import type { Attributes, Span, Telemetry } from '#domain/ports/telemetry.ts';

export interface AzureMonitorOptions {
  readonly connectionString: string;
  /** Name of the process in the application map. */
  readonly role: string;
  /** 0 keeps every trace; by default the exporter would keep five a second. */
  readonly tracesPerSecond?: number;
  /** Options of the exporter, for tests: `httpClient`, `disableOfflineStorage`. */
  readonly exporter?: Readonly<Record<string, unknown>>;
}

const KINDS = {
  consumer: SpanKind.CONSUMER,
  producer: SpanKind.PRODUCER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const;

/** Spans of consumers become requests, whose name the exporter takes from this attribute only. */
const OPERATION_NAME = 'ai.operation.name';

const FLUSH_MS_MAX = 5_000;

/**
 * Spans and custom events in Application Insights. The library takes a second and 60 MB to load, so it is loaded here
 * and not where the process only might need it.
 */
export class AzureMonitorTelemetry implements Telemetry {
  readonly #client: TelemetryClient;
  readonly #shutdown: () => Promise<void>;

  private constructor(client: TelemetryClient, shutdown: () => Promise<void>) {
    this.#client = client;
    this.#shutdown = shutdown;
  }

  /** Once per process: OpenTelemetry's providers are global. */
  static async start(options: AzureMonitorOptions): Promise<AzureMonitorTelemetry> {
    // Read by the library while it loads: the role, and no usage statistics to its maker.
    process.env['OTEL_SERVICE_NAME'] ??= options.role;
    process.env['APPLICATION_INSIGHTS_NO_STATSBEAT'] ??= 'true';
    const {
      TelemetryClient: Client,
      flushAzureMonitor,
      shutdownAzureMonitor,
    } = await import('applicationinsights');
    const client = new Client(options.connectionString);
    client.config.azureMonitorOpenTelemetryOptions = {
      azureMonitorExporterOptions: { connectionString: options.connectionString, ...options.exporter },
      enableLiveMetrics: false,
      tracesPerSecond: options.tracesPerSecond ?? 0,
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
    work: (span: Span) => Promise<T>,
  ): Promise<T> {
    const parent = contextOf(options.parent);
    const span = trace.getTracer('landfall').startSpan(
      name,
      {
        kind: KINDS[options.kind ?? 'internal'],
        attributes: { ...options.attributes, [OPERATION_NAME]: name },
      },
      parent,
    );
    const { traceId, spanId } = span.spanContext();
    try {
      return await context.with(trace.setSpan(parent, span), () =>
        work({
          traceparent: `00-${traceId}-${spanId}-01`,
          set: (attributes) => {
            span.setAttributes(attributes);
          },
        }),
      );
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
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
