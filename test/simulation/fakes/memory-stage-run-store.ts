import { TerminalFailure } from '#domain/failures.ts';
import type { StageRun, StageRunStore, TaskReport } from '#domain/ports/stage-run-store.ts';

/** Stage runs and their tasks' reports, in memory. */
export class MemoryStageRunStore implements StageRunStore {
  readonly #runs = new Map<string, StageRun>();
  readonly #reports = new Map<string, Map<string, TaskReport>>();

  async create(run: StageRun): Promise<StageRun> {
    const known = this.#runs.get(run.stageRunId);
    if (known !== undefined) return known;
    this.#runs.set(run.stageRunId, run);
    return run;
  }

  async find(stageRunId: string): Promise<StageRun | undefined> {
    return this.#runs.get(stageRunId);
  }

  async setJob(stageRunId: string, jobId: string): Promise<void> {
    this.#runs.set(stageRunId, { ...this.#existing(stageRunId), jobId });
  }

  async recordReport(report: TaskReport): Promise<StageRun> {
    const run = this.#existing(report.stageRunId);
    const reports = this.#reports.get(report.stageRunId) ?? new Map<string, TaskReport>();
    this.#reports.set(report.stageRunId, reports);
    if (reports.has(report.taskId)) return run;
    reports.set(report.taskId, report);
    const counted = { ...run, endedTaskCount: reports.size };
    this.#runs.set(report.stageRunId, counted);
    return counted;
  }

  async reports(stageRunId: string): Promise<readonly TaskReport[]> {
    return [...(this.#reports.get(stageRunId)?.values() ?? [])];
  }

  async conclude(stageRunId: string): Promise<void> {
    this.#runs.set(stageRunId, { ...this.#existing(stageRunId), state: 'concluded' });
  }

  async open(limit: number, afterStageRunId = ''): Promise<readonly StageRun[]> {
    return [...this.#runs.values()]
      .filter((run) => run.state === 'open' && run.stageRunId > afterStageRunId)
      .toSorted((a, b) => (a.stageRunId < b.stageRunId ? -1 : 1))
      .slice(0, limit);
  }

  #existing(stageRunId: string): StageRun {
    const run = this.#runs.get(stageRunId);
    if (run !== undefined) return run;
    throw new TerminalFailure('not-found', `stage run ${stageRunId} does not exist`);
  }
}
