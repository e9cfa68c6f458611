import type { DataStreamManifest, ResultFile } from '../result-manifest.ts';
import { LATITUDE, LONGITUDE, TIME_COLUMN } from '../table-columns.ts';
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

/** One topic or message; a recording split over several files has several parts of it, with the same columns. */
export interface SelectedTable {
  readonly parts: readonly ResultFile[];
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

/** Message types that say how the vehicle moves, wherever the recorder files them. */
const MOTION_TYPES =
  /(^|[/.])(Twist|TwistStamped|TwistWithCovarianceStamped|Odometry|VelocityReport|Imu|NavSatFix)$/;

/** What somebody wants the vehicle to do is not what it did. */
const COMMANDS = /(^|[/_.])(cmd|command|cmd_vel|setpoint|target|desired|reference)([/_.]|$)/i;

/** Quantities that change steadily between samples; all others are held. */
const STEADY = /(^|\.)(latitude|longitude|altitude)$/;

/** Bookkeeping of messages that nobody wants on a timeline. */
const LEFT_OUT = /(^|\.)(header\.seq|header\.stamp|seq|.*covariance.*)$/;

const PREFIXED_SENSORS = new Set(['gnss', 'imu']);

/** The wide end of what a table in memory and on disk bears; a bus of a modern car has about 2,000 signals. */
export const SIGNALS_MAX = 4000;

/**
 * The tables with signals: GNSS, IMU, decoded CAN, vehicle motion, and measured channels of recorders without
 * messages (MDF, TDMS). The richest table of a sensor lends it its name (`gnss.latitude`,
 * `imu.angular_velocity.z`), further ones count (`imu_2.…`); CAN signals are `can.<message>.<signal>`, channels
 * `<group>.<channel>`. Where no receiver has a topic of its own, a position on CAN or in a channel group is
 * `gnss.latitude` and `gnss.longitude`. At most SIGNALS_MAX signals, in that order of kinds.
 */
export function selectSignals(manifest: DataStreamManifest): readonly SelectedTable[] {
  const counts = new Map<string, number>();
  const selected: SelectedTable[] = [];
  let room = SIGNALS_MAX;
  const tables = tablesOf(manifest);
  const receiver = undeclaredReceiverOf(tables.flatMap((parts) => parts[0] ?? []));
  for (const parts of tables) {
    const [first] = parts;
    const columns = first === undefined ? [] : columnsOf(first).slice(0, room);
    if (first === undefined || columns.length === 0) continue;
    const prefix = prefixOf(first, counts);
    const signals = columns.map((column): SelectedSignal => {
      const positionName = first === receiver ? positionNameOf(column) : undefined;
      return {
        column: column.name,
        name: positionName ?? `${prefix}.${column.name}`,
        ...(column.unit === undefined ? {} : { unit: column.unit }),
        method: positionName !== undefined || STEADY.test(column.name) ? 'linear' : 'as-of',
      };
    });
    selected.push({ parts, signals });
    room -= signals.length;
  }
  return selected;
}

/** The manifest's tables with signals, parts of one topic together, the most telling first. */
function tablesOf(manifest: DataStreamManifest): readonly (readonly ResultFile[])[] {
  const groups = new Map<string, ResultFile[]>();
  for (const file of manifest.files) {
    if (rankOf(file) === undefined) continue;
    const { name, role, schemaName, columns } = file.table!;
    const key = JSON.stringify([file.sensor, role, name, schemaName, columns]);
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  const rows = (parts: readonly ResultFile[]) => parts.reduce((sum, part) => sum + (part.rowCount ?? 0), 0);
  return [...groups.values()].toSorted(
    (a, b) =>
      rankOf(a[0]!)! - rankOf(b[0]!)! || rows(b) - rows(a) || (nameOf(a[0]!) < nameOf(b[0]!) ? -1 : 1),
  );
}

/** Lower comes first; undefined for tables without signals. */
function rankOf(file: ResultFile): number | undefined {
  const { role = '', schemaName = '', name = '' } = file.table ?? {};
  if ((file.rowCount ?? 0) === 0) return undefined;
  if (role === 'can-decoded') return 3;
  if (role !== 'topic' || COMMANDS.test(name)) return undefined;
  if (MOTION_TYPES.test(schemaName)) return PREFIXED_SENSORS.has(file.sensor) ? 0 : 2;
  if (PREFIXED_SENSORS.has(file.sensor)) return schemaName === '' ? 4 : 1;
  return schemaName === '' && file.sensor === 'structured' ? 4 : undefined;
}

/** Where a vehicle is, under whatever name a CAN database or a channel group gives it. */
const POSITIONS: readonly (readonly [RegExp, string])[] = [
  [/^((gps|gnss|ins|pos|position)_?)?lat(itude)?(_?deg)?$/i, LATITUDE],
  [/^((gps|gnss|ins|pos|position)_?)?(lon|lng|long|longitude)(_?deg)?$/i, LONGITUDE],
];
const DEGREES = new Set([undefined, '', '°', 'deg', 'degree', 'degrees']);

function positionNameOf(column: {
  readonly name: string;
  readonly unit?: string | undefined;
}): string | undefined {
  if (!DEGREES.has(column.unit)) return undefined;
  return POSITIONS.find(([pattern]) => pattern.test(column.name))?.[1];
}

/**
 * The table whose position stands for the vehicle's where no topic is a GNSS receiver's: the first with a latitude
 * and a longitude in degrees, such as a message of a logger with its own receiver.
 */
function undeclaredReceiverOf(tables: readonly ResultFile[]): ResultFile | undefined {
  const hasBoth = (file: ResultFile) =>
    [LATITUDE, LONGITUDE].every((name) => columnsOf(file).some((column) => positionNameOf(column) === name));
  const isDeclared = (file: ResultFile) => file.sensor === 'gnss' && file.table?.schemaName !== '';
  return tables.some((file) => isDeclared(file) && hasBoth(file)) ? undefined : tables.find(hasBoth);
}

function columnsOf(file: ResultFile) {
  return (file.table?.columns ?? [])
    .filter((column) => NUMERIC.has(column.type) && column.name !== TIME_COLUMN.name)
    .filter((column) => !column.name.endsWith('_ns') && !LEFT_OUT.test(column.name));
}

function prefixOf(file: ResultFile, counts: Map<string, number>): string {
  const name = nameOf(file);
  const base =
    PREFIXED_SENSORS.has(file.sensor) && file.table?.schemaName !== ''
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
