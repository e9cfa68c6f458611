import type { NullableColumn } from './scene-intervals.ts';
import { LATITUDE, LONGITUDE } from './table-columns.ts';

/**
 * What the vehicle did, from whatever the synchronized table has. The best source wins and is named. Which one that is
 * is decided once for the whole table (`speedSources`, `SpeedChoice`); what it says is computed window by window, where
 * the rows inside a margin only serve their neighbours (`rowsToKeep`, `rowsComputable`).
 */

export interface MotionSource {
  /** Columns of the synchronized table with their units, by name. */
  readonly columns: ReadonlyMap<string, { readonly column: NullableColumn; readonly unit?: string }>;
  /** Ascending. */
  readonly timestampsNs: BigInt64Array;
}

/** A way to know a quantity: from which columns, and how in a window of rows. */
export interface MotionQuantity {
  readonly source: string;
  /** Columns of the table it is computed from. */
  readonly needs: readonly string[];
  of(window: MotionSource): NullableColumn;
}

/** Names of the table's columns with their units. */
export type ColumnUnits = ReadonlyMap<string, string | undefined>;

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

/** Whatever may say the speed in m/s, not negative, the best first; and the way between positions, to judge them by. */
function speedSources(columns: ColumnUnits): {
  readonly candidates: readonly MotionQuantity[];
  readonly reference: MotionQuantity | undefined;
} {
  return {
    candidates: [...speedSignals(columns), ...wheelSpeedMean(columns), ...speedsFromVelocities(columns)],
    reference: speedFromPositions(columns),
  };
}

/** Rows in which both must be known for a comparison to say anything. */
const COMPARED_ROWS_MIN = 20;
/** Of a longer table, rows at equal distances are compared: as many as 40 minutes have at 20 Hz. */
const COMPARED_ROWS_MAX = 50_000;

/**
 * Which speed to believe. One that is named so is taken only if it goes with the way between positions, where there
 * are any: names and databases err, and a wrong speed makes scenes that never were.
 */
export class SpeedChoice {
  readonly #candidates: readonly MotionQuantity[];
  readonly #reference: MotionQuantity | undefined;
  readonly #everyNth: number;
  readonly #compared: { readonly deviations: number[]; readonly references: number[] }[];
  #rowsSeen = 0;

  /** @param rowCount of the whole table. */
  constructor(columns: ColumnUnits, rowCount: number) {
    const { candidates, reference } = speedSources(columns);
    this.#candidates = candidates;
    this.#reference = reference;
    this.#everyNth = Math.max(1, Math.ceil(rowCount / COMPARED_ROWS_MAX));
    this.#compared = candidates.map(() => ({ deviations: [], references: [] }));
  }

