import { ContainerModule } from 'inversify';
import { EVENT_GRID_QUEUE, FAILED_MESSAGES_QUEUE, TABLES_QUEUE } from '#domain/topology.ts';
import { collectDeadLetter } from '#handlers/operations/collect-dead-letters.ts';
import { pollTasks } from '#handlers/operations/poll-tasks.ts';
import { tablesHandler } from '#handlers/publish-tables.ts';
import { consumerRole, messageRole } from '../consumer-role.ts';
import { periodicRole } from '../periodic-role.ts';
import { registerAccounts } from '../register-accounts.ts';
import {
  ACCOUNTS,
  BLOBS,
  CLOCK,
  EVENT_PUBLISHER,
  FAILED_MESSAGES,
  FLEET_TABLES,
  MESSAGES,
  METADATA_STORE,
  ROLES,
  SETTINGS,
  STAGE_RUNS,
  TASKS,
  TELEMETRY,
} from '../tokens.ts';
import { TASKS_CONTAINER } from '../zone-containers.ts';

const CONCURRENCY = 4;
/** There are some thirty events per measurement; whoever is pushed to should not hear of them long after. */
const EVENT_GRID_CONCURRENCY = 8;
/** What waits for one commit goes into the next together; so many may wait. */
const TABLES_CONCURRENCY = 32;
/** Each costs four requests; with more open runs than these, a round of all takes several turns. */
const RUNS_PER_POLL_MAX = 20;

/** Drains our dead letters into the metadata store. */
export const deadLettersModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, store, runs, messages, clock, telemetry) =>
      consumerRole({ settings, telemetry }, FAILED_MESSAGES_QUEUE, CONCURRENCY, (message) =>
        collectDeadLetter({ store, runs, messages, clock, telemetry }, message),
      ),
    [SETTINGS, FAILED_MESSAGES, STAGE_RUNS, MESSAGES, CLOCK, TELEMETRY],
  );
});

/** Asks Batch about tasks that did not report. */
export const taskPollModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, runs, blobs, messages, clock, tasks, telemetry, metadata) => {
      const papers = { account: settings.operationsAccount, container: TASKS_CONTAINER };
      const ports = { runs, blobs, messages, clock, tasks, telemetry, metadata, papers };
      let upToStageRunId: string | undefined;
      return periodicRole('task-poll', settings.timings.taskPollSeconds * 1000, telemetry, async () => {
        ({ upToStageRunId } = await pollTasks(ports, RUNS_PER_POLL_MAX, upToStageRunId));
      });
    },
    [SETTINGS, STAGE_RUNS, BLOBS, MESSAGES, CLOCK, TASKS, TELEMETRY, METADATA_STORE],
  );
});

/** Passes our events on to the Event Grid topic. */
export const eventGridModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, publisher, telemetry) =>
      messageRole({ settings, telemetry }, EVENT_GRID_QUEUE, EVENT_GRID_CONCURRENCY, (message) =>
        publisher.publish([message]),
      ),
    [SETTINGS, EVENT_PUBLISHER, TELEMETRY],
  );
});

/** Commits to the tables of fleets. One process of it, so that a table has one committer. */
export const tablesModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, blobs, tables, accounts, metadata, telemetry) =>
      messageRole(
        { settings, telemetry },
        TABLES_QUEUE,
        TABLES_CONCURRENCY,
        tablesHandler({ blobs, tables, accounts, metadata, telemetry }),
      ),
    [SETTINGS, BLOBS, FLEET_TABLES, ACCOUNTS, METADATA_STORE, TELEMETRY],
  );
});

/** Tells the registry, at every start, of storage accounts that a deployment has added. */
export const accountsModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, registry) => ({
      name: 'accounts',
      start: () => registerAccounts(registry, settings.zoneAccounts),
      stop: async () => {},
      async turn() {
        await registerAccounts(registry, settings.zoneAccounts);
        return true;
      },
    }),
    [SETTINGS, ACCOUNTS],
  );
});
