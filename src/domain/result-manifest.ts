import { z } from 'zod';
import { LossReport, RecordingFacts } from './recording-facts.ts';
import {
  BlobLocation,
  type BlobReference,
  DataStreamKind,
  Reason,
  SensorKind,
  Stage,
  TaskedWork,
  Zone,
} from './vocabulary.ts';

/** What a task and a data stream say of what they wrote. Always written last: what it names is there. */

export const ResultFile = BlobLocation.extend({
  sizeBytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  mediaType: z.string(),
  sensor: SensorKind,
  /** The recording file it was made from, relative to the measurement's folder. */
  sourceFile: z.string().optional(),
  /** Tables only. */
  rowCount: z.int().nonnegative().optional(),
  table: z
    .object({
      /** The topic, channel group or message. */
      name: z.string(),
      /** What kind of table: `topic`, `points`, `frames`, `can-raw`, `can-decoded`, `synchronized`, `scenes`, … */
      role: z.string(),
      schemaName: z.string(),
      columns: z.array(z.object({ name: z.string(), type: z.string(), unit: z.string().optional() })),
      startTime: z.iso.datetime().optional(),
      endTime: z.iso.datetime().optional(),
    })
    .optional(),
  /** Recording files in Raw only: what validation saw in it. */
  recording: RecordingFacts.optional(),
});
export type ResultFile = z.infer<typeof ResultFile>;

/** The file as something pinned that others may refer to. */
export function referenceOf({ account, container, path, sha256, sizeBytes }: ResultFile): BlobReference {
  return { account, container, path, sha256, sizeBytes };
}

/** How much that is: bytes of all files, rows of all tables. */
export function outputOf(files: readonly ResultFile[]): {
  readonly outputBytes: number;
  readonly outputRows: number;
} {
  return {
    outputBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    outputRows: files.reduce((sum, file) => sum + (file.rowCount ?? 0), 0),
  };
}

/** Written by a task under its attempt's own prefix. */
export const TaskResult = z.object({
  schemaVersion: z.literal(1),
  taskId: z.string(),
  stageRunId: z.string(),
  measurementId: z.string(),
  generation: z.int().positive(),
  stage: TaskedWork,
  attempt: z.int().positive(),
  image: z.string(),
  /** `empty`: what the task looks for is not in the file; that is a good end. */
  outcome: z.enum(['succeeded', 'empty', 'failed']),
  reason: Reason.optional(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  files: z.array(ResultFile),
  loss: LossReport,
  /** Milliseconds per part of the work: `read`, `decode`, `write`, `upload`. */
  timingsMs: z.record(z.string(), z.number()),
  /** What only this kind of task knows: quality report, ledger entry, clock offsets, scenes. */
  facts: z.record(z.string(), z.unknown()),
});
export type TaskResult = z.infer<typeof TaskResult>;

/** Lists everything in a data stream. Written by the handler that concludes the stage. */
export const DataStreamManifest = z.object({
  schemaVersion: z.literal(1),
  dataStreamId: z.string(),
  measurementId: z.string(),
  generation: z.int().positive(),
  kind: DataStreamKind,
  zone: Zone,
  parents: z.array(z.string()),
  stage: Stage,
  attempt: z.int().positive(),
  createdAt: z.iso.datetime(),
  files: z.array(ResultFile),
  loss: LossReport,
  /** A stage that was skipped passes its input on: the files are the parent's. */
  passThroughOf: z.string().optional(),
});
export type DataStreamManifest = z.infer<typeof DataStreamManifest>;
