import type { DataStreamManifest, ResultFile } from '../result-manifest.ts';
import { TIME_COLUMN } from '../table-columns.ts';
import type { AlignmentMethod } from '../timeline.ts';

/** Which signals of an extracted data stream go onto the timeline, and how. Decided once, from the manifest. */

export interface SelectedSignal {
  /** Column of the source table. */
  readonly column: string;
  /** Column of the synchronized table. */
  readonly name: string;
  readonly unit?: string;
  readonly method: AlignmentMethod;
}

export interface SelectedTable {
  readonly file: ResultFile;
  readonly signals: readonly SelectedSignal[];
}

const NUMERIC = new Set([
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
]);

/** Message types that say how fast the vehicle is, wherever the recorder files them. */
const MOTION_TYPES =
  /(^|[/.])(Twist|TwistStamped|TwistWithCovarianceStamped|Odometry|VelocityReport|Imu|NavSatFix)$/;

/** Quantities that change steadily between samples; all others are held. */
const STEADY = /(^|\.)(latitude|longitude|altitude)$/;

/** Bookkeeping of messages that nobody wants on a timeline. */
const LEFT_OUT = /(^|\.)(header\.seq|header\.stamp|seq|.*covariance.*)$/;

const PREFIXED_SENSORS = new Set(['gnss', 'imu']);

/**
 * The tables with signals: GNSS, IMU, decoded CAN and vehicle motion. The first table of a sensor lends it its name
 * (`gnss.latitude`, `imu.angular_velocity.z`), further ones count (`imu_2.…`); CAN signals are
 * `can.<message>.<signal>`.
 */
export function selectSignals(manifest: DataStreamManifest): readonly SelectedTable[] {
  const counts = new Map<string, number>();
  return manifest.files
    .filter((file) => file.table !== undefined && hasSignals(file))
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .flatMap((file) => {
      const prefix = prefixOf(file, counts);
      const signals = signalsOf(file, prefix);
      return signals.length === 0 ? [] : [{ file, signals }];
    });
}

function hasSignals(file: ResultFile): boolean {
  const { role = '', schemaName = '' } = file.table ?? {};
  if ((file.rowCount ?? 0) === 0) return false;
  if (role === 'can-decoded') return true;
  return role === 'topic' && (PREFIXED_SENSORS.has(file.sensor) || MOTION_TYPES.test(schemaName));
}

function signalsOf(file: ResultFile, prefix: string): readonly SelectedSignal[] {
  return (file.table?.columns ?? [])
    .filter((column) => NUMERIC.has(column.type) && column.name !== TIME_COLUMN.name)
    .filter((column) => !column.name.endsWith('_ns') && !LEFT_OUT.test(column.name))
    .map((column) => ({
      column: column.name,
      name: `${prefix}.${column.name}`,
      ...(column.unit === undefined ? {} : { unit: column.unit }),
      method: STEADY.test(column.name) ? 'linear' : 'as-of',
    }));
}

function prefixOf(file: ResultFile, counts: Map<string, number>): string {
  const name = nameOf(file);
  const base = PREFIXED_SENSORS.has(file.sensor)
    ? file.sensor
    : file.table?.role === 'can-decoded'
      ? `can.${name}`
      : name.replace(/^\//, '').replaceAll('/', '.');
  const count = (counts.get(base) ?? 0) + 1;
  counts.set(base, count);
  return count === 1 ? base : `${base}_${count}`;
}

function nameOf(file: ResultFile): string {
  return file.table?.name ?? '';
}
