import assert from 'node:assert/strict';
import { DEMO_DRIVE, positionOf, statesAt } from '#adapters/drive-simulator/drive.ts';
import type { NullableColumn } from '#domain/scene-rules.ts';
import { accelerationOf, type MotionSource, speedOf, yawRateOf } from '#domain/vehicle-motion.ts';

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
    const speed = { ...columnOf(speeds), source: 'test' };
    speed.validity.fill(0, 400, 420);
    const acceleration = accelerationOf(sourceOf({}), speed);
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
});
