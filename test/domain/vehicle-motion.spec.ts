import assert from 'node:assert/strict';
import { DEMO_DRIVE, positionOf, statesAt } from '#adapters/drive-simulator/drive.ts';
import type { NullableColumn } from '#domain/scene-intervals.ts';
import {
  accelerationFrom,
  type MotionQuantity,
  type MotionSource,
  SpeedChoice,
  YawRateChoice,
} from '#domain/vehicle-motion.ts';

const times = Array.from({ length: 841 }, (_, index) => index * 0.05);
const states = statesAt(DEMO_DRIVE, times);
const timestampsNs = BigInt64Array.from(times, (time) => BigInt(Math.round(time * 1e9)));
const columnOf = (values: readonly number[]): NullableColumn => ({
  values: Float64Array.from(values),
  validity: new Uint8Array(values.length).fill(1),
});
const sourceOf = (
  columns: Readonly<Record<string, { column: NullableColumn; unit?: string }>>,
): MotionSource => ({
  columns: new Map(Object.entries(columns)),
  timestampsNs,
});

type Choice = {
  look(window: MotionSource, from: number, to: number): void;
  chosen(): MotionQuantity | undefined;
};

/** What is chosen for a table in one window, and what it says there. */
function told(choice: Choice, source: MotionSource) {
  choice.look(source, 0, source.timestampsNs.length);
  const quantity = choice.chosen();
  return quantity === undefined ? undefined : { source: quantity.source, ...quantity.of(source) };
}
const unitsOf = (source: MotionSource) =>
  new Map([...source.columns].map(([name, { unit }]) => [name, unit] as const));
const speedOf = (source: MotionSource) =>
  told(new SpeedChoice(unitsOf(source), source.timestampsNs.length), source);
const yawRateOf = (source: MotionSource) => told(new YawRateChoice(unitsOf(source)), source);

describe('the motion of a vehicle', () => {
  const speeds = states.map((state) => state.speedMetresPerSecond);

  it('is read from a speed signal, in its unit', () => {
    const speed = speedOf(
      sourceOf({
        'can.SPEED.VEHICLE_SPEED': { column: columnOf(speeds.map((value) => value * 3.6)), unit: 'km/h' },
      }),
    );
    assert.match(speed!.source, /VEHICLE_SPEED in km\/h/);
    speed!.values.forEach((value, row) => {
      assert.ok(Math.abs(value - speeds[row]!) < 1e-9);
    });
  });

  it('is derived from positions where nothing says the speed', () => {
    const positions = states.map(positionOf);
    const speed = speedOf(
      sourceOf({
        'gnss.latitude': { column: columnOf(positions.map((position) => position.latitudeDegrees)) },
        'gnss.longitude': { column: columnOf(positions.map((position) => position.longitudeDegrees)) },
      }),
    )!;
    const errors = speeds.map((value, row) =>
      speed.validity[row] === 1 ? Math.abs(value - speed.values[row]!) : 0,
    );
    assert.ok(Math.max(...errors) < 1.3, `${Math.max(...errors)}`);
    assert.ok(speed.validity.reduce((sum, valid) => sum + valid, 0) > 800);
  });

  it('has the acceleration of its speed, and none over a hole', () => {
    const speed = columnOf(speeds);
    speed.validity.fill(0, 400, 420);
    const acceleration = accelerationFrom({ source: 'test', needs: [], of: () => speed }).of(sourceOf({}));
    assert.ok(Math.abs(acceleration.values[160]! - 2) < 0.01);
    assert.ok(Math.abs(acceleration.values[650]! + 5) < 0.01);
    assert.equal(acceleration.validity[410], 0);
  });

  it('turns with the rate the IMU saw', () => {
    const yawRate = yawRateOf(
      sourceOf({ 'imu.angular_velocity.z': { column: columnOf([10]), unit: 'deg/s' } }),
    );
    assert.ok(Math.abs(yawRate!.values[0]! - 0.1745) < 1e-3);
  });

  it('is unknown where nothing tells', () => {
    assert.equal(speedOf(sourceOf({ 'imu.linear_acceleration.x': { column: columnOf([1]) } })), undefined);
  });

  it('is not that of a radar’s target, a fan or an engine', () => {
    const other = { column: columnOf(speeds.map(() => 99)), unit: 'm/s' };
    const own = { column: columnOf(speeds), unit: 'm/s' };
    const speed = speedOf(
      sourceOf({
        'can.RADAR.REL_SPEED': other,
        'can.HVAC.FAN_SPEED': other,
        'can.ENGINE.TARGET_SPEED': other,
        'Speed.VehicleSpeed': own,
      }),
    );
    assert.equal(speed?.source, 'Speed.VehicleSpeed in m/s');
  });

  it('is not believed where it contradicts the way between positions', () => {
    const positions = states.map(positionOf);
    const columns = {
      'can.BRAKE.SPEED': { column: columnOf(speeds.map(() => 40)), unit: 'm/s' },
      'gnss.latitude': { column: columnOf(positions.map((position) => position.latitudeDegrees)) },
      'gnss.longitude': { column: columnOf(positions.map((position) => position.longitudeDegrees)) },
    };
    assert.equal(speedOf(sourceOf(columns))?.source, 'way between positions 1 s apart');
    const twist = { ...columns, 'odom.twist.twist.linear.x': { column: columnOf(speeds) } };
    assert.equal(speedOf(sourceOf(twist))?.source, 'length of odom.twist.twist.linear.x');
  });

  it('is the mean of the wheels where nothing says the speed', () => {
    const wheel = (factor: number) => ({
      column: columnOf(speeds.map((value) => value * factor * 3.6)),
      unit: 'km/h',
    });
    const speed = speedOf(
      sourceOf({
        'WheelSpeeds.WheelSpeedFrontLeft': wheel(0.9),
        'WheelSpeeds.WheelSpeedFrontRight': wheel(1.1),
      }),
    );
    assert.ok(Math.abs(speed!.values[300]! - speeds[300]!) < 1e-9);
  });

  it('turns to the left also by an IMU that is mounted upside down', () => {
    const yawRate = yawRateOf(
      sourceOf({
        'imu.angular_velocity.z': { column: columnOf([-0.2, -0.2]), unit: 'rad/s' },
        'imu.linear_acceleration.z': { column: columnOf([-9.8, -9.7]), unit: 'm/s²' },
      }),
    );
    assert.deepEqual([...yawRate!.values], [0.2, 0.2]);
    assert.match(yawRate!.source, /z axis points down/);
  });
});
