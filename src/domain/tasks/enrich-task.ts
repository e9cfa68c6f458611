import { z } from 'zod';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobReference } from '../vocabulary.ts';

/** What `landfall/enrich` is told: the synchronized table. Writes one table with the same rows into `structured`. */
export const EnrichTask = TaskConfiguration.extend({
  image: z.literal('landfall/enrich'),
  synchronized: BlobReference,
});
export type EnrichTask = z.infer<typeof EnrichTask>;
