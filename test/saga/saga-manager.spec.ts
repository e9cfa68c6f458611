import assert from 'node:assert/strict';
import { Conflict, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { SagaChange } from '#domain/ports/saga-store.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import { SagaManager } from '#saga/saga-manager.ts';
import { MemorySagaStore } from '#test/simulation/fakes/memory-saga-store.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';
import {
  isStageCommand,
  measurementIdOfRecording,
  messageOf,
  receivedOf,
  recordingOf,
  startedOf,
  succeededOf,
} from '#test/simulation/scripted-stage.ts';
import { NOON } from './given.ts';

type Commit = MemorySagaStore<IngestionState>['commit'];

/** A store whose commits can be told to go wrong, one after the other. */
class TroubledStore extends MemorySagaStore<IngestionState> {
  readonly troubles: ((change: SagaChange<IngestionState>, commit: Commit) => ReturnType<Commit>)[] = [];

  override commit(change: SagaChange<IngestionState>): ReturnType<Commit> {
    const commit: Commit = (given) => super.commit(given);
    const trouble = this.troubles.shift();
    return trouble === undefined ? commit(change) : trouble(change, commit);
  }
}

class ListeningSender implements MessageSender {
  readonly sent: OutgoingMessage[] = [];
  isDown = false;

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    if (this.isDown) throw new RetryableFailure('dependency-unavailable', 'the broker is down');
    this.sent.push(...messages);
  }
}

function arrange() {
  const store = new TroubledStore();
  const sender = new ListeningSender();
  const waits: number[] = [];
  const clock = { now: () => NOON, wait: async (ms: number) => void waits.push(ms) };
  const telemetry = new QuietTelemetry();
  const manager = new SagaManager({ store, sender, clock, telemetry, chance: () => 0.5 });
  const recording = recordingOf();
  return {
    store,
    sender,
    waits,
    telemetry,
    manager,
    measurementId: measurementIdOfRecording(recording),
    received: receivedOf(recording, 'files-1', NOON),
  };
}

const answerIsLost = async (change: SagaChange<IngestionState>, commit: Commit) => {
  await commit(change);
  throw new RetryableFailure('dependency-unavailable', 'the answer was lost');
};
const notApplied = async () => {
  throw new RetryableFailure('dependency-unavailable', 'throttled');
};
const somebodyElseWins = async () => 'conflict' as const;

describe('saga manager', () => {
  it('commits, sends, marks sent, in that order, and reports', async () => {
    const { manager, store, sender, telemetry, measurementId, received } = arrange();
    assert.equal(await manager.handle(received), 'applied');
    assert.deepEqual(
      sender.sent.map((message) => message.envelope.type),
      ['landfall.measurement.validate.v1', 'landfall.stage.expire.v1'],
    );
    assert.deepEqual(await store.pendingOutputs(measurementId), []);
    assert.equal(telemetry.count('measurement changed'), 1);
  });

  it('a redelivered input changes nothing and sends nothing twice', async () => {
    const { manager, store, sender, measurementId, received } = arrange();
    await manager.handle(received);
    assert.equal(await manager.handle(received), 'already-handled');
    assert.equal(sender.sent.length, 2);
    assert.equal(store.records(measurementId).length, 1);
  });

  it('a redelivered input sends what an earlier delivery committed and could not send', async () => {
    const { manager, sender, received } = arrange();
    sender.isDown = true;
    await assert.rejects(manager.handle(received), RetryableFailure);
    sender.isDown = false;
    assert.equal(await manager.handle(received), 'already-handled');
    assert.equal(sender.sent.length, 2);
  });

  it('a commit whose answer is lost counts once', async () => {
    const { manager, store, sender, measurementId, received } = arrange();
    store.troubles.push(answerIsLost);
    assert.equal(await manager.handle(received), 'already-handled');
    assert.equal(store.records(measurementId).length, 1);
    assert.equal(sender.sent.length, 2);
  });

  it('a commit that was not applied is decided again, after a wait', async () => {
    const { manager, store, waits, received } = arrange();
    store.troubles.push(notApplied, somebodyElseWins);
    assert.equal(await manager.handle(received), 'applied');
    assert.deepEqual(waits, [50, 75]);
  });

  it('a conflict at every try is a Conflict, to be delivered again and never to be dead-lettered', async () => {
    const { manager, store, received } = arrange();
    store.troubles.push(...Array.from({ length: 20 }, () => somebodyElseWins));
    await assert.rejects(manager.handle(received), Conflict);
  });

  it('two answers that race are both applied, each on what the other left', async () => {
    const { manager, store, sender, measurementId, received } = arrange();
    await manager.handle(received);
    const command = sender.sent.map((message) => message.envelope).find(isStageCommand);
    assert.ok(command);
    await Promise.all([manager.handle(startedOf(command, NOON)), manager.handle(succeededOf(command, NOON))]);
    assert.equal(store.records(measurementId).length, 3);
    assert.equal((await store.load(measurementId))?.state.stages.register.state, 'Running');
  });

  it('a request that comes before its measurement leaves no trace, and is to be delivered again', async () => {
    const { manager, store, measurementId, received } = arrange();
    const cancel = messageOf(
      'landfall.measurement.cancel.v1',
      { measurementId, actor: 'ann', reason: 'wrong car' },
      { identity: ['x'], time: NOON },
    );
    await assert.rejects(manager.handle(cancel), { name: 'RetryableFailure', code: 'not-found' });
    assert.deepEqual(store.measurementIds(), []);
    await manager.handle(received);
    assert.equal(await manager.handle(cancel), 'applied');
  });

  it('a message that is not for the saga is refused', async () => {
    const { manager, measurementId } = arrange();
    const foreign = messageOf(
      'landfall.measurement.cancelled.v1',
      { measurementId, generation: 1, actor: 'ann', reason: 'typo' },
      { identity: ['x'], time: NOON },
    );
    await assert.rejects(manager.handle(foreign), TerminalFailure);
  });

  it('carries the trace of the input on, and names it as the cause', async () => {
    const { manager, sender, received } = arrange();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await manager.handle({ ...received, traceparent });
    assert.equal(sender.sent[0]?.envelope.traceparent, traceparent);
    assert.equal(sender.sent[0]?.envelope.causationid, received.id);
  });
});
