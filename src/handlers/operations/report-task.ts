import { TerminalFailure } from '#domain/failures.ts';
import { taskIdOf } from '#domain/identity.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { StageRun, StageRunStore, TaskReport } from '#domain/ports/stage-run-store.ts';
import { dependentsOf, placeOfTask, workFolderOfRun } from '#domain/stage-plan.ts';
import type { TaskReportBody } from '#domain/tasks/task-report.ts';
import { readPlan } from '../run-papers.ts';
import { sendConclude } from '../stage-messages.ts';

export interface ReportTaskPorts {
  readonly runs: StageRunStore;
  readonly blobs: BlobStore;
  readonly messages: MessageSender;
  readonly clock: Clock;
  readonly papers: { readonly account: string; readonly container: string };
}

/**
 * A task says how it ended. Said twice, or said by a task and by the poller, it counts once. The report that makes
 * the run complete asks the stage to judge it.
 * @throws {TerminalFailure} `not-found` when there is no such task.
 */
export async function reportTask(
  ports: ReportTaskPorts,
  taskId: string,
  body: TaskReportBody,
): Promise<void> {
  const place = placeOfTask(taskId);
  const run = place === undefined ? undefined : await ports.runs.find(place.stageRunId);
  if (place === undefined || run === undefined || place.taskIndex >= run.taskCount)
    throw new TerminalFailure('not-found', `there is no task ${taskId}; a task reports under its own id`);
  const { reason, result } = body;
  await recordEnd(ports, run, {
    stageRunId: run.stageRunId,
    taskId,
    outcome: body.outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(result === undefined ? {} : { result }),
    reportedAt: ports.clock.now().toISOString(),
  });
}

/** Records the end of a task and, when it failed, of all tasks that will now never start. */
export async function recordEnd(ports: ReportTaskPorts, run: StageRun, report: TaskReport): Promise<void> {
  let after = await ports.runs.recordReport(report);
  if (report.outcome === 'failed') after = (await recordNeverStarted(ports, run, report)) ?? after;
  if (after.state === 'open' && after.endedTaskCount >= after.taskCount) await sendConclude(ports, after);
}

/** Batch leaves tasks waiting for ever whose dependency has failed. */
export async function recordNeverStarted(
  ports: ReportTaskPorts,
  run: StageRun,
  failed: TaskReport,
): Promise<StageRun | undefined> {
  const taskIndex = placeOfTask(failed.taskId)?.taskIndex ?? run.taskCount;
  const plan = await readPlan(ports.blobs, workFolderOfRun(ports.papers, run));
  let after: StageRun | undefined;
  for (const dependent of dependentsOf(plan.tasks, taskIndex)) {
    after = await ports.runs.recordReport({
      stageRunId: run.stageRunId,
      taskId: taskIdOf(run.stageRunId, dependent),
      outcome: 'failed',
      reason: {
        code: failed.reason?.code ?? 'task-failed',
        message: `not started, because task ${failed.taskId} failed`,
      },
      reportedAt: ports.clock.now().toISOString(),
    });
  }
  return after;
}
