import type { Container, OperationResponse } from '@azure/cosmos';
import { Conflict, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { shardOf } from '#domain/identity.ts';
import type { StageRun, StageRunStore, TaskReport } from '#domain/ports/stage-run-store.ts';
import { STAGE_RUN_TTL_SECONDS } from './containers.ts';
import {
  type CosmosDatabase,
  collect,
  failureOf,
  guardedWrite,
  idOfText,
  queryItems,
  readItem,
  type Stored,
} from './cosmos-database.ts';

/** Partitions that stage runs are spread over. Changing it loses sight of the runs that are open. */
const SHARD_COUNT = 64;

interface RunItem {
  readonly id: string;
  readonly shard: string;
  readonly type: 'stage-run';
  readonly run: StageRun;
}

interface ReportItem {
  readonly id: string;
  readonly shard: string;
  readonly type: 'task-report';
  readonly stageRunId: string;
  readonly report: TaskReport;
  readonly ttl: number;
}

/** Stage runs and their tasks' reports, in `operations`; a run and its reports share a partition. */
export class CosmosStageRunStore implements StageRunStore {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('operations');
  }

  async create(run: StageRun): Promise<StageRun> {
    const { stageRunId } = run;
    const item: RunItem = { id: runIdOf(stageRunId), shard: shardOfRun(stageRunId), type: 'stage-run', run };
    const created = await guardedWrite(`Stage run ${stageRunId} could not be recorded`, () =>
      this.#container.items.create(item),
    );
    if (created !== 'conflict') return run;
    const existing = await this.find(stageRunId);
    if (existing === undefined) throw new Conflict(`Stage run ${stageRunId} came and went; look again.`);
    return existing;
  }

  async find(stageRunId: string): Promise<StageRun | undefined> {
    const item = await readItem<RunItem>(this.#container, runIdOf(stageRunId), shardOfRun(stageRunId));
    return item?.run;
  }

  async setJob(stageRunId: string, jobId: string): Promise<void> {
    await this.#patch(stageRunId, [{ op: 'set', path: '/run/jobId', value: jobId }]);
  }

  async recordReport(report: TaskReport): Promise<StageRun> {
    const { stageRunId, taskId } = report;
    const shard = shardOfRun(stageRunId);
    const item: ReportItem = {
      id: `report:${idOfText(taskId)}`,
      shard,
      type: 'task-report',
      stageRunId,
      report,
      ttl: STAGE_RUN_TTL_SECONDS,
    };
    // The report is created and the run counts it, or neither; the counter needs no eTag, so reports do not race.
    const results = await this.#batch(`Report of task ${taskId} could not be recorded`, shard, [
      { operationType: 'Create', resourceBody: JSON.parse(JSON.stringify(item)) },
      {
        operationType: 'Patch',
        id: runIdOf(stageRunId),
        resourceBody: { operations: [{ op: 'incr', path: '/run/endedTaskCount', value: 1 }] },
      },
    ]);
    const [created, counted] = results;
    if (created?.statusCode === 409 || (counted?.statusCode ?? 500) < 300) {
      // A patch is answered with what it made of the document.
      const patched = counted?.resourceBody as Partial<RunItem> | undefined;
      const run = patched?.run ?? (await this.find(stageRunId));
      if (run !== undefined) return run;
    }
    if (counted?.statusCode === 404 || created?.statusCode === 409) {
      throw new TerminalFailure(
        'not-found',
        `Task ${taskId} reports to stage run ${stageRunId}, which is not known (any more).`,
      );
    }
    throw new RetryableFailure(
      'dependency-unavailable',
      `Report of task ${taskId} was answered with ${created?.statusCode} and ${counted?.statusCode}.`,
    );
  }

  async reports(stageRunId: string): Promise<readonly TaskReport[]> {
    const items = await collect(
      queryItems<ReportItem>(
        this.#container,
        {
          query: "SELECT * FROM c WHERE c.type = 'task-report' AND c.stageRunId = @run",
          parameters: [{ name: '@run', value: stageRunId }],
        },
        shardOfRun(stageRunId),
      ),
    );
    return items.map(({ report }) => report).toSorted((a, b) => a.taskId.localeCompare(b.taskId));
  }

  async conclude(stageRunId: string): Promise<void> {
    await this.#patch(stageRunId, [
      { op: 'set', path: '/run/state', value: 'concluded' },
      { op: 'set', path: '/ttl', value: STAGE_RUN_TTL_SECONDS },
    ]);
  }

  async open(limit: number, afterStageRunId = ''): Promise<readonly StageRun[]> {
    const query = {
      query:
        "SELECT * FROM c WHERE c.type = 'stage-run' AND c.run.state = 'open' AND c.id > @after ORDER BY c.id",
      parameters: [{ name: '@after', value: runIdOf(afterStageRunId) }],
    };
    const items = queryItems<RunItem & Stored>(this.#container, query, undefined, limit);
    return (await collect(items, limit)).map(({ run }) => run);
  }

  async #patch(
    stageRunId: string,
    operations: { op: 'set'; path: string; value: string | number }[],
  ): Promise<void> {
    const patched = await guardedWrite(`Stage run ${stageRunId} could not be changed`, () =>
      this.#container.item(runIdOf(stageRunId), shardOfRun(stageRunId)).patch(operations),
    );
    if (patched === 'conflict')
      throw new TerminalFailure('not-found', `Stage run ${stageRunId} is not known (any more).`);
  }

  async #batch(
    what: string,
    shard: string,
    operations: Parameters<Container['items']['batch']>[0],
  ): Promise<readonly OperationResponse[]> {
    try {
      const { result } = await this.#container.items.batch(operations, shard);
      return result ?? [];
    } catch (error) {
      throw failureOf(error, what);
    }
  }
}

function runIdOf(stageRunId: string): string {
  return `run:${idOfText(stageRunId)}`;
}

function shardOfRun(stageRunId: string): string {
  return `run-${shardOf(stageRunId, SHARD_COUNT)}`;
}
