import type { Envelope } from '#domain/messages.ts';
import type { EventPublisher } from '#domain/ports/event-publisher.ts';

/** Keeps what was published, as JSON would carry it. */
export class MemoryEventPublisher implements EventPublisher {
  readonly published: unknown[] = [];

  async publish(events: readonly Envelope[]): Promise<void> {
    this.published.push(...(JSON.parse(JSON.stringify(events)) as unknown[]));
  }
}
