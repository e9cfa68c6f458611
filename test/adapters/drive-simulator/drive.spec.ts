import assert from 'node:assert/strict';
import { DEMO_DRIVE, positionOf, statesAt } from '#adapters/drive-simulator/drive.ts';

describe('the demo drive', () => {
  const times = Array.from({ length: 421 }, (_, index) => index / 10);
  const states = statesAt(DEMO_DRIVE, times);

  it('stands, drives, turns a quarter to the left, brakes to a stop and stands again', () => {
    const at = (t: number) => states[Math.round(t * 10)]!;
    assert.equal(at(5.9).speedMetresPerSecond, 0);
    assert.ok(Math.abs(at(14).speedMetresPerSecond - 10) < 0.01);
    assert.ok(Math.abs(at(22).heading - Math.PI / 2) < 0.01);
    assert.ok(Math.abs(at(30).speedMetresPerSecond - 16) < 0.02);
    assert.ok(at(36).speedMetresPerSecond < 0.01);
  });

  it('holds its known scenes: each is true of every state in it', () => {
    for (const scene of DEMO_DRIVE.scenes) {
      const inside = states.filter(
        (state) => state.t > scene.startSeconds + 0.1 && state.t < scene.endSeconds - 0.1,
      );
      assert.ok(inside.length > 20);
      for (const state of inside) {
        if (scene.type === 'standstill') assert.ok(state.speedMetresPerSecond < 0.05, `${state.t}`);
        if (scene.type === 'hard-braking') assert.ok(state.accelerationMetresPerSecond2 <= -3, `${state.t}`);
        if (scene.type === 'turn') assert.ok(state.yawRateRadiansPerSecond > 0.1, `${state.t}`);
      }
    }
  });

  it('moves on the map as far as it drove', () => {
    const [first, last] = [positionOf(states[0]!), positionOf(states.at(-1)!)];
    const northMetres = ((last.latitudeDegrees - first.latitudeDegrees) * Math.PI * 6_371_008.8) / 180;
    assert.ok(Math.abs(northMetres - states.at(-1)!.yMetres) < 0.01);
  });
});
