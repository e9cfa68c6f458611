import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseMessage } from '#emulators/service-bus/message-codec.ts';
import type { StoredMessage } from '#emulators/service-bus/message-queue.ts';
import { DataFolderInUseError, MessageStore } from '#emulators/service-bus/message-store.ts';

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

  it('calls back only when the change is in the files', async () => {
    const store = new MessageStore(folder);
    const { queueId } = store.openQueue('landing');
    store.put(queueId, MESSAGE);
    let visibleAtCallback: number | undefined;
    store.whenStored(() => {
      visibleAtCallback = messageCountInCopyOf(folder);
    });
    assert.equal(visibleAtCallback, undefined, 'nothing is promised before the write');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(visibleAtCallback, 1);
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

  it('refuses a folder that another process has, and frees it when it closes', () => {
    const first = new MessageStore(folder);
    assert.throws(() => new MessageStore(folder), DataFolderInUseError);
    first.close();
    new MessageStore(folder).close();
  });

  it('refuses data of another version, and names the remedy', () => {
    new MessageStore(folder).close();
    const database = new DatabaseSync(join(folder, 'service-bus.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    assert.throws(() => new MessageStore(folder), /has version 99.*Delete the folder/s);
  });
});

/** What a process would find that started now, after this one was killed. */
function messageCountInCopyOf(folder: string): number {
  const copy = mkdtempSync(join(folder, 'copy-'));
  for (const file of ['service-bus.sqlite', 'service-bus.sqlite-wal']) {
    copyFileSync(join(folder, file), join(copy, file));
  }
  const database = new DatabaseSync(join(copy, 'service-bus.sqlite'));
  const count = Number(database.prepare('SELECT COUNT(*) AS count FROM messages').get()?.['count']);
  database.close();
  return count;
}
