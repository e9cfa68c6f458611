import type { DataOf } from '../messages.ts';
import type { PlannedTask, StagePlan } from '../stage-plan.ts';
import { CopyTask } from '../tasks/copy-task.ts';
import type { BlobLocation, BlobReference } from '../vocabulary.ts';

/** Moving the files of a measurement between Landing, the error zone and the archive. */

/** Explains, beside the files in the error zone, why they are there. */
export const REASON_FILE_NAME = 'reason.json';

/** So long a task of custody may take. */
export const WALL_CLOCK_SECONDS_MAX = 12 * 3600;

/**
 * The versions that were judged go to the error zone, and those that have an equal copy there leave Landing. A file
 * that was uploaded again meanwhile may be the correction: then it stays, and the others with it.
 */
export function planQuarantine(
  landing: BlobLocation,
  landed: BlobReference,
  target: BlobLocation,
): StagePlan {
  const copy = { action: 'copy-versions', source: landing, target, versions: landed, keepExisting: false };
  const remove = {
    action: 'remove-versions',
    source: landing,
    versions: landed,
    copy: target,
    unlessCorrected: true,
  };
  return { schemaVersion: 1, tasks: [copyTask(copy, []), copyTask(remove, [0])] };
}

/**
 * Every file comes back to Landing, unless a file of its name lies there already. The archive keeps its copies; the
 * error zone does not.
 */
export function planRestore(
  from: 'archive' | 'error',
  locations: readonly BlobLocation[],
  landing: BlobLocation,
): StagePlan {
  const tasks: PlannedTask[] = [];
  for (const source of locations) {
    const copy = {
      action: 'copy-versions',
      source,
      target: landing,
      except: [REASON_FILE_NAME],
      keepExisting: true,
    };
    tasks.push(copyTask(copy, []));
    if (from === 'error') {
      const remove = { action: 'remove-versions', source, copy: landing };
      tasks.push(copyTask(remove, [tasks.length - 1]));
    }
  }
  return { schemaVersion: 1, tasks };
}

/** One task that proves the bytes to be those of the ledger, and the copies to be whole, before it removes anything. */
export function planDuplicateRemoval(command: DataOf<'landfall.duplicate.remove.v1'>): StagePlan {
  const { recording, landed, ledger, raw, archive } = command;
  const source = recording.folder;
  const remove = { action: 'remove-duplicate', ledger, source, versions: landed, raw, archive };
  return { schemaVersion: 1, tasks: [copyTask(remove, [])] };
}

function copyTask(work: object, dependsOn: number[]): PlannedTask {
  return {
    image: 'landfall/copy',
    pool: 'orchestrator',
    dependsOn,
    wallClockSecondsMax: WALL_CLOCK_SECONDS_MAX,
    output: {},
    own: { work },
  };
}

/** Where a planned quarantine puts the files. */
export function quarantineTarget(plan: StagePlan): BlobLocation {
  const work = CopyTask.shape.work.parse(plan.tasks[0]?.own['work']);
  if (work.action !== 'copy-versions') throw new Error('a quarantine begins with a copy');
  return work.target;
}

/** Whether a task of custody brings files, rather than taking them away. */
export function isCopy(task: PlannedTask): boolean {
  return CopyTask.shape.work.parse(task.own['work']).action === 'copy-versions';
}
