import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { VehicleConfiguration, VehicleStore } from '#domain/ports/vehicle-store.ts';
import type { BlobReference } from '#domain/vocabulary.ts';

export interface SaveVehiclePorts {
  readonly vehicles: VehicleStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Lower-case hexadecimal. */
  readonly sha256: (content: Uint8Array) => string;
  /** Where DBC files are kept. */
  readonly folder: { readonly account: string; readonly container: string };
}

export interface VehicleChange {
  /** RFC 3339; without it, true of recordings of any age that no later configuration covers. */
  readonly validFrom?: string | undefined;
  /** DBC file per bus. */
  readonly dbc?: Readonly<Record<string, { readonly name: string; readonly bytes: Uint8Array }>>;
  readonly topicMap?: Readonly<Record<string, string>> | undefined;
  readonly referenceClock?: string | undefined;
}

const ALWAYS = '1970-01-01T00:00:00.000Z';

/**
 * What is true of a vehicle from a time on: what is said now, and of what is not said, what held before. DBC files are
 * kept by content, so that a configuration says for ever what it said.
 */
export async function saveVehicle(
  ports: SaveVehiclePorts,
  vin: string,
  change: VehicleChange,
): Promise<VehicleConfiguration> {
  const { vehicles, clock } = ports;
  const dbc: Record<string, BlobReference> = {};
  for (const [bus, file] of Object.entries(change.dbc ?? {})) dbc[bus] = await keep(ports, vin, file);
  const before = await vehicles.configuration(vin, new Date(change.validFrom ?? clock.now()));
  const referenceClock = change.referenceClock ?? before?.referenceClock;
  const configuration: VehicleConfiguration = {
    vin,
    validFrom: new Date(change.validFrom ?? ALWAYS).toISOString(),
    dbc: { ...before?.dbc, ...dbc },
    topicMap: { ...before?.topicMap, ...change.topicMap },
    ...(referenceClock === undefined ? {} : { referenceClock }),
  };
  await vehicles.save(configuration);
  return configuration;
}

async function keep(
  { blobs, sha256, folder }: SaveVehiclePorts,
  vin: string,
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array },
): Promise<BlobReference> {
  const hash = sha256(bytes);
  const plainName = name.replaceAll(/[^A-Za-z0-9._-]/g, '_');
  const location = { ...folder, path: `${encodeURIComponent(vin)}/${hash.slice(0, 16)}/${plainName}` };
  await blobs.write(location, bytes, { contentType: 'application/octet-stream' });
  return { ...location, sha256: hash, sizeBytes: bytes.length };
}
