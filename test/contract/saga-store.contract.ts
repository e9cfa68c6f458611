import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { DataOf, Envelope } from '#domain/messages.ts';
import { envelopeOf } from '#domain/messages.ts';
import type {
  DeadlineQuery,
  MetadataDocument,
  OutboxEntry,
  OutboxFeed,
  SagaChange,
  SagaStore,
} from '#domain/ports/saga-store.ts';

export interface SagaStoreUnderTest {
  readonly sagas: SagaStore<TestState>;
  readonly feed: OutboxFeed;
  readonly deadlines: DeadlineQuery;
}
export interface TestState {
  readonly step: number;
}

export function cancelled(measurementId: string): Envelope {
  const data: DataOf<'landfall.measurement.cancelled.v1'> = {
    measurementId,
    generation: 1,
    actor: 'a',
    reason: 'r',
  };
  return envelopeOf('landfall.measurement.cancelled.v1', data, {
    id: randomUUID(),
    source: 'landfall/test',
    time: new Date('2026-01-02T03:04:05Z'),
    fleet: 'f',
    region: 'local',
    sequence: 1,
  });
}

function outputsOf(measurementId: string, version: number, count: number): OutboxEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `out:${version}:${index}`,
    measurementId,
    message: {
      destination: { kind: 'topic', name: 'events' },
      envelope: cancelled(measurementId),
      messageId: `${measurementId}/${version}/${index}`,
      ...(index === 1 ? { enqueueAt: new Date('2026-02-03T04:05:06Z') } : {}),
    },
  }));
}

function changeOf(
  measurementId: string,
  step: number,
  expectedEtag: string | undefined,
  more: { inputId?: string; outputs?: OutboxEntry[]; documents?: MetadataDocument[] } = {},
): SagaChange<TestState> {
  return {
    measurementId,
    inputId: more.inputId ?? randomUUID(),
    expectedEtag,
    state: { step },
    record: { version: step, input: { step }, events: [], at: '2026-01-02T03:04:05Z' },
    outputs: more.outputs ?? [],
    documents: more.documents ?? [],
  };
}

