import { z } from 'zod';
import { BlobLocation, SensorKind, TaskedWork } from './vocabulary.ts';

/** What every task is told, whatever it does. Each image extends it with its own part (src/domain/tasks). */
export const TaskConfiguration = z.object({
  schemaVersion: z.literal(1),
  image: z.string(),
  taskId: z.string(),
  stageRunId: z.string(),
  measurementId: z.string(),
  generation: z.int().positive(),
  stage: TaskedWork,
  attempt: z.int().positive(),
  /** Where outputs go, per sensor kind: folders of this attempt alone. Empty for tasks that write none. */
  output: z.partialRecord(SensorKind, BlobLocation),
  /** Where the result manifest goes; written last. */
  result: BlobLocation,
  /** W3C trace context of the command that led here. */
  traceparent: z.string().optional(),
});
export type TaskConfiguration = z.infer<typeof TaskConfiguration>;

/** Environment variable of a task that names its configuration blob, as `account/container/path`. */
export const TASK_CONFIGURATION_VARIABLE = 'LANDFALL_TASK_CONFIGURATION';
