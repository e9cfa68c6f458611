import { z } from 'zod';
import type { FailureCode } from './failures.ts';
import { taskIdOf } from './identity.ts';
import { type MessageType, messageDefinition } from './messages.ts';
import { type LossReport, NO_LOSS } from './recording-facts.ts';
import type { TaskResult } from './result-manifest.ts';
import {
  BlobLocation,
  DataStreamKind,
  isCustodyWork,
  type Reason,
  SensorKind,
  TaskedWork,
  Zone,
} from './vocabulary.ts';

/**
 * What an attempt of a stage is going to do, decided once and kept, so that a repeated command finds the same tasks
 * in the same places whatever has changed meanwhile.
 */
export const PlannedTask = z.object({
  /** `landfall/<task>`. */
  image: z.string(),
  pool: z.enum(['orchestrator', 'execution']),
  /** Positions, in the plan, of the tasks that must succeed first. */
  dependsOn: z.array(z.int().nonnegative()),
  wallClockSecondsMax: z.int().positive(),
  /** Where outputs go, per sensor kind. */
  output: z.partialRecord(SensorKind, BlobLocation),
  /** The image's own part of its configuration (src/domain/tasks). */
  own: z.record(z.string(), z.unknown()),
});
export type PlannedTask = z.infer<typeof PlannedTask>;

export const StagePlan = z.object({
  schemaVersion: z.literal(1),
  tasks: z.array(PlannedTask),
  /** What the stage will produce, and where. */
  dataStream: z
    .object({
      dataStreamId: z.string(),
      kind: DataStreamKind,
      zone: Zone,
      locations: z.array(BlobLocation),
      parents: z.array(z.string()),
    })
    .optional(),
});
export type StagePlan = z.infer<typeof StagePlan>;
export type PlannedDataStream = NonNullable<StagePlan['dataStream']>;

/** The events that end an attempt, in their order, as they are kept before they are said. */
export const KeptConclusion = z.array(
  z.object({
    type: z.custom<MessageType>((type) => typeof type === 'string' && messageDefinition(type) !== undefined),
    data: z.unknown(),
  }),
);

/** One attempt of one stage, and where it keeps its papers. */
export interface RunPlace {
  readonly stageRunId: string;
  readonly measurementId: string;
  readonly generation: number;
  readonly stage: TaskedWork;
  readonly attempt: number;
  /** Tells it from other runs of the generation and attempt (`runKeyOf`). */
  readonly key: string;
  /** Folder of this attempt alone: plan, configurations, results, conclusion. */
  readonly workFolder: BlobLocation;
}

/** A task that has ended well. */
export interface EndedTask {
  readonly taskId: string;
  readonly planned: PlannedTask;
  readonly result: TaskResult;
}

/** `path` below `folder`. */
export function below(folder: BlobLocation, path: string): BlobLocation {
  const separator = folder.path === '' || folder.path.endsWith('/') ? '' : '/';
  return { account: folder.account, container: folder.container, path: `${folder.path}${separator}${path}` };
}

/**
 * The stage's name; for a work of custody its command too, since a person may order it more than once in a
 * generation, and nobody counts attempts then.
 */
export function runKeyOf(work: TaskedWork, commandId: string): string {
  return isCustodyWork(work) ? `${work}/${commandId}` : work;
}

export function workFolderOf(
  container: { readonly account: string; readonly container: string },
  place: Pick<RunPlace, 'measurementId' | 'generation' | 'key' | 'attempt'>,
): BlobLocation {
  return {
    account: container.account,
    container: container.container,
    path: `${place.measurementId}/${place.generation}/${place.key}/${place.attempt}/`,
  };
}

/** The work folder of a stored run; its command says the generation. */
export function workFolderOfRun(
  container: { readonly account: string; readonly container: string },
  run: {
    readonly measurementId: string;
    readonly stage: string;
    readonly attempt: number;
    readonly command: { readonly id: string; readonly data: object };
  },
): BlobLocation {
  const { measurementId, attempt } = run;
  const { generation } = z.object({ generation: z.int() }).parse(run.command.data);
  const key = runKeyOf(TaskedWork.parse(run.stage), run.command.id);
  return workFolderOf(container, { measurementId, generation, key, attempt });
}

/**
 * The folders of one task of one attempt, one per sensor kind: a location of the data stream is a container named as
 * the sensor kind, and nobody else writes below `attempt-<n>/task-<n>/`.
 */
