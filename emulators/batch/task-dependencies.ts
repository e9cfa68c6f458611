// When a task may start, and what its end means for others. "Create task dependencies to run tasks that depend on other
// tasks", Azure Batch documentation.
import type { ExitOptions, TaskDocument } from './documents.ts';

/** The ids of the tasks that must end first. */
export function dependencyIds(task: Pick<TaskDocument, 'dependsOn'>): string[] {
  const { taskIds = [], taskIdRanges = [] } = task.dependsOn ?? {};
  const inRanges = taskIdRanges.flatMap(({ start, end }) =>
    Array.from({ length: Math.max(0, end - start + 1) }, (_, offset) => String(start + offset)),
  );
  return [...taskIds, ...inRanges];
}

/** What the task said should happen when it ends as it did; the most particular condition counts. */
export function exitOptions(task: Pick<TaskDocument, 'exitConditions' | 'executionInfo'>): ExitOptions {
  const conditions = task.exitConditions;
  if (conditions === undefined) return {};
  const { exitCode, failureInfo } = task.executionInfo;
  if (exitCode === undefined) return conditions.preProcessingError ?? conditions.default ?? {};
  const ofCode =
    conditions.exitCodes.find(({ code }) => code === exitCode) ??
    conditions.exitCodeRanges.find(({ start, end }) => exitCode >= start && exitCode <= end);
  if (failureInfo?.code.startsWith('FileUpload'))
    return conditions.fileUploadError ?? ofCode?.exitOptions ?? conditions.default ?? {};
  return ofCode?.exitOptions ?? conditions.default ?? {};
}

/** True when tasks that depend on this completed one may start. */
export function satisfiesDependents(task: Pick<TaskDocument, 'exitConditions' | 'executionInfo'>): boolean {
  const succeeded = task.executionInfo.result === 'success';
  // The default condition is for the ends no other condition covers; an end with exit code 0 satisfies by itself.
  const action = exitOptions(task).dependencyAction;
  return action === undefined ? succeeded : action === 'satisfy';
}
