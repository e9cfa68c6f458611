import type { NullableColumn } from './scene-rules.ts';

/** What the vehicle did, from whatever the synchronized table has. The best source wins and is named. */

export interface MotionSource {
  /** Columns of the synchronized table with their units, by name. */
  readonly columns: ReadonlyMap<string, { readonly column: NullableColumn; readonly unit?: string }>;
  readonly timestampsNs: BigInt64Array;
}

export interface DerivedColumn extends NullableColumn {
  /** Which columns it comes from, and how. */
  readonly source: string;
}

const KMH = 1 / 3.6;
const MPH = 0.44704;
const SPEED_UNITS: Readonly<Record<string, number>> = {
  'm/s': 1,
  'km/h': KMH,
  kph: KMH,
  'km/hr': KMH,
  kmh: KMH,
  mph: MPH,
};

/**
 * Names that say the vehicle's own speed, without separators: a CAN signal, a reported velocity. Others merely contain
 * the word: `REL_SPEED` is a radar target's, `FAN_SPEED` a fan's.
 */
const SPEED_NAMES = new Set([
  'speed',
  'vehiclespeed',
  'vehspeed',
  'vehspd',
  'egospeed',
  'groundspeed',
  'carspeed',
  'longitudinalvelocity',
]);
const WHEEL_SPEED_NAME = /wheel_?speed/i;
const TWIST_X = /(^|\.)twist(\.twist)?\.linear\.x$|(^|\.)linear\.x$/;

/**
 * Metres per second, not negative. A speed that is named so is taken only if it goes with the way between positions,
 * where there are any: names and databases err, and a wrong speed makes scenes that never were.
 */
export function speedOf(source: MotionSource): DerivedColumn | undefined {
  const reference = speedFromPositions(source);
  const candidates = [...speedSignals(source), ...wheelSpeedMean(source), ...speedsFromVelocities(source)];
  return candidates.find((candidate) => agrees(candidate, reference)) ?? reference;
}

/** Rows in which both must be known for a comparison to say anything. */
const COMPARED_ROWS_MIN = 20;

