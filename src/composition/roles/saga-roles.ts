import { ContainerModule } from 'inversify';
import { SAGA_QUEUE } from '#domain/topology.ts';
import { relayOutbox } from '#handlers/operations/relay-outbox.ts';
import { sweepDeadlines } from '#handlers/operations/sweep-deadlines.ts';
import { SagaManager } from '#saga/saga-manager.ts';
import { messageRole } from '../consumer-role.ts';
import { periodicRole } from '../periodic-role.ts';
import {
  CHANCE,
  CLOCK,
  DEADLINES,
  MESSAGES,
  OUTBOX_FEED,
  ROLES,
  SAGA_STORE,
  SETTINGS,
  TELEMETRY,
} from '../tokens.ts';

/** Decisions are short; conflicts within one measurement are retried in process. */
const CONCURRENCY = 16;
/** Of the change feed's continuation; one relay per reader name. */
const RELAY = 'relay';

export const sagaModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, store, sender, clock, telemetry, chance) => {
      const timeScale = settings.timings.deadlineScale;
      const manager = new SagaManager({ store, sender, clock, telemetry, chance, timeScale });
      return messageRole({ settings, telemetry }, SAGA_QUEUE, CONCURRENCY, (message) =>
        manager.handle(message),
      );
    },
    [SETTINGS, SAGA_STORE, MESSAGES, CLOCK, TELEMETRY, CHANCE],
  );
});

/** Sends what the saga manager committed and did not get to send. */
export const relayModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, feed, store, sender, telemetry) =>
      periodicRole('relay', settings.timings.relayPollSeconds * 1000, telemetry, async (signal) => {
        while (!signal.aborted && (await relayOutbox({ feed, store, sender, telemetry }, RELAY)) > 0);
      }),
    [SETTINGS, OUTBOX_FEED, SAGA_STORE, MESSAGES, TELEMETRY],
  );
});

export const deadlineSweepModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, deadlines, sender, clock, telemetry) =>
      periodicRole('deadline-sweep', settings.timings.deadlineSweepSeconds * 1000, telemetry, async () => {
        await sweepDeadlines({ deadlines, sender, clock });
      }),
    [SETTINGS, DEADLINES, MESSAGES, CLOCK, TELEMETRY],
  );
});
