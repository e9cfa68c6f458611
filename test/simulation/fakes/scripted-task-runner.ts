import type { TaskOutcome, TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';

type Verdict = Omit<TaskOutcome, 'taskId'>;

/** Batch without containers: tasks run until the script says how they end. */
export class ScriptedTaskRunner implements TaskRunner {
  /** Tasks that were stopped while they ran. */
  readonly terminated: string[] = [];
  readonly #tasks = new Map<string, { readonly specification: TaskSpecification; verdict: Verdict }>();

  async submit(
    stage: string,
    _stageRunId: string,
    tasks: readonly TaskSpecification[],
  ): Promise<{ readonly jobId: string }> {
    for (const specification of tasks) {
      if (this.#tasks.has(specification.taskId)) continue;
      this.#tasks.set(specification.taskId, { specification, verdict: { state: 'running' } });
    }
    return { jobId: `${stage}-job` };
  }

  async outcomes(
    _jobId: string,
    _stageRunId: string,
    taskIds: readonly string[],
  ): Promise<readonly TaskOutcome[]> {
    return taskIds.map((taskId) => ({
      taskId,
      ...(this.#tasks.get(taskId)?.verdict ?? { state: 'lost' as const }),
    }));
  }

  async terminate(_jobId: string, _stageRunId: string, taskIds: readonly string[]): Promise<void> {
    for (const taskId of taskIds) {
      if (this.#tasks.get(taskId)?.verdict.state !== 'running') continue;
      this.end(taskId, { state: 'failed' });
      this.terminated.push(taskId);
    }
  }

  // The script; not part of the port.

  end(taskId: string, verdict: Verdict): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new Error(`task ${taskId} was never submitted`);
    task.verdict = verdict;
  }

  submitted(): readonly TaskSpecification[] {
    return [...this.#tasks.values()].map((task) => task.specification);
  }
}
