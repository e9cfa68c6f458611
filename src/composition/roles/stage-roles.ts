import { ContainerModule, type ServiceIdentifier } from 'inversify';
import type { Envelope } from '#domain/messages.ts';
import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import type { StageRunStore } from '#domain/ports/stage-run-store.ts';
import type { TaskRunner } from '#domain/ports/task-runner.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { VehicleStore } from '#domain/ports/vehicle-store.ts';
import { ExtractionProfile } from '#domain/stages/extract.ts';
import { CUSTODY_QUEUE } from '#domain/topology.ts';
import { type BatchStagePorts, batchStageHandler } from '#handlers/batch-stage.ts';
import { copyStage } from '#handlers/copy.ts';
import { custodyHandler } from '#handlers/custody.ts';
import { enrichStage } from '#handlers/enrich.ts';
import { extractStage } from '#handlers/extract.ts';
import { registerHandler } from '#handlers/register.ts';
import { sceneDetectStage } from '#handlers/scene-detect.ts';
import { shareStage } from '#handlers/share.ts';
import { syncStage } from '#handlers/sync.ts';
import { validateStage } from '#handlers/validate.ts';
import { messageRole } from '../consumer-role.ts';
import type { Role } from '../role.ts';
import type { Settings } from '../settings.ts';
import {
  ACCOUNTS,
  BLOBS,
  CLOCK,
  MESSAGES,
  METADATA_STORE,
  PARTNER_SHARE,
  ROLES,
  SETTINGS,
  STAGE_RUNS,
  TASKS,
  TELEMETRY,
  VEHICLES,
} from '../tokens.ts';
import { TASKS_CONTAINER } from '../zone-containers.ts';

/** One container module per stage: its handler on its queue. */

/** Rows of the timeline, and how old a sample may be: 20 Hz, and a sensor that missed two of its slowest periods. */
const TIMELINE = { periodMs: 50, toleranceMs: 500 };
const OFFER = { partner: 'labeling', offerHours: 72, framesMax: 500 };
const REHYDRATION_POLL_SECONDS_MAX = 600;

type Handle = (message: Envelope) => Promise<unknown>;

/** A role that consumes the queue of `name` with a handler made from the engine's ports and some of its own. */
function stageModule<Own extends readonly unknown[]>(
  name: string,
  own: { readonly [K in keyof Own]: ServiceIdentifier<Own[K]> },
  handler: (engine: BatchStagePorts, settings: Settings, ...own: Own) => Handle,
): ContainerModule {
  const tokens = [SETTINGS, BLOBS, STAGE_RUNS, TASKS, MESSAGES, CLOCK, TELEMETRY, ...own];
  const role = (...resolved: unknown[]): Role => {
    const [settings, blobs, runs, tasks, messages, clock, telemetry, ...mine] = resolved as [
      ...Engine,
      ...unknown[],
    ];
    const papers = { account: settings.operationsAccount, container: TASKS_CONTAINER };
    const engine = { blobs, runs, tasks, messages, clock, telemetry, papers };
    const handle = handler(engine, settings, ...(mine as unknown as Own));
    return messageRole({ settings, telemetry }, name, settings.stageConcurrency, handle);
  };
  return new ContainerModule(({ bind }) => {
    bind(ROLES).toResolvedValue(role, tokens as ServiceIdentifier[]);
  });
}

type Engine = [Settings, BlobStore, StageRunStore, TaskRunner, MessageSender, Clock, Telemetry];

export const validateModule = stageModule<[]>('validate', [], (engine) =>
  batchStageHandler(validateStage(engine), engine),
);

export const registerModule = stageModule<[AccountRegistry]>(
  'register',
  [ACCOUNTS],
  (engine, settings, accounts) =>
    registerHandler({ ...engine, accounts, folderTemplate: settings.folderTemplate }),
);

export const copyModule = stageModule<[]>('copy', [], (engine) =>
  batchStageHandler(copyStage(engine), engine),
);

export const extractModule = stageModule<[AccountRegistry, VehicleStore]>(
  'extract',
  [ACCOUNTS, VEHICLES],
  (engine, { folderTemplate }, accounts, vehicles) => {
    const profile = ExtractionProfile.parse({});
    return batchStageHandler(
      extractStage({ ...engine, accounts, vehicles, folderTemplate, profile }),
      engine,
    );
  },
);

export const syncModule = stageModule<[AccountRegistry]>(
  'sync',
  [ACCOUNTS],
  (engine, { folderTemplate }, accounts) =>
    batchStageHandler(syncStage({ ...engine, accounts, folderTemplate, ...TIMELINE }), engine),
);

export const enrichModule = stageModule<[AccountRegistry]>(
  'enrich',
  [ACCOUNTS],
  (engine, { folderTemplate }, accounts) =>
    batchStageHandler(enrichStage({ ...engine, accounts, folderTemplate }), engine),
);

export const sceneDetectModule = stageModule<[AccountRegistry, MetadataStore]>(
  'scene-detect',
  [ACCOUNTS, METADATA_STORE],
  (engine, { folderTemplate }, accounts, metadata) =>
    batchStageHandler(sceneDetectStage({ ...engine, accounts, metadata, folderTemplate }), engine),
);

export const shareModule = stageModule<[AccountRegistry, PartnerShare]>(
  'share',
  [ACCOUNTS, PARTNER_SHARE],
  (engine, { folderTemplate }, accounts, partnerShare) =>
    batchStageHandler(shareStage({ ...engine, accounts, partnerShare, folderTemplate, ...OFFER }), engine),
);

export const custodyModule = stageModule<[AccountRegistry]>(
  CUSTODY_QUEUE,
  [ACCOUNTS],
  (engine, { folderTemplate, timings }, accounts) => {
    const rehydrationPollSeconds = Math.min(REHYDRATION_POLL_SECONDS_MAX, timings.taskPollSeconds * 6);
    return custodyHandler({ ...engine, accounts, folderTemplate, rehydrationPollSeconds });
  },
);
