import { FLEET_TABLE_KINDS } from '#domain/fleet-tables.ts';
import { RECORDINGS_CONTAINER, SensorKind, type Zone } from '#domain/vocabulary.ts';

/** The containers of an account: whole recordings in some zones, one per sensor kind in the others. */

const WHOLE_FILE_ZONES: readonly Zone[] = ['landing', 'raw', 'archive', 'error'];

const TABLE_ZONES: readonly Zone[] = FLEET_TABLE_KINDS;

/** Delta tables over all measurements of a fleet. */
export const TABLES_CONTAINER = 'tables';
/** In the operations account. */
export const TASKS_CONTAINER = 'tasks';
export const VEHICLES_CONTAINER = 'vehicles';
const EVENT_GRID_DEAD_LETTERS_CONTAINER = 'event-grid-dead-letters';

export function containersOfZone(zone: Zone): readonly string[] {
  if (WHOLE_FILE_ZONES.includes(zone)) return [RECORDINGS_CONTAINER];
  return TABLE_ZONES.includes(zone) ? [...SensorKind.options, TABLES_CONTAINER] : SensorKind.options;
}

export const OPERATIONS_CONTAINERS: readonly string[] = [
  TASKS_CONTAINER,
  VEHICLES_CONTAINER,
  EVENT_GRID_DEAD_LETTERS_CONTAINER,
];
