import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { FLEET_TABLE_KINDS, type FleetTableKind } from '#domain/fleet-tables.ts';
import type { DataOf, Envelope } from '#domain/messages.ts';
import { pickAccount } from '#domain/placement.ts';
import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { FleetTables, MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { TableColumnType, TableScalarType } from '#domain/ports/table-writer.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { type DataStreamManifest, referenceOf } from '#domain/result-manifest.ts';
import type { TableEventType } from '#domain/topology.ts';
import { readDataStreamManifest } from './data-stream-manifest.ts';

export interface TablePorts {
  readonly blobs: BlobStore;
  readonly tables: FleetTables;
  readonly accounts: AccountRegistry;
  readonly metadata: Pick<MetadataStore, 'measurement'>;
  readonly telemetry: Telemetry;
}

/**
 * The committer of the fleets' tables: what a measurement has synchronized, enriched or found becomes part of the
 * tables over all measurements of its fleet. It listens to the same events as everybody; nobody waits for it.
 */
export function tablesHandler(ports: TablePorts): (message: Envelope) => Promise<void> {
  const homes = new Map<string, string>();
  return async (message) => {
    const data = message.data as DataOf<TableEventType>;
    const { manifest: reference, kind, dataStreamId } = data.dataStream;
    if (!isTableKind(kind)) return;
    if (reference === undefined)
      throw new TerminalFailure(
        'not-found',
        `data stream ${dataStreamId} has no manifest, so its files are not known; run the stage again`,
      );
    const home = `${message.region}/${message.fleet}/${kind}`;
    const account = homes.get(home) ?? (await homeOf(ports, message, kind));
    homes.set(home, account);
    const [manifest, measurement] = await Promise.all([
      readDataStreamManifest(ports.blobs, reference),
      ports.metadata.measurement(data.measurementId),
    ]);
    if (measurement === undefined)
      throw new TerminalFailure('not-found', `measurement ${data.measurementId} is not registered`);
    const table = tableOf(manifest, kind);
    const begins = table?.startTime ?? textOf(measurement['startTime']) ?? message.time;
    const outcome = await ports.tables.replace(
      { account, fleet: message.fleet, kind },
      {
        measurementId: data.measurementId,
        generation: data.generation,
        vin: textOf(measurement['vin']) ?? 'UNKNOWN',
        date: begins.slice(0, 10),
        ...(table === undefined ? {} : { table }),
      },
    );
    ports.telemetry.event('tables.committed', {
      fleet: message.fleet,
      kind,
      outcome,
      measurementId: data.measurementId,
    });
  };
}

function isTableKind(kind: string): kind is FleetTableKind {
  return FLEET_TABLE_KINDS.some((known) => known === kind);
}

/**
 * The account with the fleet's tables of this kind. Where they are they stay, also when accounts are added or become
 * full: a table in two accounts is two tables.
 */
async function homeOf(
  { tables, accounts }: TablePorts,
  { fleet, region }: Envelope,
  kind: FleetTableKind,
): Promise<string> {
  const registered = await accounts.accounts();
  for (const { account, zone, region: where } of registered) {
    if (zone === kind && where === region && (await tables.exist({ account, fleet, kind }))) return account;
  }
  const account = pickAccount(registered, kind, region, `tables/${fleet}`);
  if (account !== undefined) return account;
  throw new RetryableFailure(
    'account-unavailable',
    `no open storage account is registered for zone ${kind} in region ${region}; register one, or open one that is draining`,
  );
}

/** What the data stream has for the table; a stage that was skipped, or found nothing, has nothing. */
function tableOf(manifest: DataStreamManifest, kind: FleetTableKind): MeasurementRows['table'] {
  if (manifest.passThroughOf !== undefined) return undefined;
  const file = manifest.files.find(({ table }) => table?.role === kind);
  if (file?.table === undefined || (file.rowCount ?? 0) === 0) return undefined;
  const { columns, startTime, endTime } = file.table;
  return {
    columns: columns.map(({ name, type, unit }) => ({
      name,
      type: columnTypeOf(type),
      ...(unit === undefined ? {} : { unit }),
    })),
    file: referenceOf(file),
    rowCount: file.rowCount ?? 0,
    ...(startTime === undefined ? {} : { startTime }),
    ...(endTime === undefined ? {} : { endTime }),
  };
}

/** `list<float64>` as result manifests write it. */
function columnTypeOf(text: string): TableColumnType {
  const item = /^list<(.*)>$/.exec(text)?.[1];
  return item === undefined ? (text as TableScalarType) : { list: columnTypeOf(item) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
