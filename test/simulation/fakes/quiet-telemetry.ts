import type { Attributes, Span, Telemetry } from '#domain/ports/telemetry.ts';

/** Telemetry that keeps what it is told, for specs to look at. */
export class QuietTelemetry implements Telemetry {
  readonly events: {
    readonly name: string;
    readonly attributes: Attributes;
    readonly measurements: Readonly<Record<string, number>>;
  }[] = [];

  async span<T>(
    _name: string,
    options: { readonly parent?: string },
    work: (span: Span) => Promise<T>,
  ): Promise<T> {
    const isContext = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(options.parent ?? '');
    const traceparent = isContext ? options.parent! : `00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-01`;
    return work({ traceparent, set() {} });
  }

  event(name: string, attributes: Attributes, measurements: Readonly<Record<string, number>> = {}): void {
    this.events.push({ name, attributes, measurements });
  }

  call(): void {}

  count(name: string): number {
    return this.events.filter((event) => event.name === name).length;
  }
}