  /** Columns to look at before the choice; none where there is nothing to choose. */
  get needs(): readonly string[] {
    if (this.#reference === undefined || this.#candidates.length === 0) return [];
    return [...new Set([...this.#reference.needs, ...this.#candidates.flatMap(({ needs }) => needs)])];
  }

  /** Looks at the rows from `from` to before `to` of a window; every row of the table once, in order. */
  look(window: MotionSource, from: number, to: number): void {
    const reference = this.#reference?.of(window);
    if (reference === undefined) return;
    const speeds = this.#candidates.map((candidate) => candidate.of(window));
    for (let row = from; row < to; row++) {
      if (this.#rowsSeen++ % this.#everyNth !== 0 || reference.validity[row] !== 1) continue;
      for (const [index, { values, validity }] of speeds.entries()) {
        if (validity[row] !== 1) continue;
        this.#compared[index]!.deviations.push(Math.abs(values[row]! - reference.values[row]!));
        this.#compared[index]!.references.push(reference.values[row]!);
      }
    }
  }

  chosen(): MotionQuantity | undefined {
    const believed = this.#compared.findIndex(
      ({ deviations, references }) =>
        deviations.length < COMPARED_ROWS_MIN || median(deviations) <= Math.max(1, 0.1 * median(references)),
    );
    return believed < 0 ? this.#reference : this.#candidates[believed];
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function speedSignals(columns: ColumnUnits): readonly MotionQuantity[] {
  return (
    [...columns]
      .filter(([name, unit]) => isSpeedName(name) && (unit === undefined || unit in SPEED_UNITS))
      // A unit that says m/s or km/h is worth more than a name alone.
      .toSorted(([, a], [, b]) => Number(b !== undefined) - Number(a !== undefined))
      .map(([name, unit]) => {
        const factor = unit === undefined ? 1 : SPEED_UNITS[unit]!;
        return {
          source: `${name}${unit === undefined ? '' : ` in ${unit}`}`,
          needs: [name],
          of: (window) => mapped(columnOf(window, name), (value) => Math.abs(value) * factor),
        };
      })
  );
}

function isSpeedName(name: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return SPEED_NAMES.has(last.replaceAll('_', '').toLowerCase());
}

function wheelSpeedMean(columns: ColumnUnits): readonly MotionQuantity[] {
  const wheels = [...columns].flatMap(([name, unit]) => {
    const factor = unit === undefined ? undefined : SPEED_UNITS[unit];
    return WHEEL_SPEED_NAME.test(name) && factor !== undefined ? [{ name, factor }] : [];
  });
  if (wheels.length < 2) return [];
  const needs = wheels.map(({ name }) => name);
  const of = (window: MotionSource): NullableColumn => {
    const length = window.timestampsNs.length;
    const [values, validity] = [new Float64Array(length), new Uint8Array(length)];
    const turning = wheels.map(({ name, factor }) => ({ ...columnOf(window, name), factor }));
    for (let row = 0; row < length; row++) {
      if (!turning.every((wheel) => wheel.validity[row] === 1)) continue;
      const sum = turning.reduce((total, wheel) => total + wheel.values[row]! * wheel.factor, 0);
      values[row] = sum / turning.length;
      validity[row] = 1;
    }
    return { values, validity };
  };
  return [{ source: `mean of ${needs.join(', ')}`, needs, of }];
}

/** Length of the horizontal velocity of each twist. */
function speedsFromVelocities(columns: ColumnUnits): readonly MotionQuantity[] {
  return [...columns.keys()]
    .filter((name) => TWIST_X.test(name))
    .map((x) => {
      const y = `${x.slice(0, -1)}y`;
      const needs = columns.has(y) ? [x, y] : [x];
      const of = (window: MotionSource): NullableColumn => {
        const along = columnOf(window, x);
        const across = columns.has(y) ? columnOf(window, y) : undefined;
        const values = along.values.map((value, row) =>
          Math.hypot(value, across?.validity[row] === 1 ? across.values[row]! : 0),
        );
        return { values, validity: along.validity };
      };
      return { source: `length of ${needs.join(', ')}`, needs, of };
    });
}

function columnOf(window: MotionSource, name: string): NullableColumn {
  const found = window.columns.get(name);
  if (found === undefined) throw new Error(`the window has no column ${name}`);
  return found.column;
}

const EARTH_RADIUS_METRES = 6_371_008.8;
/** Positions this far apart give a speed that GNSS noise of decimetres does not drown. */
const POSITION_BASE_NS = 1_000_000_000n;

function speedFromPositions(columns: ColumnUnits): MotionQuantity | undefined {
  if (!columns.has(LATITUDE) || !columns.has(LONGITUDE)) return undefined;
  return {
    source: 'way between positions 1 s apart',
    needs: [LATITUDE, LONGITUDE],
    of: (window) => speedBetweenPositions(window, columnOf(window, LATITUDE), columnOf(window, LONGITUDE)),
  };
}

function speedBetweenPositions(
  { timestampsNs }: MotionSource,
  latitude: NullableColumn,
  longitude: NullableColumn,
): NullableColumn {
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
  return overBase(timestampsNs, both, POSITION_BASE_NS, speedBetween);
}

/** Slopes shorter than this are noise of the sensor, longer ones smear the manoeuvre. */
const ACCELERATION_BASE_NS = 500_000_000n;

/** Metres per second squared along the vehicle, from the speed. */
export function accelerationFrom(speed: MotionQuantity): MotionQuantity {
  return {
    source: `slope over 0.5 s of the speed (${speed.source})`,
    needs: speed.needs,
    of: (window) => {
      const { values, validity } = speed.of(window);
      const slope = (before: number, after: number, seconds: number) =>
        (values[after]! - values[before]!) / seconds;
      return overBase(window.timestampsNs, validity, ACCELERATION_BASE_NS, slope);
    },
  };
}

/** A sensor at rest measures gravity against its direction: +9.8 where its z axis points up, -9.8 where down. */
const UPSIDE_DOWN_BELOW = -5;

const DEGREES_PER_SECOND = new Set(['deg/s', '°/s', 'deg/sec', '°/sec', 'dps']);

/**
 * Radians per second, positive to the left (REP 103); turned round where the sensor's z axis points down, which the
 * mean of its vertical acceleration tells.
 */
export class YawRateChoice {
  readonly #name: string | undefined;
  readonly #unit: string | undefined;
  readonly #vertical: string | undefined;
  #sum = 0;
  #count = 0;

  constructor(columns: ColumnUnits) {
    this.#name = [...columns.keys()].find((candidate) =>
      /(^|\.)(angular_velocity\.z|yaw_?rate)$/i.test(candidate),
    );
    if (this.#name === undefined) return;
    this.#unit = columns.get(this.#name);
    const vertical = this.#name.replace('angular_velocity.z', 'linear_acceleration.z');
    if (vertical !== this.#name && columns.has(vertical)) this.#vertical = vertical;
  }

  /** Columns to look at before the choice. */
  get needs(): readonly string[] {
    return this.#vertical === undefined ? [] : [this.#vertical];
  }

  /** Looks at the rows from `from` to before `to` of a window; every row of the table once, in order. */
  look(window: MotionSource, from: number, to: number): void {
    if (this.#vertical === undefined) return;
    const { values, validity } = columnOf(window, this.#vertical);
    for (let row = from; row < to; row++) {
      if (validity[row] !== 1) continue;
      this.#sum += values[row]!;
      this.#count += 1;
    }
  }

  chosen(): MotionQuantity | undefined {
    const name = this.#name;
    if (name === undefined) return undefined;
    const isUpsideDown = this.#count > 0 && this.#sum / this.#count < UPSIDE_DOWN_BELOW;
    const factor = this.#unit !== undefined && DEGREES_PER_SECOND.has(this.#unit) ? Math.PI / 180 : 1;
    return {
      source: isUpsideDown ? `${name}, turned round: its z axis points down` : name,
      needs: [name],
      of: (window) => mapped(columnOf(window, name), (value) => value * (isUpsideDown ? -factor : factor)),
    };
  }
}

/** The row before a time that a slope would use, else the first. */
function rowBefore(timestampsNs: BigInt64Array, row: number, distanceNs: bigint): number {
  let before = row;
  while (before > 0 && timestampsNs[before]! > timestampsNs[row]! - distanceNs) before -= 1;
  return before;
}

/** From which row on a window must be kept, so that rows from `row` on can be computed in it. */
export function rowsToKeep(timestampsNs: BigInt64Array, row: number): number {
  if (row >= timestampsNs.length) return timestampsNs.length === 0 ? 0 : rowsToKeep(timestampsNs, row - 1);
  const slope = rowBefore(timestampsNs, row, ACCELERATION_BASE_NS / 2n);
  return rowBefore(timestampsNs, slope, POSITION_BASE_NS / 2n);
}

/** How many rows of a window can be computed although the table goes on behind it. */
export function rowsComputable(timestampsNs: BigInt64Array): number {
  const needed = timestampsNs.length - 1;
  const slope = needed < 0 ? -1 : lastRowWith(timestampsNs, needed, POSITION_BASE_NS / 2n);
  return slope < 0 ? 0 : lastRowWith(timestampsNs, slope, ACCELERATION_BASE_NS / 2n) + 1;
}

/** The last row that lies at least so much before another; -1 for none. */
function lastRowWith(timestampsNs: BigInt64Array, other: number, distanceNs: bigint): number {
  let row = other;
  while (row >= 0 && timestampsNs[row]! > timestampsNs[other]! - distanceNs) row -= 1;
  return row;
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
