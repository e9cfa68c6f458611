import { z } from 'zod';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobReference } from '../vocabulary.ts';

/** What `landfall/sync` is told: tables to put on one timeline. Writes one table into `structured`. */
export const SyncTask = TaskConfiguration.extend({
  image: z.literal('landfall/sync'),
  /** Nanoseconds between the rows of the timeline. */
  periodNs: z.int().positive(),
  /** A sample further away than this is stale: the cell is null. */
  toleranceNs: z.int().positive(),
  tables: z
    .array(
      z.object({
        /** One or, where the recording was split over files, several tables with the same columns. */
        parts: z.array(BlobReference).min(1),
        /** The topic or message, for the columns' source. */
        source: z.string(),
        signals: z
          .array(
            z.object({
              column: z.string(),
              name: z.string(),
              unit: z.string().optional(),
              method: z.enum(['as-of', 'nearest', 'linear']),
            }),
          )
          .min(1),
      }),
    )
    .min(1),
});
export type SyncTask = z.infer<typeof SyncTask>;