function agrees(candidate: NullableColumn, reference: NullableColumn | undefined): boolean {
  if (reference === undefined) return true;
  const rows = Array.from(candidate.values.keys()).filter(
    (row) => candidate.validity[row] === 1 && reference.validity[row] === 1,
  );
  if (rows.length < COMPARED_ROWS_MIN) return true;
  const deviation = median(rows.map((row) => Math.abs(candidate.values[row]! - reference.values[row]!)));
  return deviation <= Math.max(1, 0.1 * median(rows.map((row) => reference.values[row]!)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function speedSignals(source: MotionSource): readonly DerivedColumn[] {
  return (
    [...source.columns]
      .filter(([name, { unit }]) => isSpeedName(name) && (unit === undefined || unit in SPEED_UNITS))
      // A unit that says m/s or km/h is worth more than a name alone.
      .toSorted(([, a], [, b]) => Number(b.unit !== undefined) - Number(a.unit !== undefined))
      .map(([name, { column, unit }]) => {
        const factor = unit === undefined ? 1 : SPEED_UNITS[unit]!;
        return {
          ...mapped(column, (value) => Math.abs(value) * factor),
          source: `${name}${unit === undefined ? '' : ` in ${unit}`}`,
        };
      })
  );
}

function isSpeedName(name: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return SPEED_NAMES.has(last.replaceAll('_', '').toLowerCase());
}

function wheelSpeedMean(source: MotionSource): readonly DerivedColumn[] {
  const wheels = [...source.columns].filter(
    ([name, { unit }]) => WHEEL_SPEED_NAME.test(name) && unit !== undefined && unit in SPEED_UNITS,
  );
  if (wheels.length < 2) return [];
  const length = source.timestampsNs.length;
  const [values, validity] = [new Float64Array(length), new Uint8Array(length)];
  for (let row = 0; row < length; row++) {
    const present = wheels.filter(([, { column }]) => column.validity[row] === 1);
    if (present.length < wheels.length) continue;
    const sum = present.reduce(
      (total, [, { column, unit }]) => total + column.values[row]! * SPEED_UNITS[unit!]!,
      0,
    );
    values[row] = sum / present.length;
    validity[row] = 1;
  }
  return [{ values, validity, source: `mean of ${wheels.map(([name]) => name).join(', ')}` }];
}

/** Length of the horizontal velocity of each twist. */
function speedsFromVelocities(source: MotionSource): readonly DerivedColumn[] {
  return [...source.columns]
    .filter(([name]) => TWIST_X.test(name))
    .map(([x, { column: along }]) => {
      const y = `${x.slice(0, -1)}y`;
      const across = source.columns.get(y)?.column;
      const values = along.values.map((value, row) =>
        Math.hypot(value, across?.validity[row] === 1 ? across.values[row]! : 0),
      );
      const parts = across === undefined ? x : `${x}, ${y}`;
      return { values, validity: along.validity, source: `length of ${parts}` };
    });
}

const EARTH_RADIUS_METRES = 6_371_008.8;
/** Positions this far apart give a speed that GNSS noise of decimetres does not drown. */
const POSITION_BASE_NS = 1_000_000_000n;

function speedFromPositions(source: MotionSource): DerivedColumn | undefined {
  const latitude = source.columns.get('gnss.latitude')?.column;
  const longitude = source.columns.get('gnss.longitude')?.column;
  if (latitude === undefined || longitude === undefined) return undefined;
  const radians = Math.PI / 180;
  const speedBetween = (before: number, after: number, seconds: number) => {
    const north = (latitude.values[after]! - latitude.values[before]!) * radians * EARTH_RADIUS_METRES;
    const east =
      (longitude.values[after]! - longitude.values[before]!) *
      radians *
      EARTH_RADIUS_METRES *
      Math.cos(latitude.values[before]! * radians);
    return Math.hypot(north, east) / seconds;
  };
  const both = latitude.validity.map((valid, row) => valid & longitude.validity[row]!);
  return {
    ...overBase(source.timestampsNs, both, POSITION_BASE_NS, speedBetween),
    source: 'way between positions 1 s apart',
  };
}

/** Slopes shorter than this are noise of the sensor, longer ones smear the manoeuvre. */
const ACCELERATION_BASE_NS = 500_000_000n;

/** Metres per second squared along the vehicle, from the speed. */
export function accelerationOf(source: MotionSource, speed: DerivedColumn): DerivedColumn {
  const slope = (before: number, after: number, seconds: number) =>
    (speed.values[after]! - speed.values[before]!) / seconds;
  return {
    ...overBase(source.timestampsNs, speed.validity, ACCELERATION_BASE_NS, slope),
    source: `slope over 0.5 s of the speed (${speed.source})`,
  };
}

/** A sensor at rest measures gravity against its direction: +9.8 where its z axis points up, -9.8 where down. */
const UPSIDE_DOWN_BELOW = -5;

const DEGREES_PER_SECOND = new Set(['deg/s', '°/s', 'deg/sec', '°/sec', 'dps']);

/** Radians per second, positive to the left (REP 103); turned round where the sensor's z axis points down. */
export function yawRateOf(source: MotionSource): DerivedColumn | undefined {
  const name = [...source.columns.keys()].find((candidate) =>
    /(^|\.)(angular_velocity\.z|yaw_?rate)$/i.test(candidate),
  );
  if (name === undefined) return undefined;
  const { column, unit } = source.columns.get(name)!;
  const factor = unit !== undefined && DEGREES_PER_SECOND.has(unit) ? Math.PI / 180 : 1;
  const vertical = source.columns.get(name.replace('angular_velocity.z', 'linear_acceleration.z'));
  const isUpsideDown =
    vertical !== undefined && vertical.column !== column && meanOf(vertical.column) < UPSIDE_DOWN_BELOW;
  return {
    ...mapped(column, (value) => value * (isUpsideDown ? -factor : factor)),
    source: isUpsideDown ? `${name}, turned round: its z axis points down` : name,
  };
}

function meanOf({ values, validity }: NullableColumn): number {
  let [sum, count] = [0, 0];
  values.forEach((value, row) => {
    if (validity[row] !== 1) return;
    sum += value;
    count += 1;
  });
  return count === 0 ? 0 : sum / count;
}

/** A quantity of two rows about `baseNs` apart, half before and half after; null at the ends and over holes. */
function overBase(
  timestampsNs: BigInt64Array,
  validity: Uint8Array,
  baseNs: bigint,
  quantity: (before: number, after: number, seconds: number) => number,
): NullableColumn {
  const length = timestampsNs.length;
  const result = { values: new Float64Array(length), validity: new Uint8Array(length) };
  const half = baseNs / 2n;
  let before = 0;
  let after = 0;
  for (let row = 0; row < length; row++) {
    const time = timestampsNs[row]!;
    while (before < row && timestampsNs[before + 1]! <= time - half) before += 1;
    while (after < length - 1 && timestampsNs[after]! < time + half) after += 1;
    const spanNs = timestampsNs[after]! - timestampsNs[before]!;
    if (spanNs === 0n || spanNs > 2n * baseNs || spanNs < half) continue;
    if (validity[before] !== 1 || validity[after] !== 1 || validity[row] !== 1) continue;
    result.values[row] = quantity(before, after, Number(spanNs) / 1e9);
    result.validity[row] = 1;
  }
  return result;
}

function mapped(column: NullableColumn, change: (value: number) => number): NullableColumn {
  return { values: column.values.map((value) => change(value)), validity: column.validity };
}
