import type { Container } from '@azure/cosmos';
import type { VehicleConfiguration, VehicleStore } from '#domain/ports/vehicle-store.ts';
import { type CosmosDatabase, collect, idOfText, queryItems, request } from './cosmos-database.ts';

interface ConfigurationItem {
  readonly id: string;
  readonly vin: string;
  readonly configuration: VehicleConfiguration;
}

/** A vehicle has a handful of configurations; they are read together. */
export class CosmosVehicleStore implements VehicleStore {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('vehicles');
  }

  async configuration(vin: string, time: Date): Promise<VehicleConfiguration | undefined> {
    const configurations = await this.configurations(vin);
    return configurations.findLast(({ validFrom }) => Date.parse(validFrom) <= time.getTime());
  }

  async configurations(vin: string): Promise<readonly VehicleConfiguration[]> {
    const items = await collect(
      queryItems<ConfigurationItem>(this.#container, { query: 'SELECT * FROM c' }, vin),
    );
    return items
      .map(({ configuration }) => configuration)
      .toSorted((a, b) => Date.parse(a.validFrom) - Date.parse(b.validFrom));
  }

  async save(configuration: VehicleConfiguration): Promise<void> {
    const { vin, validFrom } = configuration;
    const item: ConfigurationItem = {
      id: idOfText(new Date(validFrom).toISOString()),
      vin,
      configuration,
    };
    await request(`The configuration of ${vin} from ${validFrom} could not be saved`, () =>
      this.#container.items.upsert(item),
    );
  }
}
