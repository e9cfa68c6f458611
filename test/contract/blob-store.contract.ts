import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Conflict, TerminalFailure } from '#domain/failures.ts';
import type { BlobProperties, BlobStore, CopyBlock } from '#domain/ports/blob-store.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';

/** A store with at least two empty accounts; `account` names another for each call. */
export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  readonly accounts: readonly [string, string];
}

export function blobStoreContract(name: string, start: () => Promise<BlobStoreUnderTest>): void {
  describe(`blob store: ${name}`, () => {
    let store: BlobStore;
    let accounts: readonly [string, string];
    let folderNumber = 0;
    before(async () => {
      ({ store, accounts } = await start());
    });

    /** A blob in a folder of its own. */
    function place(path = 'file.bin', account = accounts[0]): BlobLocation {
      return { account, container: 'recordings', path: `folder ${folderNumber++}/${path}` };
    }
    const text = (value: string) => new TextEncoder().encode(value);
    const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
    const put = (location: BlobLocation, content: string) =>
      store.write(location, text(content), { contentType: 'text/plain' });

    it('gives back what was written, with its size, type, metadata and eTag', async () => {
      const location = place('größe & co.txt');
      const written = await store.write(location, text('hello'), {
        contentType: 'text/plain',
        metadata: { recording: 'r1' },
      });
      assert.equal(written.written, true);
      assert.equal(written.sha256, sha256(text('hello')));
      const properties = await store.head(location);
      assert.deepEqual(
        { ...properties, lastModified: undefined, md5: undefined, tier: undefined },
        {
          location,
          sizeBytes: 5,
          eTag: written.eTag,
          lastModified: undefined,
          contentType: 'text/plain',
          md5: undefined,
          metadata: { recording: 'r1' },
          copyPending: false,
          tier: undefined,
          rehydrating: false,
        },
      );
      assert.doesNotMatch(written.eTag, /"/);
      assert.deepEqual(await store.read(location), text('hello'));
    });

    it('knows that nothing is there', async () => {
      const location = place();
      assert.equal(await store.head(location), undefined);
      assert.equal(await store.committedBlocks(location), undefined);
      assert.equal(await store.remove(location), false);
      await assert.rejects(store.read(location), { name: 'TerminalFailure', code: 'not-found' });
      await assert.rejects(store.open(location), { name: 'TerminalFailure', code: 'not-found' });
      assert.deepEqual(await collected(store, { ...location, container: 'no-such-container' }), []);
    });

    it('writes only where nothing is, when asked to, and says so', async () => {
      const location = place();
      const first = await store.write(location, text('first'), { contentType: 'a/b', onlyIfAbsent: true });
      const second = await store.write(location, text('second'), { contentType: 'a/b', onlyIfAbsent: true });
      assert.deepEqual(second, { eTag: first.eTag, written: false, sha256: sha256(text('second')) });
      assert.deepEqual(await store.read(location), text('first'));
    });

    it('lists what lies below a folder, in the order of the paths, and nothing beside it', async () => {
      const folder = place('');
      for (const path of ['b.bin', 'a/2.bin', 'a/1.bin'])
        await put({ ...folder, path: folder.path + path }, path);
      await put({ ...folder, path: `${folder.path.slice(0, -1)}-beside/x` }, 'x');
      const listed = await collected(store, folder);
      assert.deepEqual(
        listed.map(({ location, sizeBytes }) => [location.path.slice(folder.path.length), sizeBytes]),
        [
          ['a/1.bin', 7],
          ['a/2.bin', 7],
          ['b.bin', 5],
        ],
      );
      assert.equal(listed[0]?.eTag, (await store.head(listed[0]!.location))?.eTag);
    });

    it('reads ranges of one version, and refuses to mix it with another', async () => {
      const location = place();
      const { eTag } = await put(location, '0123456789');
      const source = await store.open(location, { eTag });
      assert.equal(source.sizeBytes, 10);
      assert.deepEqual(await source.read(3, 4), text('3456'));
      assert.deepEqual(await source.read(10, 0), new Uint8Array());
      await put(location, 'xxxxxxxxxx');
      await assert.rejects(source.read(0, 1), { name: 'TerminalFailure', code: 'file-changed' });
      await assert.rejects(store.open(location, { eTag }), { name: 'TerminalFailure', code: 'file-changed' });
    });

    it('opens a version that was just looked at, and finds another at the latest by reading it', async () => {
      const location = place();
      const { eTag } = await put(location, '0123456789');
      const known = { eTag, sizeBytes: 10 };
      assert.deepEqual(await (await store.open(location, known)).read(3, 4), text('3456'));
      await put(location, 'xxxxxxxxxx');
      const readChanged = async () => (await store.open(location, known)).read(0, 10);
      await assert.rejects(readChanged(), { name: 'TerminalFailure', code: 'file-changed' });
    });

    it('reads what a reference pins, and nothing else in its place', async () => {
      const location = place();
      const { sha256: hash } = await put(location, 'pinned');
      const reference = { ...location, sha256: hash, sizeBytes: 6 };
      assert.deepEqual(await store.readPinned(reference), text('pinned'));
      await put(location, 'forged');
      await assert.rejects(store.readPinned(reference), { name: 'TerminalFailure', code: 'file-changed' });
      await assert.rejects(store.read(location, 5), (error) => error instanceof TerminalFailure);
    });

    it('uploads a file, and tells how far it is', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'landfall-blob-'));
      const content = new Uint8Array(300_000).map((_, index) => index % 251);
      await writeFile(join(folder, 'f'), content);
      const location = place();
      let sent = 0;
      const uploaded = await store.uploadFile(join(folder, 'f'), location, {
        contentType: 'application/octet-stream',
        onProgress: (bytes) => {
          sent = bytes;
        },
      });
      await rm(folder, { recursive: true });
      assert.equal(uploaded.sizeBytes, content.length);
      assert.equal(sent, content.length);
      assert.equal((await store.head(location))?.eTag, uploaded.eTag);
      assert.deepEqual(await store.read(location), content);
    });

    describe('a copy from account to account', () => {
      const content = '0123456789abcdef';
      const blocks: CopyBlock[] = [0, 6, 12].map((offset, index) => {
        const sizeBytes = Math.min(6, content.length - offset);
        return {
          blockId: Buffer.from(`block-${String(index).padStart(6, '0')}`).toString('base64'),
          offset,
          sizeBytes,
          md5: createHash('md5')
            .update(content.slice(offset, offset + sizeBytes))
            .digest('hex'),
        };
      });

      it('goes block by block, is there when it is committed, and lists its blocks', async () => {
        const location = place();
        const target = place('copy.bin', accounts[1]);
        const { eTag } = await put(location, content);
        for (const block of blocks.toReversed()) await store.copyBlock({ location, eTag }, target, block);
        assert.equal(await store.head(target), undefined);
        const committed = await store.commitBlocks(target, blocks, {
          contentType: 'application/x-mdf',
          metadata: { source: 'a' },
        });
        const properties = await store.head(target);
        assert.equal(properties?.eTag, committed.eTag);
        assert.equal(properties?.contentType, 'application/x-mdf');
        assert.deepEqual(properties?.metadata, { source: 'a' });
        assert.deepEqual(await store.read(target), text(content));
        assert.deepEqual(
          await store.committedBlocks(target),
          blocks.map(({ blockId, sizeBytes }) => ({ blockId, sizeBytes })),
        );
      });

      it('refuses a block with other bytes, and a source that is another version', async () => {
        const location = place();
        const target = place('copy.bin', accounts[1]);
        const { eTag } = await put(location, content);
        const wrong = { ...blocks[0]!, md5: '0'.repeat(32) };
        await assert.rejects(store.copyBlock({ location, eTag }, target, wrong), {
          name: 'TerminalFailure',
          code: 'copy-unverified',
        });
        await put(location, content);
        await assert.rejects(store.copyBlock({ location, eTag }, target, blocks[0]!), {
          name: 'TerminalFailure',
          code: 'file-changed',
        });
      });

      it('refuses to commit blocks that were never copied', async () => {
        await assert.rejects(store.commitBlocks(place('x', accounts[1]), blocks, {}), {
          name: 'TerminalFailure',
          code: 'copy-unverified',
        });
      });

      it('leaves alone what lies at its target, where there was to be nothing', async () => {
        const location = place();
        const target = place('taken.bin', accounts[1]);
        const { eTag } = await put(location, content);
        for (const block of blocks) await store.copyBlock({ location, eTag }, target, block);
        await put(target, 'uploaded meanwhile');
        // An upload discards what was staged, so it is staged once more.
        for (const block of blocks) await store.copyBlock({ location, eTag }, target, block);
        await assert.rejects(store.commitBlocks(target, blocks, { onlyIfAbsent: true }), {
          name: 'Conflict',
        });
        assert.deepEqual(await store.read(target), text('uploaded meanwhile'));
        await store.remove(target);
        for (const block of blocks) await store.copyBlock({ location, eTag }, target, block);
        await store.commitBlocks(target, blocks, { onlyIfAbsent: true });
        assert.deepEqual(await store.read(target), text(content));
      });

      it('of an empty blob is an empty blob', async () => {
        const target = place('empty', accounts[1]);
        await store.commitBlocks(target, [], {});
        assert.equal((await store.head(target))?.sizeBytes, 0);
        assert.deepEqual(await store.committedBlocks(target), []);
      });

      it('says that its source does not exist', async () => {
        await assert.rejects(
          store.copyBlock({ location: place('gone'), eTag: '0x1' }, place('x', accounts[1]), blocks[0]!),
          (error) => error instanceof TerminalFailure && ['not-found', 'file-changed'].includes(error.code),
        );
      });
    });

    it('removes a blob once, and only the version that was meant', async () => {
      const location = place();
      const { eTag } = await put(location, 'a');
      await put(location, 'b');
      await assert.rejects(store.remove(location, { eTag }), (error) => error instanceof Conflict);
      assert.equal(await store.remove(location), true);
      assert.equal(await store.remove(location), false);
    });

    it('moves a blob into the Archive tier and back', async () => {
      const location = place();
      await put(location, 'cold');
      await store.setTier(location, 'Archive');
      assert.equal((await store.head(location))?.tier, 'Archive');
      await store.setTier(location, 'Hot', 'High');
      const asked = await store.head(location);
      assert.ok(asked?.tier === 'Hot' || asked?.rehydrating === true, 'online, or on its way');
      const deadline = Date.now() + 5000;
      let properties: BlobProperties | undefined = asked;
      while (properties?.tier !== 'Hot' && Date.now() < deadline) {
        // Asked again while it is under way: no error.
        await store.setTier(location, 'Hot', 'High');
        properties = await store.head(location);
      }
      assert.equal(properties?.tier, 'Hot');
      assert.deepEqual(await store.read(location), text('cold'));
    });

    it('signs a URL that anyone can read, for this blob and nothing else', async () => {
      const location = place();
      await put(location, 'shared');
      const url = await store.readUrl(location, new Date(Date.now() + 60_000));
      assert.match(url, /^https?:\/\//);
      assert.ok(url.includes('sp=r&') || url.endsWith('sp=r'), 'only the right to read');
    });
  });
}

async function collected(store: BlobStore, folder: BlobLocation): Promise<BlobProperties[]> {
  const blobs: BlobProperties[] = [];
  for await (const blob of store.list(folder)) blobs.push(blob);
  return blobs;
}
