import { createHash } from 'node:crypto';
import { measurementIdOf } from '#domain/identity.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { landingFolderOf, MANIFEST_FILE_NAME, type Manifest } from '#domain/manifest.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { smallBag, timesNs } from '#test/support/small-bag.ts';

const START_NS = 1_764_000_000_000_000_000n;
const FLEET = 'bench';
const PARALLEL_BLOBS = 8;

/** A folder in Landing, complete. */
export interface LandedRecording {
  readonly measurementId: string;
  readonly fileCount: number;
  /** When the answer to its last blob's commit came. */
  readonly committedAtMs: number;
}

/**
 * Puts a recording into Landing, the manifest last: one ROS bag of 5 s, and small text files as many as asked for.
 * The bag of each recording begins at a time of its own.
 */
export async function landRecording(
  blobs: BlobStore,
  recordingId: string,
  index: number,
  furtherFiles = 0,
): Promise<LandedRecording> {
  const bag = await smallBag({ timesNs: timesNs(START_NS + BigInt(index) * 10_000_000_000n, 50, 100) });
  const files = [
    { path: 'drive.bag', bytes: bag },
    ...Array.from({ length: furtherFiles }, (_, file) => ({
      path: `notes/${String(file).padStart(5, '0')}.txt`,
      bytes: new TextEncoder().encode(`note ${file} of ${recordingId}\n`),
    })),
  ];
  const manifest: Manifest = {
    schemaVersion: 1,
    fleet: FLEET,
    recordingId,
    vehicle: { vin: 'WVWZZZ1KZ6W000001' },
    files: files.map(({ path, bytes }) => ({
      path,
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      ...(path.endsWith('.txt') ? { format: 'other' as const } : {}),
    })),
  };
  const folder = `${landingFolderOf(FLEET, recordingId)}/`;
  const put = (path: string, bytes: Uint8Array, contentType: string) =>
    blobs.write({ account: 'landing', container: 'recordings', path: `${folder}${path}` }, bytes, {
      contentType,
    });
  await inParallel(files, PARALLEL_BLOBS, ({ path, bytes }) => put(path, bytes, 'application/octet-stream'));
  await put(MANIFEST_FILE_NAME, new TextEncoder().encode(JSON.stringify(manifest)), 'application/json');
  return {
    measurementId: measurementIdOf(FLEET, recordingId),
    fileCount: files.length + 1,
    committedAtMs: Date.now(),
  };
}
