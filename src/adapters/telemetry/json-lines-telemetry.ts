import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { attributesOfCall, CallsOfSpan, nameOfCall } from '#domain/calls-of-span.ts';
import type { Attributes, Span, Telemetry } from '#domain/ports/telemetry.ts';
import type { ServiceCall } from '#domain/service-call.ts';

/**
 * Spans and events as JSON lines: in a file on a laptop, on standard output where a platform collects it. Starts in
 * no time, which tasks of a second need. A line that cannot be written is dropped: telemetry never fails the work.
 */
export class JsonLinesTelemetry implements Telemetry {
  readonly #role: string;
  readonly #write: (lines: string) => void;
  /** The calls of the span that runs here. */
  readonly #calls = new AsyncLocalStorage<CallsOfSpan>();

  /** `role` names the process in every line; without a file, lines go to standard output. */
  constructor(role: string, filePath?: string) {
    this.#role = role;
    this.#write = filePath === undefined ? (lines) => process.stdout.write(lines) : appendTo(filePath);
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
    const parent = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(options.parent ?? '');
    const traceId = parent?.[1] ?? randomBytes(16).toString('hex');
    const spanId = randomBytes(8).toString('hex');
    const attributes: Record<string, string | number | boolean> = { ...options.attributes };
    const startedAt = new Date();
    const startedMs = performance.now();
    const calls = new CallsOfSpan();
    const say = (failure: object) => {
      const line = this.#line('span', startedAt, {
        name,
        spanKind: options.kind ?? 'internal',
        traceId,
        spanId,
        ...(parent?.[2] === undefined ? {} : { parentSpanId: parent[2] }),
        durationMs: rounded(performance.now() - startedMs),
        attributes,
        ...failure,
      });
      // With the span and in one piece: a write per call would cost more than most calls.
      this.#write(line + this.#callLines(calls, traceId, spanId));
    };
    const span = {
      traceparent: `00-${traceId}-${spanId}-01`,
      set: (more: Attributes) => {
        Object.assign(attributes, more);
      },
    };
    try {
      const result = await this.#calls.run(calls, () => work(span));
      say({});
      return result;
    } catch (error) {
      say({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
      throw error;
    }
  }

  event(name: string, attributes: Attributes, measurements: Readonly<Record<string, number>> = {}): void {
    this.#write(this.#line('event', new Date(), { name, attributes, measurements }));
  }

  call(call: ServiceCall): void {
    this.#calls.getStore()?.add(call, Date.now());
  }

  #callLines(calls: CallsOfSpan, traceId: string, parentSpanId: string): string {
    return calls
      .told()
      .map((call) =>
        this.#line('span', new Date(call.startedAtMs), {
          name: nameOfCall(call),
          spanKind: 'client',
          traceId,
          spanId: randomBytes(8).toString('hex'),
          parentSpanId,
          durationMs: rounded(call.durationMs),
          attributes: attributesOfCall(call),
          ...(call.error === undefined ? {} : { error: call.error }),
        }),
      )
      .join('');
  }

  #line(kind: 'span' | 'event', time: Date, content: object): string {
    return `${JSON.stringify({ kind, time: time.toISOString(), role: this.#role, ...content })}\n`;
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** Appends whole lines, so that several processes may share a file. */
function appendTo(filePath: string): (lines: string) => void {
  mkdirSync(dirname(filePath), { recursive: true });
  return (lines) => {
    try {
      appendFileSync(filePath, lines);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  };
}
