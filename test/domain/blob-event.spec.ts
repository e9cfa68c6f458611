import assert from 'node:assert/strict';
import { parseBlobEvents } from '#domain/blob-event.ts';

const TOPIC = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/landing1';

function eventGrid(eventType: string, data: Record<string, unknown>, path = 'drive-1/größe & co.mcap') {
  return {
    id: '1',
    topic: TOPIC,
    subject: `/blobServices/default/containers/recordings/blobs/${path}`,
    eventType,
    eventTime: '2026-05-04T12:00:00Z',
    data,
    dataVersion: '',
    metadataVersion: '1',
  };
}

function onlyEventOf(body: unknown) {
  const parsed = parseBlobEvents(body);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  assert.equal(parsed.events.length, 1);
  return parsed.events[0];
}

describe('blob events from Event Grid', () => {
  it('in the Event Grid schema: account from the topic, container and path from the subject', () => {
    const url = 'https://landing1.blob.core.windows.net/recordings/drive-1/gr%C3%B6%C3%9Fe%20%26%20co.mcap';
    assert.deepEqual(onlyEventOf([eventGrid('Microsoft.Storage.BlobCreated', { api: 'PutBlob', url })]), {
      type: 'created',
      api: 'PutBlob',
      location: { account: 'landing1', container: 'recordings', path: 'drive-1/größe & co.mcap' },
      isDirectory: false,
    });
  });

  it('in the CloudEvents schema, alone', () => {
    const event = onlyEventOf({
      specversion: '1.0',
      id: '1',
      source: TOPIC,
      type: 'Microsoft.Storage.BlobDeleted',
      subject: '/blobServices/default/containers/recordings/blobs/drive-1/a',
      data: { api: 'DeleteBlob' },
    });
    assert.equal(event?.type, 'deleted');
    assert.equal(event?.location.account, 'landing1');
  });

  it('a rename names where the blob was and where it is', () => {
    const data = {
      api: 'RenameFile',
      sourceUrl: 'https://landing1.dfs.core.windows.net/recordings/tmp/a',
      destinationUrl: 'https://landing1.dfs.core.windows.net/recordings/drive-1/a',
    };
    const event = onlyEventOf(eventGrid('Microsoft.Storage.BlobRenamed', data, 'drive-1/a'));
    assert.equal(event?.source?.path, 'tmp/a');
    assert.equal(event?.location.path, 'drive-1/a');
  });

  it('a rename of a directory is one of a directory', () => {
    const data = {
      api: 'RenameDirectory',
      sourceUrl: 'https://landing1.dfs.core.windows.net/recordings/tmp',
      destinationUrl: 'https://landing1.dfs.core.windows.net/recordings/drive-1',
    };
    const event = onlyEventOf(eventGrid('Microsoft.Storage.DirectoryRenamed', data, 'drive-1'));
    assert.equal(event?.isDirectory, true);
    assert.equal(event?.source?.path, 'tmp');
  });

  it('of a storage emulator, whose account is the first part of the path', () => {
    const event = { ...eventGrid('Microsoft.Storage.BlobCreated', {}), topic: '', subject: '' };
    const data = { api: 'PutBlob', url: 'http://127.0.0.1:10000/landing1/recordings/drive-1/a' };
    assert.deepEqual(onlyEventOf({ ...event, data })?.location, {
      account: 'landing1',
      container: 'recordings',
      path: 'drive-1/a',
    });
  });

  it('of types that are about no arrival are ignored by name', () => {
    const parsed = parseBlobEvents([eventGrid('Microsoft.Storage.BlobTierChanged', { api: 'SetBlobTier' })]);
    assert.deepEqual(parsed, { ok: true, events: [], ignoredTypes: ['Microsoft.Storage.BlobTierChanged'] });
  });

  it('that are none are refused with a sentence', () => {
    for (const body of [null, 'x', 5, {}, [{ eventType: 1 }]]) {
      const parsed = parseBlobEvents(body);
      assert.equal(parsed.ok, false);
      assert.match(parsed.ok ? '' : parsed.problem, /not an Event Grid event/);
    }
  });
});
