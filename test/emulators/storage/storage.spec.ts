// Against "Azure Blob Storage as an Event Grid source" and the Blob and Data Lake Storage Gen2 REST documentation.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import {
  BlobSASPermissions,
  type ContainerClient,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { sharedKeyAuthorization } from '#emulators/storage-shared-key.ts';
import {
  ACCOUNT_KEY,
  containerClient,
  dataLake,
  type EventSink,
  removeFolder,
  startEventSink,
  story,
  temporaryFolder,
  until,
} from './storage-fixture.ts';

describe('storage emulator', () => {
  const dataFolder = temporaryFolder();
  let sink: EventSink;
  let storage: RunningStorage;
  let flat: ContainerClient;
  let hierarchical: ContainerClient;

  before(async () => {
    sink = await startEventSink();
    storage = await startStorage({
      accounts: [
        { name: 'landing', key: ACCOUNT_KEY },
        { name: 'lake', key: ACCOUNT_KEY, hierarchical: true },
        { name: 'quiet', key: ACCOUNT_KEY, events: false },
      ],
      dataFolder,
      eventGridEndpoint: sink.endpoint,
      archiveRehydrateSeconds: 1.5,
    });
    flat = containerClient(storage.endpoint, 'landing', 'recordings');
    hierarchical = containerClient(storage.endpoint, 'lake', 'recordings');
    await flat.create();
    await hierarchical.create();
  });

  after(async () => {
    await storage.close();
    sink.close();
    removeFolder(dataFolder);
  });

  const settled = (): Promise<void> =>
    until('Event Grid has all events', () => storage.pendingEventCount() === 0);

  describe('a flat account', () => {
    it('tells of a small upload as PutBlob, with the facts a consumer needs', async () => {
      const blob = flat.getBlockBlobClient('drive 1/größe.mf4');
      const { etag } = await blob.upload('hello', 5, { blobHTTPHeaders: { blobContentType: 'text/plain' } });
      await settled();
      const event = sink.events.find(({ subject }) => subject.endsWith('größe.mf4'));
      assert.ok(event);
      assert.equal(event.subject, '/blobServices/default/containers/recordings/blobs/drive 1/größe.mf4');
      assert.match(event.topic, /\/providers\/Microsoft\.Storage\/storageAccounts\/landing$/);
      assert.equal(event.eventType, 'Microsoft.Storage.BlobCreated');
      assert.equal(event.data['api'], 'PutBlob');
      assert.equal(event.data['eTag'], etag?.replaceAll('"', ''));
      assert.equal(event.data['contentLength'], 5);
      assert.equal(event.data['contentType'], 'text/plain');
      assert.equal(event.data['blobType'], 'BlockBlob');
      assert.equal(event.data['url'], blob.url);
      assert.match(String(event.data['sequencer']), /^[0-9A-Fa-f]{48}$/);
    });

    it('tells of blocks only when their list is put', async () => {
      const blob = flat.getBlockBlobClient('blocks.bin');
      const block = Buffer.from('00001').toString('base64');
      await blob.stageBlock(block, 'abc', 3);
      await settled();
      assert.deepEqual(story(sink, '/blocks.bin'), []);
      await blob.commitBlockList([block]);
      await settled();
      assert.deepEqual(story(sink, '/blocks.bin'), ['BlobCreated PutBlockList']);
    });

    it('tells of a copy from another account, of an append blob and of a delete', async () => {
      const source = hierarchical.getBlockBlobClient('source.bin');
      await source.upload('copied', 6);
      const sas = generateBlobSASQueryParameters(
        {
          containerName: 'recordings',
          blobName: 'source.bin',
          permissions: BlobSASPermissions.parse('r'),
          expiresOn: new Date(Date.now() + 60_000),
        },
        new StorageSharedKeyCredential('lake', ACCOUNT_KEY),
      );
      await flat.getBlobClient('copied.bin').syncCopyFromURL(`${source.url}?${sas}`);
      assert.equal((await flat.getBlobClient('copied.bin').downloadToBuffer()).toString(), 'copied');
      const log = flat.getAppendBlobClient('drive.log');
      await log.create();
      await log.appendBlock('line', 4);
      await log.delete();
      await settled();
      assert.deepEqual(story(sink, '/copied.bin'), ['BlobCreated CopyBlob']);
      assert.deepEqual(story(sink, '/drive.log'), ['BlobCreated PutBlob', 'BlobDeleted DeleteBlob']);
    });

    it('says nothing of a refused write, of metadata, or of a deleted snapshot', async () => {
      const blob = flat.getBlockBlobClient('quiet.bin');
      await blob.upload('1', 1);
      await assert.rejects(blob.upload('2', 1, { conditions: { ifNoneMatch: '*' } }), { statusCode: 409 });
      await blob.setMetadata({ vin: 'WVW' });
      const { snapshot } = await blob.createSnapshot();
      await blob.withSnapshot(String(snapshot)).delete();
      await settled();
      assert.deepEqual(story(sink, '/quiet.bin'), ['BlobCreated PutBlob']);
    });

    it('says nothing of an account without a system topic', async () => {
      const quiet = containerClient(storage.endpoint, 'quiet', 'recordings');
      await quiet.create();
      await quiet.getBlockBlobClient('drive 1/quiet.mf4').upload('hello', 5);
      await quiet.deleteBlob('drive 1/quiet.mf4');
      await flat.getBlockBlobClient('drive 1/loud.mf4').upload('hello', 5);
      await settled();
      const names = sink.events.map(({ subject }) => subject.split('/').at(-1));
      assert.ok(names.includes('loud.mf4'));
      assert.ok(!names.includes('quiet.mf4'));
    });

    it('orders the events of one name by their sequencer', async () => {
      const blob = flat.getBlockBlobClient('again.bin');
      for (let version = 0; version < 20; version += 1) await blob.upload(`${version}`, `${version}`.length);
      await settled();
      const sequencers = sink.events
        .filter(({ subject }) => subject.endsWith('/again.bin'))
        .map(({ data }) => String(data['sequencer']));
      assert.equal(sequencers.length, 20);
      assert.deepEqual(sequencers, [...sequencers].sort());
      assert.equal(new Set(sequencers).size, 20);
    });

    it('tells of every blob a batch deletes, and only of those', async () => {
      const blobs = [1, 2, 3].map((n) => flat.getBlockBlobClient(`batch/${n} x.bin`));
      for (const blob of blobs.slice(0, 2)) await blob.upload('x', 1);
      const credential = new StorageSharedKeyCredential('landing', ACCOUNT_KEY);
      const answer = await flat.getBlobBatchClient().deleteBlobs(
        blobs.map(({ url }) => url),
        credential,
      );
      assert.deepEqual(
        answer.subResponses.map(({ status }) => status),
        [202, 202, 404],
      );
      await settled();
      assert.deepEqual(story(sink, 'batch/1 x.bin'), ['BlobCreated PutBlob', 'BlobDeleted DeleteBlob']);
      assert.deepEqual(story(sink, 'batch/2 x.bin'), ['BlobCreated PutBlob', 'BlobDeleted DeleteBlob']);
      assert.deepEqual(story(sink, 'batch/3 x.bin'), []);
    });

    it('keeps nothing of an upload that breaks off, and tells nothing of it', async () => {
      const target = '/landing/recordings/broken.bin';
      const headers: Record<string, string> = {
        'x-ms-version': '2023-11-03',
        'x-ms-date': new Date().toUTCString(),
        'x-ms-blob-type': 'BlockBlob',
        'content-length': '1000000',
      };
      headers['authorization'] = sharedKeyAuthorization('landing', ACCOUNT_KEY, {
        method: 'PUT',
        target,
        headers,
      });
      const upload = request(storage.endpoint + target, { method: 'PUT', headers });
      const broken = new Promise((resolve) => upload.once('error', resolve));
      upload.write(Buffer.alloc(500_000), () => upload.destroy(new Error('the line is cut')));
      await broken;
      const blob = flat.getBlockBlobClient('broken.bin');
      assert.equal(await blob.exists(), false);
      await blob.upload('whole', 5);
      await settled();
      assert.deepEqual(story(sink, '/broken.bin'), ['BlobCreated PutBlob']);
    });

    it('serves the dfs endpoint without events, as accounts without a hierarchy do', async () => {
      const created = await dataLake(storage.endpoint, 'landing', 'PUT', 'recordings/dfs.bin?resource=file');
      assert.equal(created.status, 201);
      await settled();
      assert.deepEqual(story(sink, '/dfs.bin'), []);
    });
  });

  describe('an account with a hierarchical namespace', () => {
    const lake = (method: string, target: string, rest?: Parameters<typeof dataLake>[4]): Promise<Response> =>
      dataLake(storage.endpoint, 'lake', method, target, rest);

    it('tells of a file on the dfs endpoint when it is created, empty, and when its last flush closes it', async () => {
      const path = 'recordings/drive/a.bag';
      assert.equal((await lake('PUT', `${path}?resource=file`)).status, 201);
      assert.equal((await lake('PATCH', `${path}?action=append&position=0`, { body: 'hello ' })).status, 202);
      assert.equal((await lake('PATCH', `${path}?action=flush&position=6`)).status, 200);
      assert.equal((await lake('PATCH', `${path}?action=append&position=6`, { body: 'world' })).status, 202);
      await settled();
      assert.deepEqual(story(sink, '/drive/a.bag'), ['BlobCreated CreateFile']);
      assert.equal((await lake('PATCH', `${path}?action=flush&position=11&close=true`)).status, 200);
      await settled();
      const [created, flushed] = sink.events.filter(({ subject }) => subject.endsWith('/drive/a.bag'));
      assert.equal(created?.data['contentLength'], 0);
      assert.equal(flushed?.data['api'], 'FlushWithClose');
      assert.equal(flushed?.data['contentLength'], 11);
      assert.equal(flushed?.dataVersion, '2');
      assert.equal(
        (await hierarchical.getBlobClient('drive/a.bag').downloadToBuffer()).toString(),
        'hello world',
      );
    });

    it('refuses a flush that does not end where the content ends', async () => {
      const path = 'recordings/gap.bin';
      await lake('PUT', `${path}?resource=file`);
      await lake('PATCH', `${path}?action=append&position=5`, { body: 'late' });
      const flushed = await lake('PATCH', `${path}?action=flush&position=9&close=true`);
      assert.equal(flushed.status, 400);
      assert.equal(flushed.headers.get('x-ms-error-code'), 'InvalidFlushPosition');
    });

    it('tells of PutBlockList when the blob endpoint is used', async () => {
      const blob = hierarchical.getBlockBlobClient('by-blob.bin');
      await blob.uploadData(Buffer.alloc(3000), { maxSingleShotSize: 1000, blockSize: 1000 });
      await settled();
      assert.deepEqual(story(sink, '/by-blob.bin'), ['BlobCreated PutBlockList']);
    });

    it('renames a file: one event with both addresses, and the bytes under the new name', async () => {
      await hierarchical.getBlockBlobClient('tmp/up.part').upload('payload', 7);
      const headers = { 'x-ms-rename-source': '/recordings/tmp/up.part' };
      const answer = await lake('PUT', 'recordings/final/up.mcap', { headers });
      assert.equal(answer.status, 201);
      await settled();
      const event = sink.events.find(({ subject }) => subject.endsWith('/final/up.mcap'));
      assert.equal(event?.eventType, 'Microsoft.Storage.BlobRenamed');
      assert.equal(event.data['api'], 'RenameFile');
      assert.equal(event.data['sourceUrl'], `${storage.endpoint}/lake/recordings/tmp/up.part`);
      assert.equal(event.data['destinationUrl'], `${storage.endpoint}/lake/recordings/final/up.mcap`);
      assert.equal(event.data['url'], undefined);
      assert.equal(
        (await hierarchical.getBlobClient('final/up.mcap').downloadToBuffer()).toString(),
        'payload',
      );
      assert.equal(await hierarchical.getBlobClient('tmp/up.part').exists(), false);
    });

    it('renames a directory with all it holds: one event for the directory', async () => {
      for (const name of ['old/a&b.bin', 'old/deep/c.bin'])
        await hierarchical.getBlockBlobClient(name).upload('x', 1);
      const headers = { 'x-ms-rename-source': '/recordings/old' };
      assert.equal((await lake('PUT', 'recordings/new', { headers })).status, 201);
      const names: string[] = [];
      for await (const blob of hierarchical.listBlobsFlat({ prefix: 'new/' })) names.push(blob.name);
      assert.deepEqual(names, ['new/a&b.bin', 'new/deep/c.bin']);
      await settled();
      assert.deepEqual(story(sink, '/blobs/new'), ['DirectoryRenamed RenameDirectory']);
      assert.deepEqual(story(sink, '/new/deep/c.bin'), []);
    });

    it('deletes a directory with its content only when asked to', async () => {
      await lake('PUT', 'recordings/gone?resource=directory');
      await hierarchical.getBlockBlobClient('gone/a.bin').upload('x', 1);
      const refused = await lake('DELETE', 'recordings/gone?recursive=false');
      assert.equal(refused.status, 409);
      assert.equal(refused.headers.get('x-ms-error-code'), 'DirectoryNotEmpty');
      assert.equal((await lake('DELETE', 'recordings/gone?recursive=true')).status, 200);
      assert.equal(await hierarchical.getBlobClient('gone/a.bin').exists(), false);
      await settled();
      assert.deepEqual(story(sink, '/blobs/gone'), [
        'DirectoryCreated CreateDirectory',
        'DirectoryDeleted DeleteDirectory',
      ]);
    });

    it('refuses a dfs request whose signature does not fit', async () => {
      const url = `${storage.endpoint}/lake/recordings/forged.bin?resource=file`;
      const headers = { authorization: 'SharedKey lake:Zm9yZ2Vk', 'x-ms-version': '2023-11-03' };
      assert.equal((await fetch(url, { method: 'PUT', headers })).status, 403);
      assert.equal(await hierarchical.getBlobClient('forged.bin').exists(), false);
    });

    it('accepts a shared access signature on the dfs endpoint', async () => {
      const sas = generateBlobSASQueryParameters(
        {
          containerName: 'recordings',
          blobName: 'signed.bin',
          permissions: BlobSASPermissions.parse('cw'),
          expiresOn: new Date(Date.now() + 60_000),
        },
        new StorageSharedKeyCredential('lake', ACCOUNT_KEY),
      );
      const path = `${storage.endpoint}/lake/recordings/signed.bin`;
      const put = { method: 'PUT', headers: { 'content-length': '0' } };
      assert.equal((await fetch(`${path}?resource=file&${sas}`, put)).status, 201);
      const append = await fetch(`${path}?action=append&position=0&flush=true&close=true&${sas}`, {
        method: 'PATCH',
        body: 'signed',
      });
      assert.equal(append.status, 202);
      assert.equal((await hierarchical.getBlobClient('signed.bin').downloadToBuffer()).toString(), 'signed');
    });
  });

  describe('the archive', () => {
    it('keeps a blob unreadable while it is rehydrated, says so, and tells when it is online', async () => {
      const blob = flat.getBlockBlobClient('archived.mf4');
      await blob.upload('cold', 4);
      await blob.setAccessTier('Archive');
      await blob.setAccessTier('Hot', { rehydratePriority: 'High' });
      const pending = await blob.getProperties();
      assert.equal(pending.accessTier, 'Archive');
      assert.equal(pending.archiveStatus, 'rehydrate-pending-to-hot');
      assert.equal(pending.rehydratePriority, 'High');
      await assert.rejects(blob.download(), { statusCode: 409, code: 'BlobArchived' });
      await assert.rejects(blob.setAccessTier('Cool'), { statusCode: 409, code: 'BlobBeingRehydrated' });
      await until('the blob is online', async () => (await blob.getProperties()).accessTier === 'Hot');
      assert.equal((await blob.getProperties()).archiveStatus, undefined);
      assert.equal((await blob.downloadToBuffer()).toString(), 'cold');
      await until('the change is told', () => story(sink, '/archived.mf4').length === 3);
      assert.deepEqual(story(sink, '/archived.mf4').slice(1), [
        'BlobTierChanged SetBlobTier',
        'BlobTierChanged SetBlobTier',
      ]);
    });

    it('goes on with a rehydration after a restart', async () => {
      const folder = temporaryFolder();
      const options = { accounts: [{ name: 'cold', key: ACCOUNT_KEY }], dataFolder: folder };
      const first = await startStorage({ ...options, archiveRehydrateSeconds: 0.7 });
      const container = containerClient(first.endpoint, 'cold', 'archive');
      await container.create();
      const blob = container.getBlockBlobClient('a.bin');
      await blob.upload('x', 1);
      await blob.setAccessTier('Archive');
      await blob.setAccessTier('Cool');
      await first.close();
      const second = await startStorage({ ...options, archiveRehydrateSeconds: 0.7 });
      const again = containerClient(second.endpoint, 'cold', 'archive').getBlobClient('a.bin');
      await until('the blob is online', async () => (await again.getProperties()).accessTier === 'Cool');
      await second.close();
      removeFolder(folder);
    });
  });

  describe('faults on demand', () => {
    it('executes a write whose answer is lost, and raises its event', async () => {
      storage.faults.add({
        match: { method: 'PUT', pathPattern: 'lost-answer' },
        kind: 'lost-answer',
        times: 1,
      });
      const blob = flat.getBlockBlobClient('lost-answer.bin');
      await assert.rejects(blob.upload('x', 1));
      assert.equal(await blob.exists(), true);
      await settled();
      assert.deepEqual(story(sink, '/lost-answer.bin'), ['BlobCreated PutBlob']);
    });

    it('takes orders over its own port', async () => {
      const order = { match: { pathPattern: 'busy' }, kind: 'status', status: 503, times: 1 };
      await fetch(`${storage.endpoint}/control/faults`, { method: 'POST', body: JSON.stringify(order) });
      const blob = flat.getBlockBlobClient('busy.bin');
      await assert.rejects(blob.upload('x', 1), { statusCode: 503 });
      await blob.upload('x', 1);
    });
  });

  it('keeps events for an Event Grid that is down, and sends them when it is back', async () => {
    sink.accepting = false;
    await flat.getBlockBlobClient('while-down.bin').upload('x', 1);
    await until('the event waits', () => storage.pendingEventCount() === 1);
    sink.accepting = true;
    await settled();
    assert.deepEqual(story(sink, '/while-down.bin'), ['BlobCreated PutBlob']);
  });
});
