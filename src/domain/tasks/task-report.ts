import { z } from 'zod';
import { BlobReference } from '../vocabulary.ts';

/** What a task says at its end: the body of `POST {LANDFALL_API}/tasks/{taskId}/report`. */
export const TaskReportBody = z.object({
  outcome: z.enum(['succeeded', 'empty', 'failed']),
  reason: z.object({ code: z.string(), message: z.string().max(2000) }).optional(),
  /** The result manifest, which lies there by now. */
  result: BlobReference.optional(),
});
export type TaskReportBody = z.infer<typeof TaskReportBody>;