export function outputFolders(
  locations: readonly BlobLocation[],
  sensors: readonly SensorKind[],
  attempt: number,
  taskIndex: number,
): Partial<Record<SensorKind, BlobLocation>> {
  const folders: Partial<Record<SensorKind, BlobLocation>> = {};
  for (const sensor of sensors) {
    const location = locations.find((candidate) => candidate.container === sensor);
    if (location === undefined) throw new Error(`the data stream has no container for ${sensor}`);
    folders[sensor] = below(location, `attempt-${attempt}/task-${taskIndex}/`);
  }
  return folders;
}

/** Positions of all tasks that wait, directly or not, for the task at `index`. */
export function dependentsOf(tasks: readonly PlannedTask[], index: number): number[] {
  const stopped = new Set([index]);
  let grown = true;
  while (grown) {
    grown = false;
    tasks.forEach((task, candidate) => {
      if (!stopped.has(candidate) && task.dependsOn.some((needed) => stopped.has(needed))) {
        stopped.add(candidate);
        grown = true;
      }
    });
  }
  stopped.delete(index);
  return [...stopped].sort((a, b) => a - b);
}

/** The run and the position of a task (the reverse of `taskIdOf`), or undefined when it is no task id. */
export function placeOfTask(
  taskId: string,
): { readonly stageRunId: string; readonly taskIndex: number } | undefined {
  const match = /^(.+)-(\d{6})$/.exec(taskId);
  if (match === null) return undefined;
  const place = { stageRunId: match[1]!, taskIndex: Number(match[2]) };
  return taskIdOf(place.stageRunId, place.taskIndex) === taskId ? place : undefined;
}

/** Failures after which the next attempt may go well, because it looks again or runs elsewhere. */
const RETRYABLE_CODES: readonly string[] = [
  'file-changed',
  'task-failed',
  'task-lost',
  'stage-overdue',
  'dependency-unavailable',
  'concurrent-change',
  'account-unavailable',
] satisfies readonly FailureCode[];

export interface TaskFailure {
  readonly taskId: string;
  readonly image: string;
  readonly reason: { readonly code: string; readonly message: string };
}

/** One reason for a stage whose tasks failed; retryable only when nothing that failed is final. */
export function stageFailureOf(
  failures: readonly TaskFailure[],
  taskCount: number,
): { readonly reason: Reason; readonly retryable: boolean } {
  const final = failures.find((failure) => !RETRYABLE_CODES.includes(failure.reason.code));
  const first = final ?? failures[0];
  if (first === undefined) throw new Error('a stage without failed tasks has not failed');
  const details = failures
    .slice(0, 20)
    .map(({ image, taskId, reason }) => `${image} (task ${taskId}): ${reason.message}`.slice(0, 2000));
  const message = `${failures.length} of ${taskCount} tasks failed; the first: ${first.reason.message}`;
  return {
    reason: { code: first.reason.code, message: message.slice(0, 2000), details },
    retryable: final === undefined,
  };
}

export function isRetryableCode(code: string): boolean {
  return RETRYABLE_CODES.includes(code);
}

const LOSS_REASONS_MAX = 100;

/** All losses together; a sentence said twice is kept once. */
export function totalLoss(losses: readonly LossReport[]): LossReport {
  return {
    records: losses.reduce((sum, loss) => sum + loss.records, 0),
    bytes: losses.reduce((sum, loss) => sum + loss.bytes, 0),
    reasons: [...new Set(losses.flatMap((loss) => loss.reasons))].slice(0, LOSS_REASONS_MAX),
  };
}

/**
 * What the tasks of a run could not read. Tasks that wait for the same one walk the same files and meet the same
 * damage: the largest count of such a group is the group's.
 */
export function lossOfTasks(tasks: readonly EndedTask[]): LossReport {
  const groups = new Map<number | undefined, LossReport>();
  for (const { taskId, planned, result } of tasks) {
    const group = planned.dependsOn[0] ?? placeOfTask(taskId)?.taskIndex;
    const known = groups.get(group) ?? NO_LOSS;
    groups.set(group, {
      records: Math.max(known.records, result.loss.records),
      bytes: Math.max(known.bytes, result.loss.bytes),
      reasons: [...known.reasons, ...result.loss.reasons],
    });
  }
  return totalLoss([...groups.values()]);
}

export function hasLoss(loss: LossReport): boolean {
  return loss.records > 0 || loss.bytes > 0 || loss.reasons.length > 0;
}
