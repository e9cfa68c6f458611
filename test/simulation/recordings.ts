import type { BlobEvent } from '#domain/blob-event.ts';
import type { BlobProperties } from '#domain/ports/blob-store.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import type { MemoryBlobStore } from './fakes/memory-blob-store.ts';

/** The vehicle's side: folders with a manifest and two files, uploaded, changed, moved. */

const FILES: Readonly<Record<string, string>> = { 'front.mcap': 'front', 'can/bus.mf4': 'bus' };

const TOUCHED_FILE = 'front.mcap';

/** What the file that `touch` writes holds; undefined when a file of the folder is missing. */
export async function touchedContentIn(
  blobs: MemoryBlobStore,
  folder: UploadedFolder,
): Promise<string | undefined> {
  for (const path of [...Object.keys(FILES), 'manifest.json']) {
    if ((await blobs.head(locationIn(folder, path))) === undefined) return undefined;
  }
  return new TextDecoder().decode(await blobs.read(locationIn(folder, TOUCHED_FILE)));
}

export interface UploadedFolder {
  readonly fleet: string;
  readonly recordingId: string;
}

export function locationIn({ recordingId }: UploadedFolder, path: string): BlobLocation {
  return { account: 'landing1', container: 'recordings', path: `${recordingId}/${path}` };
}

/** Writes the whole folder. @returns one event per blob, as Event Grid would send them. */
export async function upload(
  blobs: MemoryBlobStore,
  folder: UploadedFolder,
  version: number,
): Promise<readonly BlobEvent[]> {
  const manifest = JSON.stringify({
    schemaVersion: 1,
    ...folder,
    vehicle: { vin: 'WVWZZZ1JZXW000001' },
    files: Object.entries(FILES).map(([path, content]) => ({
      path,
      sizeBytes: content.length,
      md5: String(version).padStart(32, '0'),
    })),
  });
  const events: BlobEvent[] = [];
  for (const [path, content] of Object.entries({ ...FILES, 'manifest.json': manifest })) {
    events.push(await uploadFile(blobs, folder, path, content));
  }
  return events;
}

/** Writes one of the files again: other bytes, same size. */
export function touch(blobs: MemoryBlobStore, folder: UploadedFolder, content = 'FRONT'): Promise<BlobEvent> {
  return uploadFile(blobs, folder, TOUCHED_FILE, content);
}

async function uploadFile(
  blobs: MemoryBlobStore,
  folder: UploadedFolder,
  path: string,
  content: string,
): Promise<BlobEvent> {
  const location = locationIn(folder, path);
  await blobs.write(location, new TextEncoder().encode(content), { contentType: 'application/x' });
  return { type: 'created', api: 'PutBlob', location, isDirectory: false };
}

/** The blobs of a folder as they are now, which is what a stage's ledger remembers. */
export async function inventoryOf(
  blobs: MemoryBlobStore,
  folder: UploadedFolder,
): Promise<readonly BlobProperties[]> {
  return Array.fromAsync(blobs.list(locationIn(folder, '')));
}

/** Takes files out of Landing, as the copy stage and the quarantine do: these versions, not what came after them. */
export async function remove(
  blobs: MemoryBlobStore,
  inventory: readonly Pick<BlobProperties, 'location' | 'eTag'>[],
): Promise<readonly BlobEvent[]> {
  const events: BlobEvent[] = [];
  for (const { location, eTag } of inventory) {
    if ((await blobs.head(location))?.eTag !== eTag) continue;
    await blobs.remove(location);
    events.push({ type: 'deleted', api: 'DeleteBlob', location, isDirectory: false });
  }
  return events;
}
