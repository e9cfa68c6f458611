import { sha1 } from './sha1.ts';

/** The tables that hold one kind of data stream of all measurements of a fleet. */

export const FLEET_TABLE_KINDS = ['synchronized', 'enriched', 'scenes'] as const;
export type FleetTableKind = (typeof FLEET_TABLE_KINDS)[number];

interface NamedColumn {
  readonly name: string;
  readonly type: unknown;
}

/**
 * The table that rows of these columns belong to. Scenes are the same for every vehicle: one table, which may get
 * further columns. Signals differ by vehicle configuration: one table per set of columns, told apart by eight
 * hexadecimal digits, instead of one wide table of mostly nulls. The order of columns does not matter.
 */
export function fleetTableName(kind: FleetTableKind, columns: readonly NamedColumn[]): string {
  if (kind === 'scenes') return kind;
  const facts = columns.map(({ name, type }) => JSON.stringify([name, type])).toSorted();
  const bytes = sha1(new TextEncoder().encode(facts.join('\n')));
  const digits = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0'));
  return `${kind}-${digits.join('')}`;
}

/** What a table of all measurements says of each row besides what its measurement's own table says. */
export const PARTITION_COLUMNS = [
  { name: 'date', type: 'date', description: 'UTC day on which the data begins' },
  { name: 'vin', type: 'string', description: 'of the vehicle' },
  { name: 'measurement_id', type: 'string', description: 'identity of the measurement' },
  { name: 'generation', type: 'integer', description: 'run of the measurement that made the row' },
] as const;
