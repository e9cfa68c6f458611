import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventGridEventPublisher } from '#adapters/azure/event-grid/event-grid-event-publisher.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { type RunningEventGrid, startEventGrid } from '#emulators/event-grid/event-grid.ts';
import { eventPublisherContract } from '#test/contract/event-publisher.contract.ts';
import { outgoing } from '#test/contract/message-sender.contract.ts';

describe('an Event Grid topic', () => {
  const key = Buffer.from('e'.repeat(32)).toString('base64');
  const dataFolder = mkdtempSync(join(tmpdir(), 'landfall-event-grid-'));
  let eventGrid: RunningEventGrid;
  let origin: string;
  before(async () => {
    eventGrid = await startEventGrid({
      configuration: { topics: [{ name: 'landfall-events', key, subscriptions: [] }], systemTopics: [] },
      dataFolder,
    });
    origin = `http://127.0.0.1:${eventGrid.port}`;
  });
  after(async () => {
    await eventGrid.close();
    rmSync(dataFolder, { recursive: true, force: true });
  });

  const publisherWith = (accessKey: string) =>
    new EventGridEventPublisher({
      endpoint: `${origin}/topics/landfall-events/api/events`,
      access: { auth: 'emulator-key', key: accessKey },
    });

  eventPublisherContract('Event Grid', async () => ({
    publisher: publisherWith(key),
    accepted: async () => {
      const answer = await fetch(`${origin}/control/topics/landfall-events/events?after=0`);
      const { events } = (await answer.json()) as { events: { event: unknown }[] };
      return events.map(({ event }) => event);
    },
  }));

  it('says that trying again may help when it is not accepted', async () => {
    await assert.rejects(
      publisherWith(Buffer.from('wrong').toString('base64')).publish([outgoing().envelope]),
      (error) => error instanceof RetryableFailure && /not accepted by Event Grid/.test(error.message),
    );
  });
});