export function sagaStoreContract(name: string, start: () => Promise<SagaStoreUnderTest>): void {
  describe(`saga store: ${name}`, () => {
    let sagas: SagaStore<TestState>;
    let feed: OutboxFeed;
    let deadlines: DeadlineQuery;
    before(async () => {
      ({ sagas, feed, deadlines } = await start());
    });

    it('knows nothing of a measurement that never was', async () => {
      const id = randomUUID();
      assert.equal(await sagas.load(id), undefined);
      assert.equal(await sagas.wasHandled(id, 'an input'), false);
      assert.deepEqual(await sagas.pendingOutputs(id), []);
    });

    it('commits an input with all it leads to, in order', async () => {
      const id = randomUUID();
      const outputs = outputsOf(id, 1, 12);
      const change = changeOf(id, 1, undefined, { inputId: 'a/b?c#d\\e%', outputs });
      assert.equal(await sagas.commit(change), 'committed');
      assert.deepEqual((await sagas.load(id))?.state, { step: 1 });
      assert.equal(await sagas.wasHandled(id, 'a/b?c#d\\e%'), true);
      assert.deepEqual(await sagas.pendingOutputs(id), outputs);
    });

    it('refuses a second commit of an input, and changes nothing', async () => {
      const id = randomUUID();
      const first = changeOf(id, 1, undefined);
      assert.equal(await sagas.commit(first), 'committed');
      const loaded = await sagas.load(id);
      const again = changeOf(id, 2, loaded?.etag, { inputId: first.inputId, outputs: outputsOf(id, 2, 1) });
      assert.equal(await sagas.commit(again), 'already-handled');
      assert.equal(await sagas.commit(first), 'already-handled');
      assert.deepEqual(await sagas.load(id), loaded);
      assert.deepEqual(await sagas.pendingOutputs(id), []);
    });

    it('refuses a change of a state that is not the current one, and keeps nothing of it', async () => {
      const id = randomUUID();
      await sagas.commit(changeOf(id, 1, undefined));
      const stale = await sagas.load(id);
      assert.equal(await sagas.commit(changeOf(id, 2, stale?.etag)), 'committed');
      const late = changeOf(id, 3, stale?.etag, { outputs: outputsOf(id, 3, 2) });
      assert.equal(await sagas.commit(late), 'conflict');
      assert.equal(await sagas.wasHandled(id, late.inputId), false);
      assert.deepEqual(await sagas.pendingOutputs(id), []);
      assert.deepEqual((await sagas.load(id))?.state, { step: 2 });
      assert.equal(await sagas.commit(changeOf(id, 1, undefined)), 'conflict');
    });

    it('lets one of many win', async () => {
      const id = randomUUID();
      await sagas.commit(changeOf(id, 1, undefined));
      const etag = (await sagas.load(id))?.etag;
      const results = await Promise.all(
        Array.from({ length: 5 }, () =>
          sagas.commit(changeOf(id, 2, etag, { outputs: outputsOf(id, 2, 1) })),
        ),
      );
      assert.deepEqual(results.toSorted(), ['committed', 'conflict', 'conflict', 'conflict', 'conflict']);
      assert.equal((await sagas.pendingOutputs(id)).length, 1);
    });

    it('forgets outputs that are marked as sent, however often', async () => {
      const id = randomUUID();
      await sagas.commit(changeOf(id, 1, undefined, { outputs: outputsOf(id, 1, 3) }));
      await sagas.markDispatched(id, ['out:1:0', 'out:1:1']);
      await sagas.markDispatched(id, ['out:1:0']);
      await sagas.markDispatched(id, ['out:9:9']);
      assert.deepEqual(
        (await sagas.pendingOutputs(id)).map((entry) => entry.id),
        ['out:1:2'],
      );
    });

    it('feeds the relay with what is not sent, from where it stopped', async () => {
      const [one, two] = [randomUUID(), randomUUID()];
      const start = await drained(feed, undefined);
      await sagas.commit(changeOf(one, 1, undefined, { outputs: outputsOf(one, 1, 2) }));
      await sagas.commit(changeOf(two, 1, undefined, { outputs: outputsOf(two, 1, 1) }));
      const found = await drained(feed, start.continuation);
      const expected = [...outputsOf(one, 1, 2), ...outputsOf(two, 1, 1)].map(
        (entry) => entry.message.messageId,
      );
      assert.deepEqual(found.entries.map((entry) => entry.message.messageId).toSorted(), expected.toSorted());
      assert.ok(found.entries.some((entry) => entry.message.enqueueAt instanceof Date));
      await sagas.markDispatched(one, ['out:1:0', 'out:1:1']);
      assert.deepEqual((await drained(feed, found.continuation)).entries, []);
      const again = await drained(feed, start.continuation);
      assert.deepEqual(
        again.entries.map((entry) => entry.measurementId),
        [two],
      );
    });

    it('remembers how far each reader has come', async () => {
      const reader = `reader ${randomUUID()}`;
      assert.equal(await feed.loadContinuation(reader), undefined);
      await feed.saveContinuation(reader, 'here');
      await feed.saveContinuation(reader, 'there');
      assert.equal(await feed.loadContinuation(reader), 'there');
    });

    it('finds the measurements whose deadline has passed, until they are done', async () => {
      const id = randomUUID();
      const document = (dueAt: string | undefined): MetadataDocument => ({
        id,
        kind: 'measurement',
        measurementId: id,
        fleet: 'f',
        region: 'local',
        ...(dueAt === undefined ? {} : { dueAt, due: { generation: 2, stage: 'extract', attempt: 3 } }),
      });
      const overdueAt = async (time: string) =>
        (await deadlines.overdue(new Date(time), 1000)).filter((found) => found.measurementId === id);
      await sagas.commit(changeOf(id, 1, undefined, { documents: [document('2026-01-01T12:00:00.000Z')] }));
      assert.deepEqual(await overdueAt('2026-01-01T11:59:59.999Z'), []);
      assert.deepEqual(await overdueAt('2026-01-01T12:00:00.000Z'), [
        { measurementId: id, fleet: 'f', region: 'local', generation: 2, stage: 'extract', attempt: 3 },
      ]);
      const etag = (await sagas.load(id))?.etag;
      await sagas.commit(changeOf(id, 2, etag, { documents: [document(undefined)] }));
      assert.deepEqual(await overdueAt('2027-01-01T00:00:00.000Z'), []);
    });
  });
}

/** Reads until two calls in a row bring nothing. */
async function drained(
  feed: OutboxFeed,
  from: string | undefined,
): Promise<{ entries: OutboxEntry[]; continuation: string }> {
  const entries: OutboxEntry[] = [];
  let page = await feed.read(from);
  while (page.entries.length > 0) {
    entries.push(...page.entries);
    page = await feed.read(page.continuation);
  }
  return { entries, continuation: page.continuation };
}
