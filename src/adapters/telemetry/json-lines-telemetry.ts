import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Attributes, Span, Telemetry } from '#domain/ports/telemetry.ts';

/**
 * Spans and events as JSON lines: in a file on a laptop, on standard output where a platform collects it. Starts in
 * no time, which tasks of a second need. A line that cannot be written is dropped: telemetry never fails the work.
 */
export class JsonLinesTelemetry implements Telemetry {
  readonly #role: string;
  readonly #write: (line: string) => void;

  /** `role` names the process in every line; without a file, lines go to standard output. */
  constructor(role: string, filePath?: string) {
    this.#role = role;
    this.#write = filePath === undefined ? (line) => process.stdout.write(line) : appendTo(filePath);
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
    const say = (failure: object) =>
      this.#say('span', startedAt, {
        name,
        spanKind: options.kind ?? 'internal',
        traceId,
        spanId,
        ...(parent?.[2] === undefined ? {} : { parentSpanId: parent[2] }),
        durationMs: Math.round((performance.now() - startedMs) * 1000) / 1000,
        attributes,
        ...failure,
      });
    try {
      const result = await work({
        traceparent: `00-${traceId}-${spanId}-01`,
        set: (more) => {
          Object.assign(attributes, more);
        },
      });
      say({});
      return result;
    } catch (error) {
      say({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
      throw error;
    }
  }

  event(name: string, attributes: Attributes, measurements: Readonly<Record<string, number>> = {}): void {
    this.#say('event', new Date(), { name, attributes, measurements });
  }

  #say(kind: 'span' | 'event', time: Date, content: object): void {
    this.#write(`${JSON.stringify({ kind, time: time.toISOString(), role: this.#role, ...content })}\n`);
  }
}

/** Appends whole lines, so that several processes may share a file. */
function appendTo(filePath: string): (line: string) => void {
  mkdirSync(dirname(filePath), { recursive: true });
  return (line) => {
    try {
      appendFileSync(filePath, line);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  };
}
