import { RetryableFailure } from '#domain/failures.ts';
import { folderOf, pickAccount } from '#domain/placement.ts';
import type { AccountRegistry } from '#domain/ports/account-registry.ts';
import type { PlannedDataStream } from '#domain/stage-plan.ts';
import type { BlobLocation, DataStreamKind, Recording, Zone } from '#domain/vocabulary.ts';

export interface PlacingPorts {
  readonly accounts: AccountRegistry;
  /** Folder inside a zone's container (domain/placement.ts). */
  readonly folderTemplate: string;
}

/** What decides where a measurement's data goes. */
export interface PlacingFacts {
  readonly measurementId: string;
  readonly recording: Pick<Recording, 'region' | 'vehicle' | 'startTime'>;
  /** Stands in where the recording does not say when it began: the time of the command. */
  readonly commandTime: string;
}

/** A folder per container, all in one account of the zone, in the recording's home region. */
export async function placeIn(
  ports: PlacingPorts,
  facts: PlacingFacts,
  zone: Zone,
  dataStreamId: string,
  containers: readonly string[],
): Promise<BlobLocation[]> {
  const { region, vehicle, startTime } = facts.recording;
  const account = pickAccount(await ports.accounts.accounts(), zone, region, dataStreamId);
  if (account === undefined)
    throw new RetryableFailure(
      'account-unavailable',
      `no open storage account is registered for zone ${zone} in region ${region}; register one, or open one that is draining`,
    );
  const path = folderOf(ports.folderTemplate, {
    region,
    zone,
    measurementId: facts.measurementId,
    dataStreamId,
    vin: vehicle.vin,
    date: new Date(startTime ?? facts.commandTime),
  });
  return containers.map((container) => ({ account, container, path }));
}

/** The data stream a stage will produce, in its place. Outside Raw, containers are named after sensor kinds. */
export async function placeDataStream(
  ports: PlacingPorts,
  facts: PlacingFacts,
  output: {
    readonly dataStreamId: string;
    readonly kind: DataStreamKind;
    readonly zone: Zone;
    readonly containers: readonly string[];
    readonly parents: readonly string[];
  },
): Promise<PlannedDataStream> {
  const { dataStreamId, kind, zone, containers, parents } = output;
  const locations = await placeIn(ports, facts, zone, dataStreamId, containers);
  return { dataStreamId, kind, zone, locations, parents: [...parents] };
}
