import { measurementIdOf } from '#domain/identity.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { landingFolderOf, MANIFEST_FILE_NAME, type Manifest } from '#domain/manifest.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { type BlobLocation, RECORDINGS_CONTAINER } from '#domain/vocabulary.ts';
import { filesBelow, type LocalFile, makeManifest, manifestIn } from './local-folder.ts';
import { bytesText, type Terminal } from './terminal.ts';

export interface UploadTarget {
  readonly blobs: BlobStore;
  /** The account that a folder of Landing belongs to. */
  readonly landingAccountOf: (landingFolder: string) => string;
}

export interface UploadedFolder {
  readonly measurementId: string;
  readonly folder: BlobLocation;
  readonly fileCount: number;
  readonly sizeBytes: number;
}

/** Many small files wait for answers, not for bytes. */
const FILES_AT_ONCE = 8;

/** Puts a folder into Landing, the manifest last. Everything after that happens by itself. */
export async function uploadFolder(
  folder: string,
  options: { readonly fleet: string; readonly vin?: string },
  target: UploadTarget,
  terminal: Terminal,
): Promise<UploadedFolder> {
  const own = await manifestIn(folder);
  const manifest = own?.manifest ?? (await makeManifest(folder, options, terminal));
  const bytes = own?.bytes ?? manifestBytes(manifest);
  const files = listedFiles(folder, manifest, await filesBelow(folder), terminal);
  const landingFolder = landingFolderOf(manifest.fleet, manifest.recordingId);
  const landing: BlobLocation = {
    account: target.landingAccountOf(landingFolder),
    container: RECORDINGS_CONTAINER,
    path: `${landingFolder}/`,
  };
  const at = (path: string): BlobLocation => ({ ...landing, path: `${landing.path}${path}` });
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  let sentBytes = 0;
  await inParallel(files, FILES_AT_ONCE, (file) => {
    let ofFile = 0;
    return target.blobs.uploadFile(file.localPath, at(file.path), {
      contentType: 'application/octet-stream',
      onProgress: (bytesSent) => {
        sentBytes += bytesSent - ofFile;
        ofFile = bytesSent;
        terminal.progress(`uploading ${file.path}: ${bytesText(sentBytes)} of ${bytesText(sizeBytes)}`);
      },
    });
  });
  await target.blobs.write(at(MANIFEST_FILE_NAME), bytes, { contentType: 'application/json' });
  return {
    measurementId: measurementIdOf(manifest.fleet, manifest.recordingId),
    folder: landing,
    fileCount: files.length,
    sizeBytes,
  };
}

export function manifestBytes(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** The files of the manifest that are there. Missing ones may still be on their way, so they are told, not refused. */
function listedFiles(
  folder: string,
  manifest: Manifest,
  present: readonly LocalFile[],
  terminal: Terminal,
): readonly LocalFile[] {
  const byPath = new Map(present.map((file) => [file.path, file]));
  const missing = manifest.files.filter((file) => !byPath.has(file.path)).map((file) => file.path);
  if (missing.length > 0) {
    terminal.note(
      `${folder} misses ${missing.length} of the ${manifest.files.length} files its manifest lists: ${missing.slice(0, 5).join(', ')}. The measurement waits for them in Landing.`,
    );
  }
  return manifest.files.flatMap((file) => byPath.get(file.path) ?? []);
}
