import { fleetTableName } from '#domain/fleet-tables.ts';
import type { FleetTablePlace, FleetTables, MeasurementRows, TableFile } from '#domain/ports/fleet-tables.ts';

/** Tables of fleets as a list of what each measurement has said last. */
export class MemoryFleetTables implements FleetTables {
  readonly #byPlace = new Map<string, Map<string, MeasurementRows>>();

  async exist(place: FleetTablePlace): Promise<boolean> {
    return [...this.#rowsOf(place).values()].some(({ table }) => table !== undefined);
  }

  async replace(place: FleetTablePlace, rows: MeasurementRows): Promise<'replaced' | 'known' | 'superseded'> {
    const known = this.#rowsOf(place).get(rows.measurementId);
    if (known === undefined && rows.table === undefined) return 'known';
    if (known?.generation === rows.generation) return 'known';
    if (known !== undefined && known.generation > rows.generation) return 'superseded';
    this.#rowsOf(place).set(rows.measurementId, rows);
    return 'replaced';
  }

  async files(place: FleetTablePlace): Promise<readonly TableFile[]> {
    return [...this.#rowsOf(place).values()].flatMap(({ table, measurementId, generation }) =>
      table === undefined
        ? []
        : [
            {
              table: fleetTableName(place.kind, table.columns),
              location: table.file,
              measurementId,
              generation,
              rowCount: table.rowCount,
            },
          ],
    );
  }

  #rowsOf(place: FleetTablePlace): Map<string, MeasurementRows> {
    const key = JSON.stringify([place.account, place.fleet, place.kind]);
    const rows = this.#byPlace.get(key) ?? new Map<string, MeasurementRows>();
    this.#byPlace.set(key, rows);
    return rows;
  }
}
