import { numbersOf, textValues, timesOf } from '#domain/column-values.ts';
import type { TableColumn, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import type { NullableColumn } from '#domain/scene-intervals.ts';
import {
  LATITUDE,
  LONGITUDE,
  TIME_COLUMN,
  VEHICLE_ACCELERATION,
  VEHICLE_SPEED,
  VEHICLE_YAW_RATE,
} from '#domain/table-columns.ts';
import {
  accelerationFrom,
  type ColumnUnits,
  type MotionQuantity,
  type MotionSource,
  rowsComputable,
  rowsToKeep,
  SpeedChoice,
  YawRateChoice,
} from '#domain/vehicle-motion.ts';

/** Where the sun stands at a time and place. Degrees; azimuth clockwise from north. */
export type SunPosition = (
  time: Date,
  latitudeDegrees: number,
  longitudeDegrees: number,
) => { readonly elevationDegrees: number; readonly azimuthDegrees: number };

/** The synchronized table, as often as it has to be read. */
export interface SynchronizedTable {
  readonly columns: readonly TableColumn[];
  readonly rowCount: number;
  read(columns: readonly string[]): AsyncIterable<TableRows>;
}

export interface EnrichedTable {
  readonly columns: readonly TableColumn[];
  /** As many rows as the synchronized table, in its order. */
  readonly rows: AsyncIterable<TableRows>;
}

/**
 * The synchronized table with what is known besides: the vehicle's motion, the sun, the phase of the day. It is read
 * twice, batch by batch: once the few columns by which the sources of the motion are chosen, once whole.
 */
export async function enrich(table: SynchronizedTable, sunPosition: SunPosition): Promise<EnrichedTable> {
  const signals = table.columns.filter(({ name }) => name !== TIME_COLUMN.name);
  const motion = await chooseMotion(table, new Map(signals.map(({ name, unit }) => [name, unit])));
  const added = [
    ...motion.map(({ name, unit, quantity }): TableColumn => {
      return { name, type: 'float64', unit, source: quantity.source };
    }),
    ...SUN_COLUMNS,
  ];
  async function* rows(): AsyncGenerator<TableRows> {
    for await (const { source, from, to } of windowsOf(table, signals)) {
      const derived = motion.map(({ quantity }) => quantity.of(source));
      yield {
        rowCount: to - from,
        columns: [
          { values: source.timestampsNs.subarray(from, to) },
          ...signals.map(({ name }) => part(source.columns.get(name)!.column, from, to)),
          ...derived.map((column) => part(column, from, to)),
          ...sunColumns(source, from, to, sunPosition),
        ],
      };
    }
  }
  return { columns: [TIME_COLUMN, ...signals, ...added], rows: rows() };
}

interface AddedMotion {
  readonly name: string;
  readonly unit: string;
  readonly quantity: MotionQuantity;
}

async function chooseMotion(table: SynchronizedTable, units: ColumnUnits): Promise<readonly AddedMotion[]> {
  const choices = { speed: new SpeedChoice(units, table.rowCount), yawRate: new YawRateChoice(units) };
  const needed = new Set([...choices.speed.needs, ...choices.yawRate.needs]);
  if (needed.size > 0) {
    const columns = table.columns.filter(({ name }) => needed.has(name));
    for await (const { source, from, to } of windowsOf(table, columns)) {
      if (choices.speed.needs.length > 0) choices.speed.look(source, from, to);
      choices.yawRate.look(source, from, to);
    }
  }
  const speed = choices.speed.chosen();
  const yawRate = choices.yawRate.chosen();
  return [
    ...(speed === undefined
      ? []
      : [
          { name: VEHICLE_SPEED, unit: 'm/s', quantity: speed },
          { name: VEHICLE_ACCELERATION, unit: 'm/s²', quantity: accelerationFrom(speed) },
        ]),
    ...(yawRate === undefined ? [] : [{ name: VEHICLE_YAW_RATE, unit: 'rad/s', quantity: yawRate }]),
  ];
}

/** Rows of a table of which those from `from` to before `to` are this window's own; the others are its neighbours. */
interface Window {
  readonly source: MotionSource;
  readonly from: number;
  readonly to: number;
}

/** The table in windows; each row is in one of them its own. */
async function* windowsOf(table: SynchronizedTable, columns: readonly TableColumn[]): AsyncGenerator<Window> {
  let held: MotionSource = sourceOf(columns, new BigInt64Array(0), []);
  let from = 0;
  for await (const batch of table.read([TIME_COLUMN.name, ...columns.map(({ name }) => name)])) {
    held = withBatch(held, columns, batch);
    const to = rowsComputable(held.timestampsNs);
    if (to <= from) continue;
    yield { source: held, from, to };
    const keep = rowsToKeep(held.timestampsNs, to);
    held = sourceOf(
      columns,
      held.timestampsNs.slice(keep),
      columns.map(({ name }) => part(held.columns.get(name)!.column, keep, held.timestampsNs.length)),
    );
    from = to - keep;
  }
  const to = held.timestampsNs.length;
  if (to > from) yield { source: held, from, to };
}

function withBatch(held: MotionSource, columns: readonly TableColumn[], batch: TableRows): MotionSource {
  const before = {
    rowCount: held.timestampsNs.length,
    columns: [{ values: held.timestampsNs }, ...columns.map(({ name }) => held.columns.get(name)!.column)],
  };
  return sourceOf(
    columns,
    timesOf([before, batch], 0),
    columns.map((_, index) => numbersOf([before, batch], index + 1)),
  );
}

function sourceOf(
  columns: readonly TableColumn[],
  timestampsNs: BigInt64Array,
  values: readonly NullableColumn[],
): MotionSource {
  const none = { values: new Float64Array(0), validity: new Uint8Array(0) };
  return {
    timestampsNs,
    columns: new Map(columns.map(({ name }, index) => [name, { column: values[index] ?? none }])),
  };
}

function part({ values, validity }: NullableColumn, from: number, to: number): NullableColumn {
  return { values: values.subarray(from, to), validity: validity.subarray(from, to) };
}

const SUN_SOURCE = 'position of the vehicle and UTC time';
const SUN_COLUMNS: readonly TableColumn[] = [
  { name: 'sun.elevation', type: 'float64', unit: '°', source: SUN_SOURCE },
  {
    name: 'sun.azimuth',
    type: 'float64',
    unit: '°',
    description: 'clockwise from north',
    source: SUN_SOURCE,
  },
  {
    name: 'sun.day_phase',
    type: 'string',
    description: 'day, civil, nautical or astronomical twilight, night',
    source: SUN_SOURCE,
  },
];

function sunColumns(
  source: MotionSource,
  from: number,
  to: number,
  sunPosition: SunPosition,
): readonly { readonly values: TableValues; readonly validity: Uint8Array }[] {
  const latitude = source.columns.get(LATITUDE)?.column;
  const longitude = source.columns.get(LONGITUDE)?.column;
  const elevation = new Float64Array(to - from);
  const azimuth = new Float64Array(to - from);
  const validity = new Uint8Array(to - from);
  const phases: string[] = new Array(to - from).fill('');
  for (let row = from; row < to; row++) {
    if (latitude?.validity[row] !== 1 || longitude?.validity[row] !== 1) continue;
    const time = new Date(Number(source.timestampsNs[row]! / 1_000_000n));
    const sun = sunPosition(time, latitude.values[row]!, longitude.values[row]!);
    elevation[row - from] = sun.elevationDegrees;
    azimuth[row - from] = sun.azimuthDegrees;
    phases[row - from] = dayPhaseOf(sun.elevationDegrees);
    validity[row - from] = 1;
  }
  return [
    { values: elevation, validity },
    { values: azimuth, validity },
    { values: textValues(phases), validity },
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
