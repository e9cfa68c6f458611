import assert from 'node:assert/strict';
import { taskIdOf } from '#domain/identity.ts';
import {
  dependentsOf,
  outputFolders,
  type PlannedTask,
  placeOfTask,
  stageFailureOf,
} from '#domain/stage-plan.ts';

function task(...dependsOn: number[]): PlannedTask {
  return { image: 'i', pool: 'execution', dependsOn, wallClockSecondsMax: 1, output: {}, own: {} };
}

describe('the plan of a stage', () => {
  it('knows who will never start when a task fails, however far down', () => {
    const tasks = [task(), task(0), task(1), task(), task(2, 3)];
    assert.deepEqual(dependentsOf(tasks, 0), [1, 2, 4]);
    assert.deepEqual(dependentsOf(tasks, 3), [4]);
    assert.deepEqual(dependentsOf(tasks, 4), []);
  });

  it('finds the run and the position of a task from its id alone', () => {
    assert.deepEqual(placeOfTask(taskIdOf('run-1', 42)), { stageRunId: 'run-1', taskIndex: 42 });
    for (const other of ['run-1', 'run-1-42', '', '-000001x']) assert.equal(placeOfTask(other), undefined);
  });

  it('gives no two tasks, and no two attempts, the same folder', () => {
    const locations = [{ account: 'a', container: 'camera', path: 'x/' }];
    const paths = [1, 2].flatMap((attempt) =>
      [0, 1].map((index) => outputFolders(locations, ['camera'], attempt, index).camera?.path),
    );
    assert.equal(new Set(paths).size, 4);
    assert.throws(() => outputFolders(locations, ['lidar'], 1, 0), /no container for lidar/);
  });

  it('is not retried when one of its failures is final, and that one is the reason', () => {
    const failure = (code: string) => ({ taskId: code, image: 'i', reason: { code, message: code } });
    const mixed = stageFailureOf([failure('task-lost'), failure('file-unreadable')], 9);
    assert.equal(mixed.retryable, false);
    assert.equal(mixed.reason.code, 'file-unreadable');
    assert.equal(mixed.reason.message, '2 of 9 tasks failed; the first: file-unreadable');
    assert.equal(stageFailureOf([failure('task-lost')], 9).retryable, true);
  });
});
