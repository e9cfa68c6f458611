import type { ServiceIdentifier } from 'inversify';
import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { EventPublisher } from '#domain/ports/event-publisher.ts';
import type { FailedMessageStore } from '#domain/ports/failed-message-store.ts';
import type { FleetTables } from '#domain/ports/fleet-tables.ts';
import type { LandingStore } from '#domain/ports/landing-store.ts';
import type { MessageResender, MessageSender } from '#domain/ports/message-sender.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import type { DeadlineQuery, OutboxFeed, SagaStore } from '#domain/ports/saga-store.ts';
import type { StageRunStore } from '#domain/ports/stage-run-store.ts';
import type { TaskRunner } from '#domain/ports/task-runner.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { VehicleStore } from '#domain/ports/vehicle-store.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import type { Role } from './role.ts';
import type { Settings } from './settings.ts';

/** A name that carries its type, so that the compiler checks the wiring. */
function token<T>(name: string): ServiceIdentifier<T> {
  return Symbol.for(`landfall/${name}`);
}

/** One per port and setting; `ROLES` is bound once for each role a process hosts. */
export const SETTINGS = token<Settings>('settings');
export const CLOCK = token<Clock>('clock');
export const TELEMETRY = token<Telemetry>('telemetry');
export const CHANCE = token<() => number>('chance');
export const BLOBS = token<BlobStore>('blobs');
export const MESSAGES = token<MessageSender>('messages');
export const RESENDER = token<MessageResender>('resender');
export const SAGA_STORE = token<SagaStore<IngestionState>>('saga-store');
export const OUTBOX_FEED = token<OutboxFeed>('outbox-feed');
export const DEADLINES = token<DeadlineQuery>('deadlines');
export const LANDING_STORE = token<LandingStore>('landing-store');
export const METADATA_STORE = token<MetadataStore>('metadata-store');
export const STAGE_RUNS = token<StageRunStore>('stage-runs');
export const VEHICLES = token<VehicleStore>('vehicles');
export const ACCOUNTS = token<AccountRegistry>('accounts');
export const FAILED_MESSAGES = token<FailedMessageStore>('failed-messages');
export const PARTNER_SHARE = token<PartnerShare>('partner-share');
export const EVENT_PUBLISHER = token<EventPublisher>('event-publisher');
export const FLEET_TABLES = token<FleetTables>('fleet-tables');
export const TASKS = token<TaskRunner>('tasks');
export const ROLES = token<Role>('role');
