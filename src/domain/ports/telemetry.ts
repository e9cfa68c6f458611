/** Traces and custom events. Never fails the work it watches. */
export interface Telemetry {
  /**
   * Runs `work` in a span. `parent` is a W3C traceparent (from a message); without it the span starts a trace.
   * An error is recorded and travels on.
   */
  span<T>(
    name: string,
    options: {
      readonly parent?: string;
      readonly kind?: 'consumer' | 'producer' | 'client' | 'internal';
      readonly attributes?: Attributes;
    },
    work: (span: Span) => Promise<T>,
  ): Promise<T>;
  /** A custom event of a measurement and stage, with numbers (durations in ms, bytes, rows). */
  event(name: string, attributes: Attributes, measurements?: Readonly<Record<string, number>>): void;
}

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  /** For messages and requests sent from inside. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
}
