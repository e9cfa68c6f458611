import { z } from 'zod';
import { below } from './stage-plan.ts';
import type { BlobLocation } from './vocabulary.ts';

/**
 * Which version of each file was meant when something was said of a folder in Landing. What is done about it later is
 * done to these versions: a file that was uploaded again meanwhile is another, and nobody's to move.
 */
export const LandedVersion = z.object({
  /** Relative to the folder. */
  path: z.string(),
  sizeBytes: z.int().nonnegative(),
  eTag: z.string(),
});
export type LandedVersion = z.infer<typeof LandedVersion>;

/** As long as the manifest, so kept as a blob; messages refer to it. */
export const LandedVersions = z.object({
  schemaVersion: z.literal(1),
  files: z.array(LandedVersion),
});
export type LandedVersions = z.infer<typeof LandedVersions>;

/** What lies below a folder now. `blobs` lists what has a path that begins with the one it is given. */
export async function storedVersions(
  blobs: { list(folder: BlobLocation): AsyncIterable<StoredVersion> },
  folder: BlobLocation,
): Promise<LandedVersion[]> {
  const prefix = below(folder, '').path;
  const files: LandedVersion[] = [];
  for await (const { location, sizeBytes, eTag } of blobs.list({ ...folder, path: prefix }))
    files.push({ path: location.path.slice(prefix.length), sizeBytes, eTag });
  return files;
}

type StoredVersion = Omit<LandedVersion, 'path'> & { readonly location: BlobLocation };
