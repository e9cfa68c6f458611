/** Container runs. Azure Batch, or its emulator, or the simulator's. */
export interface TaskSpecification {
  /** Computed (domain/identity.ts); submitting the same id again is the same task. */
  readonly taskId: string;
  /** `landfall/<task>`; the adapter adds registry and digest. */
  readonly image: string;
  readonly pool: 'orchestrator' | 'execution';
  /** The configuration object lies in a blob; the task reads it from there. */
  readonly environment: Readonly<Record<string, string>>;
  /** Tasks of the same submission that must succeed first. */
  readonly dependsOn: readonly string[];
  readonly retriesMax: number;
  readonly wallClockSecondsMax: number;
}

export interface TaskOutcome {
  readonly taskId: string;
  readonly state: 'waiting' | 'running' | 'succeeded' | 'failed' | 'lost';
  readonly exitCode?: number;
  /** What the runner says of a failure. */
  readonly message?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
}

export interface TaskRunner {
  /**
   * Submits into the long-lived job of (stage, shard, day). Idempotent: tasks that exist are left as they are.
   * @throws {RetryableFailure} when quotas are used up or the service does not answer; nothing is lost by repeating.
   */
  submit(
    stage: string,
    stageRunId: string,
    tasks: readonly TaskSpecification[],
  ): Promise<{ readonly jobId: string }>;
  /** The state of every task of the stage run; a task that is nowhere is `lost`. */
  outcomes(jobId: string, stageRunId: string, taskIds: readonly string[]): Promise<readonly TaskOutcome[]>;
  /** Stops what still runs of the stage run. */
  terminate(jobId: string, stageRunId: string, taskIds: readonly string[]): Promise<void>;
}
