import assert from 'node:assert/strict';
import type { Envelope } from '#domain/messages.ts';
import type { EventPublisher } from '#domain/ports/event-publisher.ts';
import { outgoing } from './message-sender.contract.ts';

export interface EventPublisherUnderTest {
  readonly publisher: EventPublisher;
  /** What was accepted so far, as JSON. */
  readonly accepted: () => Promise<readonly unknown[]>;
}

export function eventPublisherContract(name: string, start: () => Promise<EventPublisherUnderTest>): void {
  describe(`event publisher: ${name}`, () => {
    it('has published all events when it resolves, with every attribute they have', async () => {
      const { publisher, accepted } = await start();
      const events: Envelope[] = [outgoing().envelope, outgoing().envelope];
      await publisher.publish(events);
      await publisher.publish([outgoing().envelope]);
      const published = await accepted();
      assert.equal(published.length, 3);
      assert.deepEqual(published.slice(0, 2), events);
    });
  });
}
