// One job with its tasks: which of them may start next, and which wait for others.
import type { JobDocument, TaskDocument } from './documents.ts';
import { dependencyIds, satisfiesDependents } from './task-dependencies.ts';

/** What there is of the tasks of a job, in tasks and in the slots they need. */
export interface TaskCounts {
  active: number;
  running: number;
  completed: number;
  succeeded: number;
  failed: number;
}

let readyCount = 0;

export class Job {
  readonly document: JobDocument;
  readonly tasks = new Map<string, TaskDocument>();
  /** Tasks that may start, in the order in which they became ready, with their turn among those of all jobs. */
  readonly #ready = new Map<TaskDocument, number>();
  readonly #incomplete = new Set<TaskDocument>();
  readonly #dependents = new Map<string, Set<TaskDocument>>();

  constructor(document: JobDocument) {
    this.document = document;
  }

  add(task: TaskDocument): void {
    this.tasks.set(task.id, task);
    for (const id of dependencyIds(task)) {
      const dependents = this.#dependents.get(id) ?? new Set();
      this.#dependents.set(id, dependents.add(task));
    }
    this.updateReadiness(task);
  }

  remove(task: TaskDocument): void {
    this.tasks.delete(task.id);
    this.#ready.delete(task);
    this.#incomplete.delete(task);
    for (const id of dependencyIds(task)) this.#dependents.get(id)?.delete(task);
  }

  /** To be called when the state of a task has changed. */
  updateReadiness(task: TaskDocument): void {
    if (task.state === 'completed') this.#incomplete.delete(task);
    else this.#incomplete.add(task);
    if (task.state !== 'active' || !dependencyIds(task).every((id) => this.#isSatisfied(id)))
      this.#ready.delete(task);
    else if (!this.#ready.has(task)) this.#ready.set(task, readyCount++);
    if (task.state === 'completed')
      for (const dependent of this.#dependents.get(task.id) ?? []) this.updateReadiness(dependent);
  }

  /** The task that has been ready for longest. */
  nextReady(): { readonly task: TaskDocument; readonly turn: number } | undefined {
    for (const [task, turn] of this.#ready) return { task, turn };
    return undefined;
  }

  allTasksCompleted(): boolean {
    return this.#incomplete.size === 0;
  }

  /** "Get Task Counts": completed tasks are counted once more as succeeded or failed. */
  counts(weight: (task: TaskDocument) => number): TaskCounts {
    const counts: TaskCounts = { active: 0, running: 0, completed: 0, succeeded: 0, failed: 0 };
    for (const task of this.tasks.values()) {
      counts[task.state] += weight(task);
      if (task.state === 'completed')
        counts[task.executionInfo.result === 'success' ? 'succeeded' : 'failed'] += weight(task);
    }
    return counts;
  }

  #isSatisfied(taskId: string): boolean {
    const task = this.tasks.get(taskId);
    return task?.state === 'completed' && satisfiesDependents(task);
  }
}
