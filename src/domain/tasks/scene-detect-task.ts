import { z } from 'zod';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobReference } from '../vocabulary.ts';

/** What `landfall/scene-detect` is told: the enriched table. Writes one table of scenes into `structured`. */
export const SceneDetectTask = TaskConfiguration.extend({
  image: z.literal('landfall/scene-detect'),
  enriched: BlobReference,
  /** The data stream the scenes belong to; part of their identity. */
  dataStreamId: z.string(),
});
export type SceneDetectTask = z.infer<typeof SceneDetectTask>;

/** `facts` in the result of a scene detection. */
export const SceneDetectFacts = z.object({
  scenes: z.array(
    z.object({
      sceneId: z.string(),
      type: z.string(),
      startTime: z.iso.datetime(),
      endTime: z.iso.datetime(),
      confidence: z.number().min(0).max(1),
      rule: z.object({ name: z.string(), version: z.string() }),
      evidence: z.record(z.string(), z.union([z.number(), z.string()])),
    }),
  ),
  /** Rules that could not look, and the columns they missed. */
  blindRules: z.array(z.object({ rule: z.string(), missing: z.array(z.string()) })),
});
export type SceneDetectFacts = z.infer<typeof SceneDetectFacts>;
