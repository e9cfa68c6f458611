import { createHash, randomUUID } from 'node:crypto';
import { type ServerType, serve } from '@hono/node-server';
import { ContainerModule } from 'inversify';
import { QueueCounts } from '#adapters/azure/service-bus/queue-counts.ts';
import { type Authenticate, anybody } from '#adapters/http/access.ts';
import { bearerTokens } from '#adapters/http/bearer-tokens.ts';
import { type MetadataOperations, metadataApi } from '#adapters/http/metadata-api.ts';
import type { VehicleRequest } from '#adapters/http/routes.ts';
import { TerminalFailure } from '#domain/failures.ts';
import { landingFolderOf, MANIFEST_FILE_NAME } from '#domain/manifest.ts';
import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { FailedMessageStore } from '#domain/ports/failed-message-store.ts';
import type { LandingStore } from '#domain/ports/landing-store.ts';
import type { MessageResender, MessageSender } from '#domain/ports/message-sender.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import type { StageRunStore } from '#domain/ports/stage-run-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { VehicleStore } from '#domain/ports/vehicle-store.ts';
import { RECORDINGS_CONTAINER } from '#domain/vocabulary.ts';
import { announceDataStream } from '#handlers/operations/announce-data-stream.ts';
import { lineage, listMeasurements, measurementStatus } from '#handlers/operations/measurement-status.ts';
import { replayDeadLetters } from '#handlers/operations/replay-dead-letters.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { saveVehicle, type VehicleChange } from '#handlers/operations/save-vehicle.ts';
import { steerMeasurement } from '#handlers/operations/steer-measurement.ts';
import { landingAccountOf } from '../landing-account.ts';
import type { Role } from '../role.ts';
import { serviceBusAccessOf } from '../service-bus.ts';
import type { Settings } from '../settings.ts';
import {
  ACCOUNTS,
  BLOBS,
  CLOCK,
  FAILED_MESSAGES,
  LANDING_STORE,
  MESSAGES,
  METADATA_STORE,
  PARTNER_SHARE,
  RESENDER,
  ROLES,
  SETTINGS,
  STAGE_RUNS,
  TELEMETRY,
  VEHICLES,
} from '../tokens.ts';
import { TASKS_CONTAINER, VEHICLES_CONTAINER } from '../zone-containers.ts';

