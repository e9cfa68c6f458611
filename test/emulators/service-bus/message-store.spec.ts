import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseMessage } from '#emulators/service-bus/message-codec.ts';
import type { StoredMessage } from '#emulators/service-bus/message-queue.ts';
import { MessageStore } from '#emulators/service-bus/message-store.ts';

const MESSAGE: StoredMessage = {
  sequenceNumber: 2 ** 33,
  enqueuedSequenceNumber: 4,
  enqueuedAt: 1_700_000_000_000,
  expiresAt: Number.POSITIVE_INFINITY,
  scheduledFor: 1_800_000_000_000,
  deadLetterSource: 'landing',
  hopCount: 2,
  content: parseMessage(Buffer.from([0x00, 0x53, 0x77, 0xa1, 0x01, 0x78])),
  deliveryCount: 3,
  state: 'scheduled',
  lock: undefined,
};

describe('Service Bus: the store', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-service-bus-store-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('calls back only when another reader can see the change on disk', async () => {
    const store = new MessageStore(folder);
    const { queueId } = store.openQueue('landing');
    const reader = new DatabaseSync(join(folder, 'service-bus.sqlite'), { readOnly: true });
    const visible = () => Number(reader.prepare('SELECT COUNT(*) AS count FROM messages').get()?.['count']);
    store.put(queueId, MESSAGE);
    let visibleAtCallback: number | undefined;
    store.whenStored(() => {
      visibleAtCallback = visible();
    });
    assert.equal(visibleAtCallback, undefined, 'nothing is promised before the write');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(visibleAtCallback, 1);
    reader.close();
    store.close();
  });

  it('reads a message back as it was, and none that was removed', () => {
    const store = new MessageStore(folder);
    const { queueId } = store.openQueue('landing');
    store.put(queueId, MESSAGE);
    store.put(queueId, { ...MESSAGE, sequenceNumber: 5 });
    store.remove(queueId, { ...MESSAGE, sequenceNumber: 5 });
    store.put(store.openQueue('other').queueId, { ...MESSAGE, sequenceNumber: 1 });
    store.setLastSequenceNumber(queueId, 2 ** 33 + 7);
    store.close();
    const again = new MessageStore(folder);
    const reopened = again.openQueue('LANDING');
    assert.deepEqual(reopened, { queueId, lastSequenceNumber: 2 ** 33 + 7 });
    const [message, ...others] = [...again.messagesOf(queueId)];
    assert.deepEqual(others, []);
    assert.deepEqual({ ...message, content: undefined }, { ...MESSAGE, content: undefined });
    assert.deepEqual(message?.content.body, MESSAGE.content.body);
    again.close();
  });

  it('refuses data of another version, and names the remedy', () => {
    new MessageStore(folder).close();
    const database = new DatabaseSync(join(folder, 'service-bus.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    assert.throws(() => new MessageStore(folder), /has version 99.*Delete the folder/s);
  });
});
