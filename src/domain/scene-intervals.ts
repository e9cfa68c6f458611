/** The columns of one measurement on its timeline. `undefined` where the measurement does not have one. */
export interface SceneInput {
  readonly timestampsNs: BigInt64Array;
  /** Metres per second, not negative. */
  readonly speed: NullableColumn | undefined;
  /** Metres per second squared along the vehicle, positive when speeding up. */
  readonly acceleration: NullableColumn | undefined;
  /** Radians per second, positive to the left. */
  readonly yawRate: NullableColumn | undefined;
}

export interface NullableColumn {
  readonly values: Float64Array;
  readonly validity: Uint8Array;
}

export type SceneColumn = 'speed' | 'acceleration' | 'yawRate';

export interface SceneCondition {
  /** What tells this condition from the rule's others. */
  readonly side?: 'left' | 'right';
  holds(input: SceneInput, row: number): boolean;
  /** The column the interval is measured by. */
  readonly measured: SceneColumn;
  readonly durationNsMin: bigint;
  readonly gapNsMax: bigint;
}

/** Rows that belong together, from the first to the last that meets a condition, and what they come to. */
export interface Interval {
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  /** Of the measured column, where it is known. */
  readonly minimum: number;
  /** Of the measured column over time in seconds; where it is not known it adds nothing. */
  readonly integral: number;
  /** Share of the rows in which the measured column is known. */
  readonly shareKnown: number;
  /** Metres per second in the first row, where it is known. */
  readonly speedAtStart: number | undefined;
}

interface Sums {
  readonly minimum: number;
  readonly integral: number;
  readonly rowsKnown: number;
  readonly rows: number;
}

interface OpenInterval {
  readonly startTimeNs: bigint;
  readonly speedAtStart: number | undefined;
  /** The last row that met the condition, and the sums up to it. */
  endTimeNs: bigint;
  ended: Sums;
  /** The sums up to the last row seen: they count when the condition is met again in time. */
  soFar: Sums;
}

/**
 * Finds the intervals of a condition, row by row: bridged over gaps of at most `gapNsMax`, kept when at least
 * `durationNsMin` long. Neighbouring rows belong together whatever the timeline's period, but not over a pause of the
 * recorder.
 */
export class IntervalWatch {
  readonly condition: SceneCondition;
  readonly #neighbourNsMax: bigint;
  #open: OpenInterval | undefined;
  /** Of the row before: its time, the measured value where it is known, and whether it met the condition. */
  #previous: { timeNs: bigint; value: number | undefined; held: boolean } | undefined;

  constructor(condition: SceneCondition, shortestStepNs: bigint) {
    this.condition = condition;
    this.#neighbourNsMax = 2n * shortestStepNs;
  }

  /** @returns the interval that is known to be over with this row. */
  look(input: SceneInput, row: number): Interval | undefined {
    const timeNs = input.timestampsNs[row]!;
    const column = input[this.condition.measured];
    const value = column?.validity[row] === 1 ? column.values[row]! : undefined;
    const held = this.condition.holds(input, row);
    const ended = this.#open === undefined ? undefined : this.#extend(this.#open, timeNs, value, held);
    if (held && this.#open === undefined) {
      const first = sumsOf(value);
      const speedAtStart = input.speed?.validity[row] === 1 ? input.speed.values[row]! : undefined;
      this.#open = { startTimeNs: timeNs, speedAtStart, endTimeNs: timeNs, ended: first, soFar: first };
    }
    this.#previous = { timeNs, value, held };
    return ended;
  }

  /** @returns the interval that was open when the table ended. */
  end(): Interval | undefined {
    const open = this.#open;
    this.#open = undefined;
    return open === undefined ? undefined : this.#closed(open);
  }

  #extend(
    open: OpenInterval,
    timeNs: bigint,
    value: number | undefined,
    held: boolean,
  ): Interval | undefined {
    const previous = this.#previous!;
    const { gapNsMax } = this.condition;
    const isNeighbour = previous.held && this.#neighbourNsMax > gapNsMax;
    const isBeyond = timeNs - open.endTimeNs > (isNeighbour ? this.#neighbourNsMax : gapNsMax);
    if (isBeyond) {
      this.#open = undefined;
      return this.#closed(open);
    }
    open.soFar = withRow(open.soFar, previous, timeNs, value);
    if (held) {
      open.endTimeNs = timeNs;
      open.ended = open.soFar;
    }
    return undefined;
  }

  #closed({ startTimeNs, endTimeNs, speedAtStart, ended }: OpenInterval): Interval | undefined {
    if (endTimeNs - startTimeNs < this.condition.durationNsMin) return undefined;
    const { minimum, integral, rowsKnown, rows } = ended;
    return { startTimeNs, endTimeNs, minimum, integral, shareKnown: rowsKnown / rows, speedAtStart };
  }
}

function sumsOf(value: number | undefined): Sums {
  return {
    minimum: value ?? Number.POSITIVE_INFINITY,
    integral: 0,
    rowsKnown: value === undefined ? 0 : 1,
    rows: 1,
  };
}

function withRow(
  sums: Sums,
  previous: { readonly timeNs: bigint; readonly value: number | undefined },
  timeNs: bigint,
  value: number | undefined,
): Sums {
  const step = previous.value === undefined ? 0 : (previous.value * Number(timeNs - previous.timeNs)) / 1e9;
  return {
    minimum: value !== undefined && value < sums.minimum ? value : sums.minimum,
    integral: sums.integral + step,
    rowsKnown: sums.rowsKnown + (value === undefined ? 0 : 1),
    rows: sums.rows + 1,
  };
}
