import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DEMO_DRIVE, statesAt } from '#adapters/drive-simulator/drive.ts';
import type { NullableColumn, SceneColumn, SceneInput } from '#domain/scene-intervals.ts';
import { type DetectedScene, SCENE_RULES, SceneSearch, TimelinePeriod } from '#domain/scene-rules.ts';

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

/** All scenes of a table that is told in one batch. */
function detectScenes(input: SceneInput): readonly DetectedScene[] {
  const period = new TimelinePeriod();
  period.look(input.timestampsNs);
  const search = new SceneSearch(SCENE_RULES, period.shortestStepNs);
  search.look(input);
  return search.finish();
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

  it('are the same whatever the batches, over pauses and holes too', () => {
    const row = fc.record({
      stepMs: fc.oneof(
        { weight: 12, arbitrary: fc.constant(50) },
        { weight: 1, arbitrary: fc.integer({ min: 50, max: 2000 }) },
      ),
      speed: fc.option(fc.constantFrom(0, 0, 0, 0.05, 5), { freq: 9 }),
      acceleration: fc.option(fc.constantFrom(-3.5, -4, -3, -2), { freq: 9 }),
      yawRate: fc.option(fc.constantFrom(0.9, 0.8, 0.9, -0.9), { freq: 9 }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 200 }), fc.integer({ min: 1, max: 60 }), (rows, batchRows) => {
        let ms = 0;
        const timestampsNs = BigInt64Array.from(rows, ({ stepMs }) => {
          ms += stepMs;
          return BigInt(ms) * 1_000_000n;
        });
        const column = (name: SceneColumn): NullableColumn => ({
          values: Float64Array.from(rows, (each) => each[name] ?? 0),
          validity: Uint8Array.from(rows, (each) => (each[name] === null ? 0 : 1)),
        });
        const part = ({ values, validity }: NullableColumn, from: number): NullableColumn => ({
          values: values.subarray(from, from + batchRows),
          validity: validity.subarray(from, from + batchRows),
        });
        const [speed, acceleration, yawRate] = [column('speed'), column('acceleration'), column('yawRate')];
        const period = new TimelinePeriod();
        period.look(timestampsNs);
        const search = new SceneSearch(SCENE_RULES, period.shortestStepNs);
        for (let from = 0; from < rows.length; from += batchRows)
          search.look({
            timestampsNs: timestampsNs.subarray(from, from + batchRows),
            speed: part(speed, from),
            acceleration: part(acceleration, from),
            yawRate: part(yawRate, from),
          });
        assert.deepEqual(search.finish(), detectScenes({ timestampsNs, speed, acceleration, yawRate }));
      }),
    );
  });

  it('measure a scene over its gaps, and not beyond its end', () => {
    const values = [-3.5, -4, 0, -5, -1, -9];
    const acceleration = columnOf(values);
    acceleration.validity[5] = 0;
    const [scene] = detectScenes({
      ...inputOf(6, { acceleration, speed: columnOf([9, 8, 7, 6, 5, 4]) }),
      timestampsNs: BigInt64Array.from([0, 200, 300, 400, 500, 600], (ms) => BigInt(ms) * 1_000_000n),
    });
    assert.deepEqual([scene?.startTimeNs, scene?.endTimeNs], [0n, 400_000_000n]);
    assert.deepEqual(scene?.evidence, {
      strongestDecelerationMetresPerSecond2: 5,
      thresholdMetresPerSecond2: 3,
      speedAtStartMetresPerSecond: 9,
    });
  });
});
