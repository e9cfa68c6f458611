import type { Envelope } from '../messages.ts';
import type { BlobReference } from '../vocabulary.ts';

/** One attempt of a stage whose work is done by tasks. */
export interface StageRun {
  readonly stageRunId: string;
  readonly stage: string;
  readonly measurementId: string;
  readonly attempt: number;
  readonly jobId?: string;
  /** The command that started it; concluding needs what it said. */
  readonly command: Envelope;
  /** Task ids are `taskIdOf(stageRunId, 0 … taskCount - 1)`. */
  readonly taskCount: number;
  readonly endedTaskCount: number;
  readonly state: 'open' | 'concluded';
  readonly createdAt: string;
}

export interface TaskReport {
  readonly stageRunId: string;
  readonly taskId: string;
  readonly outcome: 'succeeded' | 'empty' | 'failed';
  readonly reason?: { readonly code: string; readonly message: string };
  /** The task's result manifest, written before this report. */
  readonly result?: BlobReference;
  readonly reportedAt: string;
}

export interface StageRunStore {
  /** @returns the run as stored: the given one, or the one that was there before. */
  create(run: StageRun): Promise<StageRun>;
  find(stageRunId: string): Promise<StageRun | undefined>;
  setJob(stageRunId: string, jobId: string): Promise<void>;
  /** Counts a task's end once, however often it is reported; the first report wins. */
  recordReport(report: TaskReport): Promise<StageRun>;
  reports(stageRunId: string): Promise<readonly TaskReport[]>;
  conclude(stageRunId: string): Promise<void>;
  /** Open runs in the order of their ids, for the poller: the first ones, or those behind `afterStageRunId`. */
  open(limit: number, afterStageRunId?: string): Promise<readonly StageRun[]>;
}
