import type { BatchServiceModels } from '@azure/batch';
import type { TaskOutcome } from '#domain/ports/task-runner.ts';

type ListedTask = BatchServiceModels.CloudTask;

/**
 * What became of tasks, from their listing. A task whose dependency failed stays `active` in Batch for ever; it is
 * reported as failed, because it will never run.
 */
export function outcomesOf(
  listed: readonly ListedTask[],
  taskIds: readonly string[],
): readonly TaskOutcome[] {
  const byId = new Map(listed.map((task) => [task.id ?? '', task]));
  const outcomes = new Map<string, TaskOutcome>();
  const outcomeOf = (taskId: string): TaskOutcome => {
    const known = outcomes.get(taskId);
    if (known !== undefined) return known;
    // A circle of dependencies, which Batch refuses, ends here.
    outcomes.set(taskId, { taskId, state: 'waiting' });
    const outcome = ofTask(taskId, byId.get(taskId), outcomeOf);
    outcomes.set(taskId, outcome);
    return outcome;
  };
  return taskIds.map(outcomeOf);
}

function ofTask(
  taskId: string,
  task: ListedTask | undefined,
  outcomeOf: (taskId: string) => TaskOutcome,
): TaskOutcome {
  if (task === undefined) return { taskId, state: 'lost' };
  const times = timesOf(task.executionInfo);
  switch (task.state) {
    case 'completed':
      return { taskId, ...endOf(task.executionInfo), ...times };
    case 'running':
    case 'preparing':
      return { taskId, state: 'running', ...times };
    default: {
      const failed = (task.dependsOn?.taskIds ?? []).find((id) => outcomeOf(id).state === 'failed');
      return failed === undefined
        ? { taskId, state: 'waiting', ...times }
        : { taskId, state: 'failed', message: `It waits for task ${failed}, which failed.` };
    }
  }
}

function endOf(
  info: BatchServiceModels.TaskExecutionInformation | undefined,
): Pick<TaskOutcome, 'state' | 'exitCode' | 'message'> {
  const exitCode = info?.exitCode === undefined ? {} : { exitCode: info.exitCode };
  if (info?.result?.toLowerCase() === 'success') return { state: 'succeeded', ...exitCode };
  const { code, message } = info?.failureInfo ?? {};
  const sentence = [code, message].filter((text) => text !== undefined).join(': ');
  return { state: 'failed', ...exitCode, ...(sentence === '' ? {} : { message: sentence }) };
}

function timesOf(
  info: BatchServiceModels.TaskExecutionInformation | undefined,
): Pick<TaskOutcome, 'startedAt' | 'endedAt'> {
  return {
    ...(info?.startTime === undefined ? {} : { startedAt: info.startTime.toISOString() }),
    ...(info?.endTime === undefined ? {} : { endedAt: info.endTime.toISOString() }),
  };
}
