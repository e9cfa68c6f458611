import { ContainerModule } from 'inversify';
import { AzureBlobStore } from '#adapters/azure/blob/azure-blob-store.ts';
import { CosmosAccountRegistry } from '#adapters/azure/cosmos/cosmos-account-registry.ts';
import { CosmosDatabase } from '#adapters/azure/cosmos/cosmos-database.ts';
import { CosmosDeadlineQuery } from '#adapters/azure/cosmos/cosmos-deadline-query.ts';
import { CosmosFailedMessageStore } from '#adapters/azure/cosmos/cosmos-failed-message-store.ts';
import { CosmosLandingStore } from '#adapters/azure/cosmos/cosmos-landing-store.ts';
import { CosmosMetadataStore } from '#adapters/azure/cosmos/cosmos-metadata-store.ts';
import { CosmosOutboxFeed } from '#adapters/azure/cosmos/cosmos-outbox-feed.ts';
import { CosmosSagaStore } from '#adapters/azure/cosmos/cosmos-saga-store.ts';
import { CosmosStageRunStore } from '#adapters/azure/cosmos/cosmos-stage-run-store.ts';
import { CosmosVehicleStore } from '#adapters/azure/cosmos/cosmos-vehicle-store.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import { EventGridEventPublisher } from '#adapters/azure/event-grid/event-grid-event-publisher.ts';
import { SasPartnerShare } from '#adapters/azure/partner-share/sas-partner-share.ts';
import { ServiceBusMessageSender } from '#adapters/azure/service-bus/service-bus-message-sender.ts';
import { DeltaFleetTables } from '#adapters/delta/delta-fleet-tables.ts';
import { SystemClock } from '#adapters/node/system-clock.ts';
import { layOut } from '#adapters/parquet/column-layout.ts';
import type { ServiceCalls, Telemetry } from '#domain/ports/telemetry.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import { serviceBusAccessOf } from './service-bus.ts';
import type { Settings } from './settings.ts';
import { storageAccountsOf } from './storage.ts';
import { taskRunnerOf } from './tasks.ts';
import {
  ACCOUNTS,
  BLOBS,
  CHANCE,
  CLOCK,
  DEADLINES,
  EVENT_PUBLISHER,
  FAILED_MESSAGES,
  FLEET_TABLES,
  LANDING_STORE,
  MESSAGES,
  METADATA_STORE,
  OUTBOX_FEED,
  PARTNER_SHARE,
  RESENDER,
  SAGA_STORE,
  SETTINGS,
  STAGE_RUNS,
  TASKS,
  TELEMETRY,
  VEHICLES,
} from './tokens.ts';
import { TABLES_CONTAINER } from './zone-containers.ts';

export function cosmosOf({ cosmos }: Settings, calls?: ServiceCalls): CosmosDatabase {
  return new CosmosDatabase({
    endpoint: cosmos.endpoint,
    database: cosmos.database,
    access: accessOf(cosmos),
    ...(calls === undefined ? {} : { calls }),
  });
}

/** The ports every role shares, on Azure or on the local stack: only endpoints and credentials differ. */
export function azureModule(
  settings: Settings,
  telemetry: Telemetry,
  taskEnvironment: Readonly<Record<string, string>>,
): ContainerModule {
  return new ContainerModule(({ bind }) => {
    const database = cosmosOf(settings, telemetry);
    bind(SETTINGS).toConstantValue(settings);
    const clock = new SystemClock();
    bind(CLOCK).toConstantValue(clock);
    bind(CHANCE).toConstantValue(Math.random);
    const accounts = storageAccountsOf(settings, telemetry);
    bind(TELEMETRY).toConstantValue(telemetry);
    const blobs = new AzureBlobStore(accounts);
    bind(BLOBS).toConstantValue(blobs);
    bind(FLEET_TABLES).toConstantValue(
      new DeltaFleetTables(
        { blobs, clock, storedColumns: (columns) => layOut({ columns, metadata: {} }) },
        TABLES_CONTAINER,
      ),
    );
    bind(PARTNER_SHARE).toConstantValue(new SasPartnerShare(database, accounts, () => new Date()));
    const sender = new ServiceBusMessageSender(serviceBusAccessOf(settings), telemetry);
    bind(MESSAGES).toConstantValue(sender);
    bind(RESENDER).toConstantValue(sender);
    bind(EVENT_PUBLISHER).toConstantValue(
      new EventGridEventPublisher({
        endpoint: settings.eventGrid.endpoint,
        access: accessOf(settings.eventGrid),
      }),
    );
    bind(TASKS).toConstantValue(taskRunnerOf(settings, taskEnvironment, telemetry));
    bind(SAGA_STORE).toConstantValue(new CosmosSagaStore<IngestionState>(database));
    bind(OUTBOX_FEED).toConstantValue(new CosmosOutboxFeed(database));
    bind(DEADLINES).toConstantValue(new CosmosDeadlineQuery(database));
    bind(LANDING_STORE).toConstantValue(new CosmosLandingStore(database));
    bind(METADATA_STORE).toConstantValue(new CosmosMetadataStore(database));
    bind(STAGE_RUNS).toConstantValue(new CosmosStageRunStore(database));
    bind(VEHICLES).toConstantValue(new CosmosVehicleStore(database));
    bind(ACCOUNTS).toConstantValue(new CosmosAccountRegistry(database));
    bind(FAILED_MESSAGES).toConstantValue(new CosmosFailedMessageStore(database));
  });
}
