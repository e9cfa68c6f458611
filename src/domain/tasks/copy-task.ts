import { z } from 'zod';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobLocation, BlobReference } from '../vocabulary.ts';

/**
 * What `landfall/copy` is told. `copy` and `remove` work from the ledger of validation and verify block by block;
 * `copy-versions` and `remove-versions` move files nobody has validated, pinned by eTag alone; `remove-duplicate`
 * removes what is proven to be there already.
 */
export const CopyTask = TaskConfiguration.extend({
  work: z.discriminatedUnion('action', [
    z.object({
      action: z.literal('copy'),
      ledger: BlobReference,
      source: BlobLocation,
      target: BlobLocation,
    }),
    z.object({
      action: z.literal('remove'),
      ledger: BlobReference,
      source: BlobLocation,
      /** Folders that must hold every file, verified again, before anything is removed. */
      copies: z.array(BlobLocation).min(1),
    }),
    z.object({
      action: z.literal('copy-versions'),
      source: BlobLocation,
      target: BlobLocation,
      /** What is copied; a file that is another version by now is left alone. Absent: whatever lies there. */
      versions: BlobReference.optional(),
      /** Names directly in the source folder that are not copied. */
      except: z.array(z.string()).default([]),
      /** Whether a file that already lies in the target, with other bytes, stays as it is. */
      keepExisting: z.boolean(),
    }),
    z.object({
      action: z.literal('remove-versions'),
      source: BlobLocation,
      /** What may be removed. Absent: whatever lies there. */
      versions: BlobReference.optional(),
      /** Only a file that has an equal copy here is removed. */
      copy: BlobLocation,
      /** All of them or none: when one of them is there as another version, those that were removed come back. */
      unlessCorrected: z.boolean().default(false),
    }),
    z.object({
      action: z.literal('remove-duplicate'),
      ledger: BlobReference,
      source: BlobLocation,
      /** The versions that came again; they must have the bytes of the ledger. */
      versions: BlobReference,
      /** Must hold every file, verified block by block, before anything is removed. */
      raw: BlobLocation,
      /** Must hold every file in its size: in the Archive tier blocks cannot be listed. */
      archive: BlobLocation,
    }),
  ]),
});
export type CopyTask = z.infer<typeof CopyTask>;

/** `facts` in the result of a copy task. */
export const CopyFacts = z.object({
  fileCount: z.int().nonnegative(),
  sizeBytes: z.int().nonnegative(),
  /** Files that were already as they should be. */
  unchangedCount: z.int().nonnegative(),
  /** Files left alone because they are another version than the one that was copied; at most 20 paths. */
  kept: z.array(z.string()).max(20),
});
export type CopyFacts = z.infer<typeof CopyFacts>;
