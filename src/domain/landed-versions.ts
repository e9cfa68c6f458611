import { z } from 'zod';

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
