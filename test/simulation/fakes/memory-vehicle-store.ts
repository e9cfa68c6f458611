import type { VehicleConfiguration, VehicleStore } from '#domain/ports/vehicle-store.ts';

/** Vehicle configurations, in memory. */
export class MemoryVehicleStore implements VehicleStore {
  readonly #byVin = new Map<string, Map<number, VehicleConfiguration>>();

  async configuration(vin: string, time: Date): Promise<VehicleConfiguration | undefined> {
    const configurations = await this.configurations(vin);
    return configurations.findLast(({ validFrom }) => Date.parse(validFrom) <= time.getTime());
  }

  async configurations(vin: string): Promise<readonly VehicleConfiguration[]> {
    const configurations = [...(this.#byVin.get(vin) ?? [])];
    return configurations.toSorted(([a], [b]) => a - b).map(([, configuration]) => configuration);
  }

  async save(configuration: VehicleConfiguration): Promise<void> {
    const configurations = this.#byVin.get(configuration.vin) ?? new Map<number, VehicleConfiguration>();
    this.#byVin.set(configuration.vin, configurations);
    configurations.set(Date.parse(configuration.validFrom), configuration);
  }
}
