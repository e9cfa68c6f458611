import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { FailedMessage, FailedMessageStore } from '#domain/ports/failed-message-store.ts';

export function failedMessageStoreContract(name: string, start: () => Promise<FailedMessageStore>): void {
  describe(`failed message store: ${name}`, () => {
    let store: FailedMessageStore;
    before(async () => {
      store = await start();
    });

    function failed(more: Partial<FailedMessage> = {}): FailedMessage {
      return {
        failedMessageId: randomUUID(),
        queue: 'extract',
        messageType: 'landfall.measurement.extract.v1',
        measurementId: randomUUID(),
        cloudEventId: 'e1',
        reason: 'message-invalid',
        description: 'it does not parse',
        body: { any: ['thing'] },
        failedAt: '2026-01-01T00:00:00.000Z',
        state: 'failed',
        replayCount: 0,
        ...more,
      };
    }

    it('keeps the first of equal ids', async () => {
      const message = failed();
      await store.save(message);
      await store.save({ ...message, description: 'drained again' });
      assert.deepEqual(await store.get(message.failedMessageId), message);
      assert.equal(await store.get(randomUUID()), undefined);
    });

    it('lists by queue, reason and state, newest first, no more than asked for', async () => {
      const reason = `reason ${randomUUID()}`;
      const messages = [
        failed({ reason, failedAt: '2026-01-01T00:00:01.000Z' }),
        failed({ reason, failedAt: '2026-01-01T00:00:02.000Z', queue: 'sync' }),
        failed({ reason, failedAt: '2026-01-01T00:00:03.000Z', state: 'archived' }),
      ];
      for (const message of messages) await store.save(message);
      assert.deepEqual(await store.list({ reason }, 10), messages.toReversed());
      assert.deepEqual(await store.list({ reason }, 1), [messages[2]]);
      assert.deepEqual(await store.list({ reason, queue: 'sync' }, 10), [messages[1]]);
      assert.deepEqual(await store.list({ reason, state: 'failed', queue: 'extract' }, 10), [messages[0]]);
    });

    it('gives a message to one replay; that one may take it again after a crash', async () => {
      const message = failed();
      await store.save(message);
      const id = message.failedMessageId;
      const claims = await Promise.all([store.claim(id, 'op-1'), store.claim(id, 'op-2')]);
      const [winner] = claims.filter((claim) => claim !== undefined);
      assert.equal(claims.filter((claim) => claim !== undefined).length, 1);
      assert.deepEqual(winner, { ...message, state: 'replaying', replayCount: 1 });
      const [mine, other] = claims[0] === undefined ? ['op-2', 'op-1'] : ['op-1', 'op-2'];
      assert.deepEqual(await store.claim(id, mine), winner, 'the same number again');
      assert.equal(await store.claim(id, other), undefined);
      await store.markReplayed(id, mine);
      await store.markReplayed(id, mine);
      assert.equal((await store.get(id))?.state, 'replayed');
      assert.equal(await store.claim(id, mine), undefined);
      assert.equal(await store.claim(randomUUID(), mine), undefined);
    });

    it('remembers who replayed what and why, newest first', async () => {
      const entry = (at: string) => ({
        operationId: randomUUID(),
        actor: 'ada',
        why: 'the map service is back',
        at,
        failedMessageIds: ['a', 'b'],
        dryRun: false,
      });
      const [first, second] = [entry('2100-01-01T00:00:01.000Z'), entry('2100-01-01T00:00:02.000Z')];
      await store.audit(first);
      await store.audit(second);
      assert.deepEqual(await store.audits(2), [second, first]);
    });
  });
}
