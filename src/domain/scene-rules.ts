/**
 * Rules that find scenes in the enriched table. Pure: columns in, intervals out. A rule that changes its meaning
 * gets a new version; what it needs and what it saw are part of what it says.
 */

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

export interface DetectedScene {
  readonly type: string;
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  /** Share of the interval in which the rule's inputs were known, lowered where a threshold was only just met. */
  readonly confidence: number;
  readonly rule: { readonly name: string; readonly version: string };
  readonly evidence: Readonly<Record<string, number | string>>;
}

export interface SceneRule {
  readonly name: string;
  readonly version: string;
  readonly needs: readonly ('speed' | 'acceleration' | 'yawRate')[];
  detect(input: SceneInput): readonly DetectedScene[];
}

const SECOND_NS = 1_000_000_000n;

/**
 * Longitudinal acceleration of -3.0 m/s² or less for at least 0.3 s while moving: the value used for passenger
 * cars and trucks alike in naturalistic driving studies (UDRIVE; SWOV 2018).
 */
export const HARD_BRAKING: SceneRule = {
  name: 'hard-braking',
  version: '1.0.0',
  needs: ['acceleration'],
  detect(input) {
    const { acceleration, speed } = input;
    if (acceleration === undefined) return [];
    const braking = (index: number) =>
      known(acceleration, index) &&
      acceleration.values[index]! <= -3 &&
      !(known(speed, index) && speed!.values[index]! < 0.3);
    return intervals(input.timestampsNs, braking, {
      durationNsMin: (3n * SECOND_NS) / 10n,
      gapNsMax: SECOND_NS / 5n,
    }).map(({ start, end }) => {
      const strongest = minimum(acceleration, start, end);
      return sceneOf(HARD_BRAKING, input, start, end, Math.min(1, 0.5 + (-strongest - 3) / 2), {
        strongestDecelerationMetresPerSecond2: -strongest,
        thresholdMetresPerSecond2: 3,
        ...(known(speed, start) ? { speedAtStartMetresPerSecond: speed!.values[start]! } : {}),
      });
    });
  },
};

/** Slower than 0.1 m/s for at least 2 s; gaps of up to 0.5 s (sensor noise) do not end it. */
export const STANDSTILL: SceneRule = {
  name: 'standstill',
  version: '1.0.0',
  needs: ['speed'],
  detect(input) {
    const { speed } = input;
    if (speed === undefined) return [];
    const standing = (index: number) => known(speed, index) && speed.values[index]! < 0.1;
    return intervals(input.timestampsNs, standing, {
      durationNsMin: 2n * SECOND_NS,
      gapNsMax: SECOND_NS / 2n,
    }).map(({ start, end }) =>
      sceneOf(STANDSTILL, input, start, end, shareKnown(speed, start, end), {
        durationSeconds: Number(input.timestampsNs[end]! - input.timestampsNs[start]!) / 1e9,
        thresholdMetresPerSecond: 0.1,
      }),
    );
  },
};

/** A yaw rate above 0.1 rad/s to one side that turns the vehicle by at least 60°. */
export const TURN: SceneRule = {
  name: 'turn',
  version: '1.0.0',
  needs: ['yawRate'],
  detect(input) {
    const { yawRate } = input;
    if (yawRate === undefined) return [];
    return [1, -1].flatMap((side) => {
      const turning = (index: number) => known(yawRate, index) && yawRate.values[index]! * side > 0.1;
      return intervals(input.timestampsNs, turning, {
        durationNsMin: SECOND_NS,
        gapNsMax: SECOND_NS / 2n,
      }).flatMap(({ start, end }) => {
        const angle = integral(input.timestampsNs, yawRate, start, end);
        const degrees = (Math.abs(angle) * 180) / Math.PI;
        if (degrees < 60) return [];
        return [
          sceneOf(
            TURN,
            input,
            start,
            end,
            Math.min(1, 0.6 + (degrees - 60) / 60) * shareKnown(yawRate, start, end),
            {
              angleDegrees: degrees,
              side: side > 0 ? 'left' : 'right',
            },
          ),
        ];
      });
    });
  },
};

export const SCENE_RULES: readonly SceneRule[] = [HARD_BRAKING, STANDSTILL, TURN];

/** All scenes of all rules, in order of time. */
export function detectScenes(
  input: SceneInput,
  rules: readonly SceneRule[] = SCENE_RULES,
): readonly DetectedScene[] {
  return rules
    .flatMap((rule) => rule.detect(input))
    .toSorted((a, b) =>
      a.startTimeNs < b.startTimeNs ? -1 : a.startTimeNs > b.startTimeNs ? 1 : a.type.localeCompare(b.type),
    );
}

/**
 * Runs of rows for which `holds` is true: bridged over gaps of at most `gapNsMax`, kept when at least
 * `durationNsMin` long. Neighbouring rows belong together whatever the timeline's period, but not over a pause of the
 * recorder. Row numbers, both inclusive.
 */
export function intervals(
  timestampsNs: BigInt64Array,
  holds: (index: number) => boolean,
  limits: { readonly durationNsMin: bigint; readonly gapNsMax: bigint },
): readonly { readonly start: number; readonly end: number }[] {
  const runs: { start: number; end: number }[] = [];
  const neighbourNsMax = 2n * shortestStep(timestampsNs);
  for (let index = 0; index < timestampsNs.length; index++) {
    if (!holds(index)) continue;
    const last = runs.at(-1);
    if (
      last !== undefined &&
      timestampsNs[index]! - timestampsNs[last.end]! <=
        (index === last.end + 1 ? larger(limits.gapNsMax, neighbourNsMax) : limits.gapNsMax)
    ) {
      last.end = index;
    } else {
      runs.push({ start: index, end: index });
    }
  }
  return runs.filter(({ start, end }) => timestampsNs[end]! - timestampsNs[start]! >= limits.durationNsMin);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The period of a timeline with pauses. */
function shortestStep(timestampsNs: BigInt64Array): bigint {
  let shortest: bigint | undefined;
  for (let index = 1; index < timestampsNs.length; index++) {
    const step = timestampsNs[index]! - timestampsNs[index - 1]!;
    if (step > 0n && (shortest === undefined || step < shortest)) shortest = step;
  }
  return shortest ?? 0n;
}

function sceneOf(
  rule: SceneRule,
  input: SceneInput,
  start: number,
  end: number,
  confidence: number,
  evidence: DetectedScene['evidence'],
): DetectedScene {
  return {
    type: rule.name,
    startTimeNs: input.timestampsNs[start]!,
    endTimeNs: input.timestampsNs[end]!,
    confidence: Math.max(0, Math.min(1, Math.round(confidence * 1000) / 1000)),
    rule: { name: rule.name, version: rule.version },
    evidence,
  };
}

function known(column: NullableColumn | undefined, index: number): boolean {
  return column !== undefined && column.validity[index] === 1;
}

function shareKnown(column: NullableColumn, start: number, end: number): number {
  let count = 0;
  for (let index = start; index <= end; index++) count += column.validity[index]!;
  return count / (end - start + 1);
}

function minimum(column: NullableColumn, start: number, end: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let index = start; index <= end; index++) {
    if (column.validity[index] === 1 && column.values[index]! < least) least = column.values[index]!;
  }
  return least;
}

function integral(timestampsNs: BigInt64Array, column: NullableColumn, start: number, end: number): number {
  let sum = 0;
  for (let index = start; index < end; index++) {
    if (column.validity[index] === 1)
      sum += (column.values[index]! * Number(timestampsNs[index + 1]! - timestampsNs[index]!)) / 1e9;
  }
  return sum;
}
