import { z } from 'zod';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobReference } from '../vocabulary.ts';

/** What `landfall/package` is told: frame indexes and scenes. Writes one tar file into `structured`. */
export const PackageTask = TaskConfiguration.extend({
  image: z.literal('landfall/package'),
  dataStreamId: z.string(),
  frameIndexes: z.array(
    z.object({
      /** The topic. */
      sensor: z.string(),
      index: BlobReference,
      /** Shards by the name the index uses. */
      shards: z.record(z.string(), BlobReference),
    }),
  ),
  /** The table of scenes; absent when scene detection was skipped. */
  scenes: BlobReference.optional(),
  framesMax: z.int().positive(),
});
export type PackageTask = z.infer<typeof PackageTask>;
