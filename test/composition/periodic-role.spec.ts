import assert from 'node:assert/strict';
import sinon from 'sinon';
import { periodicRole } from '#composition/periodic-role.ts';
import type { Role } from '#composition/role.ts';
import { takeTurns } from '#composition/worker.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

describe('a role that does something again and again', () => {
  let role: Role;
  let telemetry: QuietTelemetry;

  beforeEach(() => {
    telemetry = new QuietTelemetry();
  });

  afterEach(async () => {
    await role.stop();
    sinon.restore();
  });

  function turns(count: number, work: (turn: number, signal: AbortSignal) => Promise<void> | void) {
    let turn = 0;
    return new Promise<void>((resolve) => {
      role = periodicRole('sweep', 5, telemetry, async (signal) => {
        turn += 1;
        if (turn === count) resolve();
        await work(turn, signal);
      });
      void role.start();
    });
  }

  it('begins at once and goes on after a failure, which it reports', async () => {
    const complaints = sinon.stub(console, 'error');
    await turns(4, (turn) => {
      if (turn === 1) throw new RetryableFailure('dependency-unavailable', 'Cosmos does not answer');
      if (turn === 2) throw new TypeError('a defect');
    });
    const failed = telemetry.events.filter(({ name }) => name === 'role.turn-failed');
    assert.deepEqual(
      failed.map(({ attributes }) => attributes),
      [
        { role: 'sweep', message: 'Cosmos does not answer' },
        { role: 'sweep', message: 'a defect' },
      ],
    );
    assert.equal(complaints.callCount, 1, 'only a defect leaves its stack in the log');
    assert.ok(complaints.firstCall.args[1] instanceof TypeError);
  });

  it('never does it twice at once', async () => {
    let atOnce = 0;
    let atOnceMax = 0;
    await turns(4, async () => {
      atOnce += 1;
      atOnceMax = Math.max(atOnceMax, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 20));
      atOnce -= 1;
    });
    assert.equal(atOnceMax, 1);
  });

  it('lets what is under way end when it stops, and tells it', async () => {
    let ended = false;
    await turns(1, async (_, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended = true;
    });
    await role.stop();
    assert.ok(ended);
  });

  it('takes one turn for a scheduled job, and says whether it went well', async () => {
    let isBusy = true;
    role = periodicRole('sweep', 5, telemetry, async () => {
      if (isBusy) throw new RetryableFailure('dependency-unavailable', 'Cosmos does not answer');
    });
    assert.equal(await role.turn?.(), false);
    isBusy = false;
    assert.equal(await role.turn?.(), true);
  });

  it('gives each sweep of a job its turn, and refuses a role that only serves', async () => {
    const taken: string[] = [];
    const sweep = (name: string, fails = false) =>
      periodicRole(name, 5, telemetry, async () => {
        taken.push(name);
        if (fails) throw new RetryableFailure('dependency-unavailable', 'Cosmos does not answer');
      });
    role = sweep('unused');
    assert.equal(await takeTurns([sweep('first', true), sweep('second')]), false);
    assert.equal(await takeTurns([sweep('third')]), true);
    assert.deepEqual(taken, ['first', 'second', 'third']);
    const serving: Role = { name: 'saga', start: async () => undefined, stop: async () => undefined };
    await assert.rejects(takeTurns([sweep('fourth'), serving]), /^CommandError: saga cannot be done once/);
    assert.deepEqual(taken.length, 3);
  });
});
