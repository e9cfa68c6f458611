import { SensorKind, type Zone } from '#domain/vocabulary.ts';

/** The containers of an account: whole recordings in some zones, one per sensor kind in the others. */

const WHOLE_FILE_ZONES: readonly Zone[] = ['landing', 'raw', 'archive', 'error'];

export const RECORDINGS_CONTAINER = 'recordings';
/** In the operations account. */
export const TASKS_CONTAINER = 'tasks';
export const VEHICLES_CONTAINER = 'vehicles';
export const EVENT_GRID_DEAD_LETTERS_CONTAINER = 'event-grid-dead-letters';

export function containersOfZone(zone: Zone): readonly string[] {
  return WHOLE_FILE_ZONES.includes(zone) ? [RECORDINGS_CONTAINER] : SensorKind.options;
}

export const OPERATIONS_CONTAINERS: readonly string[] = [
  TASKS_CONTAINER,
  VEHICLES_CONTAINER,
  EVENT_GRID_DEAD_LETTERS_CONTAINER,
];
