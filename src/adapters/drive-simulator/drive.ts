/**
 * A small drive whose every moment is known: what the sensors see is computed from it, so that what the stages
 * find can be compared with what happened. Pure: the same seed is the same drive.
 */

/** State of the vehicle at one time. Plane coordinates: x east, y north, metres from the start. */
export interface VehicleState {
  /** Seconds since the start. */
  readonly t: number;
  readonly xMetres: number;
  readonly yMetres: number;
  /** Radians, counter-clockwise from east. */
  readonly heading: number;
  readonly speedMetresPerSecond: number;
  /** Along the vehicle. */
  readonly accelerationMetresPerSecond2: number;
  /** Positive to the left. */
  readonly yawRateRadiansPerSecond: number;
}

/** Part of a drive with constant acceleration and yaw rate. */
export interface Manoeuvre {
  readonly durationSeconds: number;
  readonly accelerationMetresPerSecond2: number;
  readonly yawRateRadiansPerSecond: number;
}

export interface KnownScene {
  readonly type: 'standstill' | 'hard-braking' | 'turn';
  readonly startSeconds: number;
  readonly endSeconds: number;
}

export interface Drive {
  readonly manoeuvres: readonly Manoeuvre[];
  readonly durationSeconds: number;
  readonly scenes: readonly KnownScene[];
}

const QUARTER_TURN = Math.PI / 2;
const still = (durationSeconds: number): Manoeuvre => ({
  durationSeconds,
  accelerationMetresPerSecond2: 0,
  yawRateRadiansPerSecond: 0,
});
const straight = (durationSeconds: number, accelerationMetresPerSecond2: number): Manoeuvre => ({
  durationSeconds,
  accelerationMetresPerSecond2,
  yawRateRadiansPerSecond: 0,
});
const turn = (durationSeconds: number, angle: number): Manoeuvre => ({
  durationSeconds,
  accelerationMetresPerSecond2: 0,
  yawRateRadiansPerSecond: angle / durationSeconds,
});

/**
 * 42 s: stands for 6 s, pulls away to 10 m/s, turns left, goes on to 16 m/s, brakes hard (-5 m/s²) to a stop and
 * stands again.
 */
export const DEMO_DRIVE: Drive = {
  manoeuvres: [
    still(6),
    straight(5, 2),
    straight(4, 0),
    turn(6, QUARTER_TURN),
    straight(4, 1.5),
    straight(6, 0),
    straight(3.2, -5),
    still(7.8),
  ],
  durationSeconds: 42,
  scenes: [
    { type: 'standstill', startSeconds: 0, endSeconds: 6 },
    { type: 'turn', startSeconds: 15, endSeconds: 21 },
    { type: 'hard-braking', startSeconds: 31, endSeconds: 34.2 },
    { type: 'standstill', startSeconds: 34.2, endSeconds: 42 },
  ],
};

/** Integration step; small against every sensor's period. */
const STEP_SECONDS = 0.001;

/** The states of a drive at the given times (seconds, ascending). */
export function statesAt(drive: Drive, times: readonly number[]): VehicleState[] {
  const states: VehicleState[] = [];
  let [x, y, heading, speed] = [0, 0, 0, 0];
  let step = 0;
  for (const wanted of times) {
    while (step * STEP_SECONDS < wanted - STEP_SECONDS / 2) {
      const manoeuvre = manoeuvreAt(drive, step * STEP_SECONDS);
      x += speed * Math.cos(heading) * STEP_SECONDS;
      y += speed * Math.sin(heading) * STEP_SECONDS;
      heading += manoeuvre.yawRateRadiansPerSecond * STEP_SECONDS;
      speed = Math.max(0, speed + manoeuvre.accelerationMetresPerSecond2 * STEP_SECONDS);
      step += 1;
    }
    const now = manoeuvreAt(drive, wanted);
    states.push({
      t: wanted,
      xMetres: x,
      yMetres: y,
      heading,
      speedMetresPerSecond: speed,
      accelerationMetresPerSecond2: now.accelerationMetresPerSecond2,
      yawRateRadiansPerSecond: now.yawRateRadiansPerSecond,
    });
  }
  return states;
}

function manoeuvreAt(drive: Drive, t: number): Manoeuvre {
  let end = 0;
  for (const manoeuvre of drive.manoeuvres) {
    end += manoeuvre.durationSeconds;
    if (t < end) return manoeuvre;
  }
  return drive.manoeuvres.at(-1) ?? still(0);
}

/** Where the drive begins: Unter den Linden, Berlin. */
const ORIGIN = { latitudeDegrees: 52.5170365, longitudeDegrees: 13.3888599 };
/** Mean radius of the WGS 84 ellipsoid at this latitude is within 0.1 % of this. */
const EARTH_RADIUS_METRES = 6_371_008.8;

/** WGS 84 position of a state (equirectangular around the start: exact to millimetres over a kilometre). */
export function positionOf(state: VehicleState): { latitudeDegrees: number; longitudeDegrees: number } {
  const degrees = 180 / Math.PI;
  const latitudeRadians = ORIGIN.latitudeDegrees / degrees;
  return {
    latitudeDegrees: ORIGIN.latitudeDegrees + (state.yMetres / EARTH_RADIUS_METRES) * degrees,
    longitudeDegrees:
      ORIGIN.longitudeDegrees + (state.xMetres / (EARTH_RADIUS_METRES * Math.cos(latitudeRadians))) * degrees,
  };
}

/** A repeatable stream of numbers in [0, 1) (mulberry32). */
export function seededNoise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
