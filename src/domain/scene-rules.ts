import {
  type Interval,
  IntervalWatch,
  type NullableColumn,
  type SceneColumn,
  type SceneCondition,
  type SceneInput,
} from './scene-intervals.ts';

/**
 * Rules that find scenes in the enriched table. Pure: rows in order of time in, intervals out. A rule that changes its meaning
 * gets a new version; what it needs and what it saw are part of what it says.
 */

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
  readonly needs: readonly SceneColumn[];
  /** Conditions on single rows; each finds intervals of its own. */
  readonly conditions: readonly SceneCondition[];
  /** What an interval is. Undefined when it is nothing. */
  judge(interval: Interval, condition: SceneCondition): Finding | undefined;
}

interface Finding {
  readonly confidence: number;
  readonly evidence: DetectedScene['evidence'];
}

const SECOND_NS = 1_000_000_000n;

/**
 * Longitudinal acceleration of -3.0 m/s² or less for at least 0.3 s while moving: the value used for passenger
 * cars and trucks alike in naturalistic driving studies (UDRIVE; SWOV 2018).
 */
const HARD_BRAKING: SceneRule = {
  name: 'hard-braking',
  version: '1.0.0',
  needs: ['acceleration'],
  conditions: [
    {
      measured: 'acceleration',
      durationNsMin: (3n * SECOND_NS) / 10n,
      gapNsMax: SECOND_NS / 5n,
      holds: ({ acceleration, speed }, row) =>
        known(acceleration, row) &&
        acceleration!.values[row]! <= -3 &&
        !(known(speed, row) && speed!.values[row]! < 0.3),
    },
  ],
  judge: ({ minimum, speedAtStart }) => ({
    confidence: Math.min(1, 0.5 + (-minimum - 3) / 2),
    evidence: {
      strongestDecelerationMetresPerSecond2: -minimum,
      thresholdMetresPerSecond2: 3,
      ...(speedAtStart === undefined ? {} : { speedAtStartMetresPerSecond: speedAtStart }),
    },
  }),
};

/** Slower than 0.1 m/s for at least 2 s; gaps of up to 0.5 s (sensor noise) do not end it. */
const STANDSTILL: SceneRule = {
  name: 'standstill',
  version: '1.0.0',
  needs: ['speed'],
  conditions: [
    {
      measured: 'speed',
      durationNsMin: 2n * SECOND_NS,
      gapNsMax: SECOND_NS / 2n,
      holds: ({ speed }, row) => known(speed, row) && speed!.values[row]! < 0.1,
    },
  ],
  judge: ({ startTimeNs, endTimeNs, shareKnown }) => ({
    confidence: shareKnown,
    evidence: { durationSeconds: Number(endTimeNs - startTimeNs) / 1e9, thresholdMetresPerSecond: 0.1 },
  }),
};

/** A yaw rate above 0.1 rad/s to one side that turns the vehicle by at least 60°. */
const TURN: SceneRule = {
  name: 'turn',
  version: '1.0.0',
  needs: ['yawRate'],
  conditions: [['left', 1] as const, ['right', -1] as const].map(([side, sign]) => ({
    side,
    measured: 'yawRate',
    durationNsMin: SECOND_NS,
    gapNsMax: SECOND_NS / 2n,
    holds: ({ yawRate }, row) => known(yawRate, row) && yawRate!.values[row]! * sign > 0.1,
  })),
  judge: ({ integral, shareKnown }, { side = 'left' }) => {
    const degrees = (Math.abs(integral) * 180) / Math.PI;
    if (degrees < 60) return undefined;
    return {
      confidence: Math.min(1, 0.6 + (degrees - 60) / 60) * shareKnown,
      evidence: { angleDegrees: degrees, side },
    };
  },
};

export const SCENE_RULES: readonly SceneRule[] = [HARD_BRAKING, STANDSTILL, TURN];

/** The period of a timeline with pauses: its shortest step. Told batch by batch. */
export class TimelinePeriod {
  #previousNs: bigint | undefined;
  #shortestNs: bigint | undefined;

  look(timestampsNs: BigInt64Array): void {
    for (const time of timestampsNs) {
      const step = this.#previousNs === undefined ? 0n : time - this.#previousNs;
      if (step > 0n && (this.#shortestNs === undefined || step < this.#shortestNs)) this.#shortestNs = step;
      this.#previousNs = time;
    }
  }

  /** Nanoseconds; 0 for a timeline without steps. */
  get shortestStepNs(): bigint {
    return this.#shortestNs ?? 0n;
  }
}

/**
 * Applies rules to a table that is told batch by batch, in order of time. Of the rows nothing is kept but, for each
 * condition, what its open interval has come to.
 */
export class SceneSearch {
  readonly #watches: readonly { readonly rule: SceneRule; readonly watch: IntervalWatch }[];
  readonly #scenes: DetectedScene[] = [];

  /** @param shortestStepNs of the whole timeline. */
  constructor(rules: readonly SceneRule[], shortestStepNs: bigint) {
    this.#watches = rules.flatMap((rule) =>
      rule.conditions.map((condition) => ({ rule, watch: new IntervalWatch(condition, shortestStepNs) })),
    );
  }

  /** @param input the next rows; the same columns each time. */
  look(input: SceneInput): void {
    for (const { rule, watch } of this.#watches) {
      if (input[watch.condition.measured] === undefined) continue;
      for (let row = 0; row < input.timestampsNs.length; row++)
        this.#note(rule, watch, watch.look(input, row));
    }
  }

  /** All scenes, in order of time. */
  finish(): readonly DetectedScene[] {
    for (const { rule, watch } of this.#watches) this.#note(rule, watch, watch.end());
    return this.#scenes.toSorted((a, b) =>
      a.startTimeNs < b.startTimeNs ? -1 : a.startTimeNs > b.startTimeNs ? 1 : a.type.localeCompare(b.type),
    );
  }

  #note(rule: SceneRule, watch: IntervalWatch, interval: Interval | undefined): void {
    const finding = interval === undefined ? undefined : rule.judge(interval, watch.condition);
    if (interval === undefined || finding === undefined) return;
    const { name, version } = rule;
    this.#scenes.push({
      type: name,
      startTimeNs: interval.startTimeNs,
      endTimeNs: interval.endTimeNs,
      confidence: Math.max(0, Math.min(1, Math.round(finding.confidence * 1000) / 1000)),
      rule: { name, version },
      evidence: finding.evidence,
    });
  }
}

function known(column: NullableColumn | undefined, row: number): boolean {
  return column !== undefined && column.validity[row] === 1;
}
