import assert from 'node:assert/strict';
import { DEMO_DRIVE, statesAt } from '#adapters/drive-simulator/drive.ts';
import { detectScenes, type NullableColumn, type SceneInput } from '#domain/scene-rules.ts';

const PERIOD_SECONDS = 0.05;

function columnOf(values: readonly number[]): NullableColumn {
  return { values: Float64Array.from(values), validity: new Uint8Array(values.length).fill(1) };
}

function inputOf(length: number, columns: Partial<Omit<SceneInput, 'timestampsNs'>>): SceneInput {
  return {
    timestampsNs: BigInt64Array.from({ length }, (_, index) =>
      BigInt(Math.round(index * PERIOD_SECONDS * 1e9)),
    ),
    speed: undefined,
    acceleration: undefined,
    yawRate: undefined,
    ...columns,
  };
}

describe('scene rules', () => {
  it('find the known scenes of the demo drive, and nothing else', () => {
    const times = Array.from({ length: 841 }, (_, index) => index * PERIOD_SECONDS);
    const states = statesAt(DEMO_DRIVE, times);
    const scenes = detectScenes(
      inputOf(times.length, {
        speed: columnOf(states.map((state) => state.speedMetresPerSecond)),
        acceleration: columnOf(states.map((state) => state.accelerationMetresPerSecond2)),
        yawRate: columnOf(states.map((state) => state.yawRateRadiansPerSecond)),
      }),
    );
    const byTime = DEMO_DRIVE.scenes.toSorted((a, b) => a.startSeconds - b.startSeconds);
    assert.deepEqual(
      scenes.map((scene) => scene.type),
      byTime.map((scene) => scene.type),
    );
    scenes.forEach((scene, index) => {
      assert.ok(Math.abs(Number(scene.startTimeNs) / 1e9 - byTime[index]!.startSeconds) < 0.3, scene.type);
      assert.ok(Math.abs(Number(scene.endTimeNs) / 1e9 - byTime[index]!.endSeconds) < 0.3, scene.type);
      assert.ok(scene.confidence > 0.5);
    });
  });

  it('do not take a parked car with a noisy accelerometer for braking', () => {
    const noisy = Array.from({ length: 100 }, () => -3.5);
    assert.deepEqual(
      detectScenes(inputOf(100, { speed: columnOf(noisy.map(() => 0)), acceleration: columnOf(noisy) })).map(
        (s) => s.type,
      ),
      ['standstill'],
    );
  });

  it('do not see a standstill where the speed is unknown', () => {
    const unknown: NullableColumn = { values: new Float64Array(100), validity: new Uint8Array(100) };
    assert.deepEqual(detectScenes(inputOf(100, { speed: unknown })), []);
  });

  it('do not see a turn in a lane change: the yaw rate goes one way and then the other', () => {
    const weave = Array.from({ length: 120 }, (_, index) => 0.3 * Math.sin((index / 60) * 2 * Math.PI));
    assert.deepEqual(detectScenes(inputOf(120, { yawRate: columnOf(weave) })), []);
  });

  it('do not join what lies on both sides of a pause of the recorder', () => {
    const still = inputOf(120, { speed: columnOf(Array.from({ length: 120 }, () => 0)) });
    const paused = still.timestampsNs.map((time, index) => (index < 60 ? time : time + 3_600_000_000_000n));
    const scenes = detectScenes({ ...still, timestampsNs: paused });
    assert.deepEqual(
      scenes.map((scene) => scene.type),
      ['standstill', 'standstill'],
    );
    assert.ok(scenes.every((scene) => scene.endTimeNs - scene.startTimeNs < 3_000_000_000n));
  });
});