interface ApiPorts {
  readonly settings: Settings;
  readonly metadata: MetadataStore;
  readonly landing: LandingStore;
  readonly blobs: BlobStore;
  readonly messages: MessageSender;
  readonly resender: MessageResender;
  readonly runs: StageRunStore;
  readonly failed: FailedMessageStore;
  readonly vehicles: VehicleStore;
  readonly accounts: AccountRegistry;
  readonly partnerShare: PartnerShare;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Serves the metadata API. */
export const apiModule = new ContainerModule(({ bind }) => {
  bind(ROLES).toResolvedValue(
    (
      settings,
      metadata,
      landing,
      blobs,
      messages,
      resender,
      runs,
      failed,
      vehicles,
      accounts,
      partnerShare,
      clock,
      telemetry,
    ) =>
      apiRole({
        settings,
        metadata,
        landing,
        blobs,
        messages,
        resender,
        runs,
        failed,
        vehicles,
        accounts,
        partnerShare,
        clock,
        telemetry,
      }),
    [
      SETTINGS,
      METADATA_STORE,
      LANDING_STORE,
      BLOBS,
      MESSAGES,
      RESENDER,
      STAGE_RUNS,
      FAILED_MESSAGES,
      VEHICLES,
      ACCOUNTS,
      PARTNER_SHARE,
      CLOCK,
      TELEMETRY,
    ],
  );
});

function apiRole(ports: ApiPorts): Role {
  let server: ServerType | undefined;
  return {
    name: 'api',
    start: () =>
      new Promise((resolve, reject) => {
        const app = metadataApi(operationsOf(ports), authenticationOf(ports.settings));
        server = serve(
          { fetch: app.fetch, port: ports.settings.apiPort, hostname: ports.settings.apiHost },
          () => resolve(),
        );
        server.once('error', reject);
      }),
    stop: () =>
      new Promise((resolve) => {
        if (server === undefined) resolve();
        else server.close(() => resolve());
      }),
  };
}

/** Settings say which of the two; neither stands in for the other. */
function authenticationOf({ apiAccess }: Settings): Authenticate {
  return apiAccess.auth === 'tokens' ? bearerTokens(apiAccess) : anybody;
}

function operationsOf(ports: ApiPorts): MetadataOperations {
  const { settings, metadata, blobs, failed, vehicles, clock } = ports;
  const { folderTemplate } = settings;
  const papers = { account: settings.operationsAccount, container: TASKS_CONTAINER };
  const vehicleFiles = { account: settings.operationsAccount, container: VEHICLES_CONTAINER };
  const counts = new QueueCounts(serviceBusAccessOf(settings));
  return {
    status: (measurementId) => measurementStatus(ports, measurementId),
    list: (filter, limit) => listMeasurements(ports, filter, limit),
    async fleetOf(measurementId) {
      const fleet = (await metadata.measurement(measurementId))?.['fleet'];
      if (typeof fleet === 'string') return fleet;
      return (await measurementStatus(ports, measurementId))?.fleet;
    },
    lineage: (measurementId) => lineage(ports, measurementId),
    async createMeasurement(manifest) {
      const landingFolder = landingFolderOf(manifest.fleet, manifest.recordingId);
      const path = `${landingFolder}/`;
      const account = landingAccountOf(settings, landingFolder);
      const folder = { account, container: RECORDINGS_CONTAINER, path };
      const content = new TextEncoder().encode(JSON.stringify(manifest, null, 2));
      const location = { ...folder, path: `${path}${MANIFEST_FILE_NAME}` };
      await blobs.write(location, content, { contentType: 'application/json' });
      return { folder };
    },
    placeDataStream: (measurementId, request, requestId) =>
      announceDataStream({ ...ports, folderTemplate }, measurementId, request, requestId),
    steer: (type, data, requestId) => steerMeasurement(ports, type, data, requestId),
    reportTask: (taskId, body) => reportTask({ ...ports, papers }, taskId, body),
    shareLink: (measurementId, actor) => shareLinkOf(ports, measurementId, actor),
    vehicleConfigurations: (vin) => vehicles.configurations(vin),
    saveVehicleConfiguration: (vin, request) =>
      saveVehicle({ ...ports, sha256, folder: vehicleFiles }, vin, changeOf(request)),
    deadLetters: (filter, limit) => failed.list(filter, limit),
    deadLetter: (failedMessageId) => failed.get(failedMessageId),
    replayDeadLetters: ({ operationId = randomUUID(), ...request }) =>
      replayDeadLetters({ ...ports, store: failed, clock }, request, operationId),
    replays: (limit) => failed.audits(limit),
    async queueCounts() {
      const queues = await counts.queues();
      return queues.map(({ entity, active, scheduled, deadLetter }) => ({
        queue: entity,
        active,
        scheduled,
        deadLettered: deadLetter,
      }));
    },
    newRequestId: randomUUID,
  };

  async function shareLinkOf({ partnerShare }: ApiPorts, measurementId: string, actor: string) {
    const shares = await metadata.documents(measurementId, 'share');
    const newest = shares
      .toSorted((a, b) => String(a['offeredAt']).localeCompare(String(b['offeredAt'])))
      .at(-1);
    if (newest === undefined) {
      throw new TerminalFailure('not-found', `Measurement ${measurementId} is not shared with anybody yet.`);
    }
    return partnerShare.link(measurementId, newest.id, actor);
  }
}

function changeOf({ dbc = {}, ...rest }: VehicleRequest): VehicleChange {
  const files = Object.entries(dbc).map(([bus, { name, content }]) => {
    const bytes = new Uint8Array(Buffer.from(content, 'base64'));
    return [bus, { name, bytes }] as const;
  });
  return { ...rest, dbc: Object.fromEntries(files) };
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
