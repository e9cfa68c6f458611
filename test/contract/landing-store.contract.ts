import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { LandedFile, LandingFolder, LandingStore } from '#domain/ports/landing-store.ts';

export function landingStoreContract(name: string, start: () => Promise<LandingStore>): void {
  describe(`landing store: ${name}`, () => {
    let store: LandingStore;
    before(async () => {
      store = await start();
    });

    function newFolder(more: Partial<LandingFolder> = {}): Omit<LandingFolder, 'etag'> {
      const folder = `landing/${randomUUID()}`;
      const location = { account: 'landing', container: 'recordings', path: `${folder}/` };
      return { folder, location, region: 'local', firstArrivalAt: '2026-01-01T00:00:00.000Z', ...more };
    }
    const file = (path: string, second: number, eTag = `e${second}`): LandedFile => ({
      path,
      sizeBytes: 10 + second,
      eTag,
      lastModified: `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`,
      seenAt: `2026-01-01T00:00:${String(second).padStart(2, '0')}.500Z`,
    });
    const gone = (path: string, seenAt: string) => ({ path, gone: true, seenAt }) as const;
    async function paths(folder: string): Promise<string[]> {
      const found: string[] = [];
      for await (const landed of store.files(folder)) found.push(landed.path);
      return found.toSorted();
    }

    it('creates a folder once; who comes second gets what is there', async () => {
      const folder = newFolder();
      assert.equal(await store.folder(folder.folder), undefined);
      const [first, second] = await Promise.all([
        store.createFolder(folder),
        store.createFolder({ ...folder, lookAt: '2026-01-01T01:00:00.000Z' }),
      ]);
      assert.deepEqual(first, second);
      assert.deepEqual(await store.folder(folder.folder), first);
    });

    it('replaces a folder only as it was read', async () => {
      const created = await store.createFolder(newFolder());
      const replaced = await store.replaceFolder({ ...created, waitingFor: 'a.mf4' });
      assert.equal(replaced?.waitingFor, 'a.mf4');
      assert.notEqual(replaced?.etag, created.etag);
      assert.equal(await store.replaceFolder({ ...created, waitingFor: 'b.mf4' }), undefined);
      assert.deepEqual(await store.folder(created.folder), replaced);
      await store.recordFile(created.folder, file('x', 1));
      assert.equal(
        (await store.folder(created.folder))?.etag,
        replaced?.etag,
        'a file does not touch the folder',
      );
    });

    it('records what was seen last of each file, whatever the order it is told in', async () => {
      const { folder } = newFolder();
      assert.deepEqual(await store.recordFile(folder, file('a/b.mf4', 5)), { changed: true });
      const again = await store.recordFile(folder, file('a/b.mf4', 5));
      assert.deepEqual(again, { changed: false, before: file('a/b.mf4', 5) });
      const late = await store.recordFile(folder, file('a/b.mf4', 3));
      assert.deepEqual(late, { changed: false, before: file('a/b.mf4', 5) });
      assert.deepEqual(await store.file(folder, 'a/b.mf4'), file('a/b.mf4', 5));
      const next = await store.recordFile(folder, file('a/b.mf4', 7));
      assert.deepEqual(next, { changed: true, before: file('a/b.mf4', 5) });
      const sameTime = await store.recordFile(folder, file('a/b.mf4', 7, 'other'));
      assert.deepEqual(sameTime, { changed: true, before: file('a/b.mf4', 7) });
      assert.deepEqual(await store.file(folder, 'a/b.mf4'), file('a/b.mf4', 7, 'other'));
    });

    it('takes an older blob that was seen later: a rename keeps the time of writing', async () => {
      const { folder } = newFolder();
      await store.recordFile(folder, file('a', 8));
      const renamedInto = { ...file('a', 2), seenAt: '2026-01-01T00:00:09.000Z' };
      assert.equal((await store.recordFile(folder, renamedInto)).changed, true);
      assert.deepEqual(await store.file(folder, 'a'), renamedInto);
    });

    it('forgets a file that is gone, and not one that was seen after', async () => {
      const { folder } = newFolder();
      await store.recordFile(folder, file('a', 5));
      const goneAt6 = gone('a', '2026-01-01T00:00:06.800Z');
      assert.deepEqual(await store.recordFile(folder, goneAt6), { changed: true, before: file('a', 5) });
      assert.equal(await store.file(folder, 'a'), undefined);
      assert.deepEqual(await paths(folder), []);
      assert.deepEqual(await store.recordFile(folder, file('a', 6)), { changed: false, before: goneAt6 });
      assert.deepEqual(await store.recordFile(folder, file('a', 8)), { changed: true, before: goneAt6 });
      assert.equal((await store.recordFile(folder, goneAt6)).changed, false);
      assert.deepEqual(await paths(folder), ['a']);
      assert.equal(
        (await store.recordFile(folder, gone('never there', '2026-01-01T00:00:01Z'))).changed,
        false,
      );
    });

    it('counts the files of a folder, however they arrive at once', async () => {
      const { folder } = newFolder();
      assert.deepEqual(await store.progress(folder), { fileCount: 0, sizeBytes: 0 });
      await Promise.all(
        Array.from({ length: 30 }, (_, index) => store.recordFile(folder, file(`f${index}`, index))),
      );
      await store.recordFile(folder, gone('f29', '2026-01-01T00:01:00.000Z'));
      assert.deepEqual(await store.progress(folder), {
        fileCount: 29,
        sizeBytes: 29 * 10 + (28 * 29) / 2,
        lastArrivalAt: '2026-01-01T00:00:28.000Z',
      });
      assert.equal((await paths(folder)).length, 29);
    });

    it('knows which folders are to be looked at, the longest waiting first, and which still wait', async () => {
      const announced = { contentHash: 'h', measurementId: randomUUID(), at: '2026-01-01T00:00:00.000Z' };
      const early = newFolder({ lookAt: '1999-01-01T00:00:01.000Z' });
      const later = newFolder({
        lookAt: '1999-01-01T00:00:02.000Z',
        announced: { as: 'incomplete', ...announced },
      });
      const done = newFolder({ announced: { as: 'received', ...announced } });
      for (const folder of [later, early, done]) await store.createFolder(folder);
      const ours = (folders: readonly LandingFolder[]) =>
        folders
          .map(({ folder }) => [early, later, done].findIndex((one) => one.folder === folder))
          .filter((index) => index >= 0);
      assert.deepEqual(ours(await store.due(new Date('1999-01-01T00:00:03Z'), 100)), [0, 1]);
      assert.deepEqual(ours(await store.due(new Date('1999-01-01T00:00:01Z'), 100)), [0]);
      assert.equal((await store.due(new Date('1999-01-01T00:00:03Z'), 1)).length, 1);
      assert.deepEqual(ours(await store.waiting(1000)).toSorted(), [0, 1]);
    });
  });
}
