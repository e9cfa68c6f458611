import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { ContainerModule } from 'inversify';
import { parseBlobEvents } from '#domain/blob-event.ts';
import { TerminalFailure } from '#domain/failures.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { LandingStore } from '#domain/ports/landing-store.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { LANDING_QUEUE } from '#domain/topology.ts';
import { Landing } from '#handlers/landing.ts';
import { sweepLanding } from '#handlers/operations/sweep-landing.ts';
import { consumerRole } from '../consumer-role.ts';
import { periodicRole } from '../periodic-role.ts';
import type { Settings } from '../settings.ts';
import { BLOBS, CLOCK, LANDING_STORE, MESSAGES, ROLES, SETTINGS, TELEMETRY } from '../tokens.ts';
import { TASKS_CONTAINER } from '../zone-containers.ts';

/** Many files of one folder arrive at once, and looking at one is mostly waiting. */
const CONCURRENCY = 16;
/** The owner of a folder whose manifest is missing or cannot be read. */
const DEFAULT_FLEET = 'default';

function landingOf(
  settings: Settings,
  store: LandingStore,
  blobs: BlobStore,
  sender: MessageSender,
  clock: Clock,
  telemetry: Telemetry,
): Landing {
  const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
  const { region, timings } = settings;
  const papers = { account: settings.operationsAccount, container: TASKS_CONTAINER };
  return new Landing(
    { store, blobs, sender, clock, telemetry, sha256 },
    { region, waitMs: timings.landingWaitSeconds * 1000, defaultFleet: DEFAULT_FLEET, papers },
  );
}

/** The trace of the event under way: what Landing announces because of it belongs to its trace. */
const traceUnderWay = new AsyncLocalStorage<string>();

function tracing(sender: MessageSender): MessageSender {
  return {
    send: (messages) => {
      const traceparent = traceUnderWay.getStore();
      if (traceparent === undefined || traceparent === '') return sender.send(messages);
      return sender.send(
        messages.map((message) => ({
          ...message,
          envelope: { ...message.envelope, traceparent } as Envelope,
        })),
      );
    },
  };
}

/** Consumes blob events; sweeps the folders that wait. */
export const landingModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, store, blobs, sender, clock, telemetry) => {
      const landing = landingOf(settings, store, blobs, tracing(sender), clock, telemetry);
      return consumerRole(
        { settings, telemetry },
        LANDING_QUEUE,
        CONCURRENCY,
        async ({ body, traceparent }) => {
          const parsed = parseBlobEvents(body);
          if (!parsed.ok) throw new TerminalFailure('message-invalid', parsed.problem);
          for (const event of parsed.events) {
            await traceUnderWay.run(traceparent ?? '', () => landing.handle(event));
          }
        },
      );
    },
    [SETTINGS, LANDING_STORE, BLOBS, MESSAGES, CLOCK, TELEMETRY],
  );
});

export const landingSweepModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (settings, store, blobs, sender, clock, telemetry) => {
      const landing = landingOf(settings, store, blobs, sender, clock, telemetry);
      return periodicRole(
        'landing-sweep',
        settings.timings.landingSweepSeconds * 1000,
        telemetry,
        async () => {
          await sweepLanding({ store, clock, telemetry }, landing);
        },
      );
    },
    [SETTINGS, LANDING_STORE, BLOBS, MESSAGES, CLOCK, TELEMETRY],
  );
});
