import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { taskIdOf } from '#domain/identity.ts';
import type { TaskOutcome, TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';

export interface TaskRunnerUnderTest {
  readonly runner: TaskRunner;
  /** Lets a task that runs end. */
  readonly end: (taskId: string, exitCode: number) => Promise<void>;
  /** How often a task has been started. */
  readonly starts: (taskId: string) => number;
}

export function taskRunnerContract(name: string, start: () => Promise<TaskRunnerUnderTest>): void {
  describe(`task runner: ${name}`, () => {
    let test: TaskRunnerUnderTest;
    before(async () => {
      test = await start();
    });

    function tasksOf(stageRunId: string, count: number): TaskSpecification[] {
      return Array.from({ length: count }, (_, index) => ({
        taskId: taskIdOf(stageRunId, index),
        image: 'landfall/validate',
        pool: 'execution',
        environment: { NUMBER: String(index) },
        dependsOn: [],
        retriesMax: 0,
        wallClockSecondsMax: 60,
      }));
    }
    async function until(
      jobId: string,
      stageRunId: string,
      tasks: readonly TaskSpecification[],
      states: readonly TaskOutcome['state'][],
    ): Promise<readonly TaskOutcome[]> {
      const ids = tasks.map(({ taskId }) => taskId);
      const deadline = Date.now() + 5000;
      for (;;) {
        const outcomes = await test.runner.outcomes(jobId, stageRunId, ids);
        if (outcomes.every(({ state }, index) => state === states[index])) return outcomes;
        if (Date.now() > deadline)
          assert.deepEqual(
            outcomes.map(({ state }) => state),
            states,
          );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }

    it('runs tasks and says how each ended', async () => {
      const run = randomUUID();
      const tasks = tasksOf(run, 3);
      const { jobId } = await test.runner.submit('validate', run, tasks);
      await until(jobId, run, tasks, ['running', 'running', 'running']);
      await test.end(tasks[0]!.taskId, 0);
      await test.end(tasks[1]!.taskId, 3);
      const outcomes = await until(jobId, run, tasks, ['succeeded', 'failed', 'running']);
      assert.equal(outcomes[1]?.exitCode, 3);
      await test.end(tasks[2]!.taskId, 0);
      await until(jobId, run, tasks, ['succeeded', 'failed', 'succeeded']);
    });

    it('takes a second submission of the same tasks for the same tasks', async () => {
      const run = randomUUID();
      const tasks = tasksOf(run, 2);
      const { jobId } = await test.runner.submit('validate', run, tasks.slice(0, 1));
      await until(jobId, run, tasks.slice(0, 1), ['running']);
      await test.end(tasks[0]!.taskId, 0);
      await until(jobId, run, tasks.slice(0, 1), ['succeeded']);
      assert.deepEqual(await test.runner.submit('validate', run, tasks), { jobId });
      await until(jobId, run, tasks, ['succeeded', 'running']);
      assert.equal(test.starts(tasks[0]!.taskId), 1);
      await test.end(tasks[1]!.taskId, 0);
    });

    it('knows nothing of a task that is nowhere', async () => {
      const run = randomUUID();
      const tasks = tasksOf(run, 2);
      const { jobId } = await test.runner.submit('validate', run, tasks.slice(0, 1));
      await until(jobId, run, tasks, ['running', 'lost']);
      await test.end(tasks[0]!.taskId, 0);
    });

    it('stops what still runs, and only of this stage run', async () => {
      const [one, other] = [randomUUID(), randomUUID()];
      const [mine, theirs] = [tasksOf(one, 2), tasksOf(other, 1)];
      const { jobId } = await test.runner.submit('validate', one, mine);
      const { jobId: otherJobId } = await test.runner.submit('validate', other, theirs);
      await until(jobId, one, mine, ['running', 'running']);
      await test.end(mine[0]!.taskId, 0);
      await until(jobId, one, mine, ['succeeded', 'running']);
      await test.runner.terminate(
        jobId,
        one,
        mine.map(({ taskId }) => taskId),
      );
      await until(jobId, one, mine, ['succeeded', 'failed']);
      await until(otherJobId, other, theirs, ['running']);
      await test.end(theirs[0]!.taskId, 0);
    });
  });
}
