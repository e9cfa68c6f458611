import type { BlobReference } from '../vocabulary.ts';

/** What is true of a vehicle from a time on. */
export interface VehicleConfiguration {
  readonly vin: string;
  /** RFC 3339; this configuration holds until the next one's `validFrom`. */
  readonly validFrom: string;
  /** DBC file per bus name (`1`, `2`, `powertrain`, …). */
  readonly dbc: Readonly<Record<string, BlobReference>>;
  /** Topic name to what it is (`/front/image` → `camera`), where the type does not tell. */
  readonly topicMap: Readonly<Record<string, string>>;
  /** Topic or table whose clock the others are put on; absent = receive time. */
  readonly referenceClock?: string;
}

export interface VehicleStore {
  /** The configuration that held at `time`, or undefined. */
  configuration(vin: string, time: Date): Promise<VehicleConfiguration | undefined>;
  configurations(vin: string): Promise<readonly VehicleConfiguration[]>;
  save(configuration: VehicleConfiguration): Promise<void>;
}
