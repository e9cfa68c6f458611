import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { TerminalFailure } from '#domain/failures.ts';
import type { StageRun, StageRunStore, TaskReport } from '#domain/ports/stage-run-store.ts';
import { cancelled } from './saga-store.contract.ts';

export function stageRunStoreContract(name: string, start: () => Promise<StageRunStore>): void {
  describe(`stage run store: ${name}`, () => {
    let store: StageRunStore;
    before(async () => {
      store = await start();
    });

    function newRun(more: Partial<StageRun> = {}): StageRun {
      const measurementId = randomUUID();
      return {
        stageRunId: randomUUID(),
        stage: 'extract',
        attempt: 1,
        measurementId,
        command: cancelled(measurementId),
        taskCount: 3,
        endedTaskCount: 0,
        state: 'open',
        createdAt: '2026-01-01T00:00:00.000Z',
        ...more,
      };
    }
    const reportOf = (
      run: StageRun,
      index: number,
      outcome: TaskReport['outcome'] = 'succeeded',
    ): TaskReport => ({
      stageRunId: run.stageRunId,
      taskId: `${run.stageRunId}-${index}`,
      outcome,
      reportedAt: '2026-01-01T00:01:00.000Z',
    });

    it('keeps the first of equal runs', async () => {
      const run = newRun();
      assert.equal(await store.find(run.stageRunId), undefined);
      assert.deepEqual(await store.create(run), run);
      await store.setJob(run.stageRunId, 'job-1');
      assert.deepEqual(await store.create({ ...run, taskCount: 9 }), { ...run, jobId: 'job-1' });
      assert.deepEqual(await store.find(run.stageRunId), { ...run, jobId: 'job-1' });
    });

    it('counts the end of a task once, however often and however many report at once', async () => {
      const run = await store.create(newRun());
      const reports = [0, 1, 2].map((index) => reportOf(run, index));
      await Promise.all([...reports, ...reports].map((report) => store.recordReport(report)));
      const after = await store.recordReport(reportOf(run, 1, 'failed'));
      assert.equal(after.endedTaskCount, 3);
      assert.deepEqual(await store.reports(run.stageRunId), reports);
    });

    it('refuses a report to a run it does not know', async () => {
      await assert.rejects(
        store.recordReport(reportOf(newRun(), 0)),
        (error) => error instanceof TerminalFailure,
      );
    });

    it('lists the open runs by their ids, some at a time, until they are concluded', async () => {
      const created = [await store.create(newRun()), await store.create(newRun())];
      const [first, second] = created.map(({ stageRunId }) => stageRunId).sort() as [string, string];
      const ids = async (limit: number, after?: string) =>
        (await store.open(limit, after)).map(({ stageRunId }) => stageRunId);
      const all = await ids(1000);
      assert.deepEqual(all, all.toSorted());
      assert.deepEqual(
        all.filter((id) => id === first || id === second),
        [first, second],
      );
      assert.deepEqual(await ids(1), all.slice(0, 1));
      assert.deepEqual(await ids(1, first), [all[all.indexOf(first) + 1]]);
      assert.deepEqual(await ids(1000, all.at(-1)), []);
      await store.conclude(first);
      await store.conclude(first);
      assert.equal((await store.find(first))?.state, 'concluded');
      assert.deepEqual(
        await ids(1000),
        all.filter((id) => id !== first),
      );
      await store.conclude(second);
    });
  });
}
