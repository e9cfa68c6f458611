import { numbersOf, textValues, timesOf } from '#domain/column-values.ts';
import type { TableColumn, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import {
  LATITUDE,
  LONGITUDE,
  TIME_COLUMN,
  VEHICLE_ACCELERATION,
  VEHICLE_SPEED,
  VEHICLE_YAW_RATE,
} from '#domain/table-columns.ts';
import {
  accelerationOf,
  type DerivedColumn,
  type MotionSource,
  speedOf,
  yawRateOf,
} from '#domain/vehicle-motion.ts';

/** Where the sun stands at a time and place. Degrees; azimuth clockwise from north. */
export type SunPosition = (
  time: Date,
  latitudeDegrees: number,
  longitudeDegrees: number,
) => { readonly elevationDegrees: number; readonly azimuthDegrees: number };

export interface EnrichedTable {
  readonly columns: readonly TableColumn[];
  /** As many rows as the synchronized table, in its order. */
  readonly rows: TableRows;
}

/** The synchronized table with what is known besides: the vehicle's motion, the sun, the phase of the day. */
export function enrich(
  columns: readonly TableColumn[],
  batches: readonly TableRows[],
  sunPosition: SunPosition,
): EnrichedTable {
  const rowCount = batches.reduce((sum, batch) => sum + batch.rowCount, 0);
  const timeIndex = columns.findIndex((column) => column.name === TIME_COLUMN.name);
  const timestampsNs = timesOf(batches, timeIndex);
  const signals = columns
    .map((column, index) => ({ column, index }))
    .filter(({ index }) => index !== timeIndex)
    .map(({ column, index }) => ({ column, data: numbersOf(batches, index) }));
  const source: MotionSource = {
    timestampsNs,
    columns: new Map(
      signals.map(({ column, data }) => [
        column.name,
        { column: data, ...(column.unit === undefined ? {} : { unit: column.unit }) },
      ]),
    ),
  };
  const added = [...motionColumns(source), ...sunColumns(source, sunPosition)];
  return {
    columns: [TIME_COLUMN, ...signals.map(({ column }) => column), ...added.map(({ column }) => column)],
    rows: {
      rowCount,
      columns: [
        { values: timestampsNs },
        ...signals.map(({ data }) => data),
        ...added.map(({ data }) => data),
      ],
    },
  };
}

interface AddedColumn {
  readonly column: TableColumn;
  readonly data: { readonly values: TableValues; readonly validity: Uint8Array };
}

function motionColumns(source: MotionSource): readonly AddedColumn[] {
  const speed = speedOf(source);
  const yawRate = yawRateOf(source);
  const added = (name: string, unit: string, derived: DerivedColumn | undefined): AddedColumn[] =>
    derived === undefined
      ? []
      : [{ column: { name, type: 'float64', unit, source: derived.source }, data: derived }];
  return [
    ...added(VEHICLE_SPEED, 'm/s', speed),
    ...added(VEHICLE_ACCELERATION, 'm/s²', speed === undefined ? undefined : accelerationOf(source, speed)),
    ...added(VEHICLE_YAW_RATE, 'rad/s', yawRate),
  ];
}

function sunColumns(source: MotionSource, sunPosition: SunPosition): readonly AddedColumn[] {
  const rowCount = source.timestampsNs.length;
  const latitude = source.columns.get(LATITUDE)?.column;
  const longitude = source.columns.get(LONGITUDE)?.column;
  const elevation = new Float64Array(rowCount);
  const azimuth = new Float64Array(rowCount);
  const validity = new Uint8Array(rowCount);
  const phases: string[] = new Array(rowCount).fill('');
  for (let row = 0; row < rowCount; row++) {
    if (latitude?.validity[row] !== 1 || longitude?.validity[row] !== 1) continue;
    const time = new Date(Number(source.timestampsNs[row]! / 1_000_000n));
    const sun = sunPosition(time, latitude.values[row]!, longitude.values[row]!);
    elevation[row] = sun.elevationDegrees;
    azimuth[row] = sun.azimuthDegrees;
    phases[row] = dayPhaseOf(sun.elevationDegrees);
    validity[row] = 1;
  }
  const from = 'position of the vehicle and UTC time';
  return [
    {
      column: { name: 'sun.elevation', type: 'float64', unit: '°', source: from },
      data: { values: elevation, validity },
    },
    {
      column: {
        name: 'sun.azimuth',
        type: 'float64',
        unit: '°',
        description: 'clockwise from north',
        source: from,
      },
      data: { values: azimuth, validity },
    },
    {
      column: {
        name: 'sun.day_phase',
        type: 'string',
        description: 'day, civil, nautical or astronomical twilight, night',
        source: from,
      },
      data: { values: textValues(phases), validity },
    },
  ];
}

/**
 * The phase by the elevation of the sun's centre: day above -0.833° (refraction and the sun's radius), then civil,
 * nautical and astronomical twilight to -6°, -12° and -18° (U.S. Naval Observatory, "Rise, Set, and Twilight
 * Definitions").
 */
export function dayPhaseOf(elevationDegrees: number): string {
  if (elevationDegrees > -0.833) return 'day';
  if (elevationDegrees > -6) return 'civil twilight';
  if (elevationDegrees > -12) return 'nautical twilight';
  if (elevationDegrees > -18) return 'astronomical twilight';
  return 'night';
}
