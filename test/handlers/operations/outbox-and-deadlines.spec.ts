import assert from 'node:assert/strict';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import { relayOutbox } from '#handlers/operations/relay-outbox.ts';
import { sweepDeadlines } from '#handlers/operations/sweep-deadlines.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import { SagaManager } from '#saga/saga-manager.ts';
import { MemorySagaStore } from '#test/simulation/fakes/memory-saga-store.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';
import { measurementIdOfRecording, receivedOf, recordingOf } from '#test/simulation/scripted-stage.ts';

const NOON = new Date('2026-05-04T12:00:00Z');

/** A saga that has committed the start of a measurement, and whose messages are still in the outbox. */
async function arrange() {
  const store = new MemorySagaStore<IngestionState>();
  const telemetry = new QuietTelemetry();
  const clock = { now: () => NOON, wait: async () => {} };
  const sent: OutgoingMessage[] = [];
  const sender: MessageSender = { send: async (messages) => void sent.push(...messages) };
  const manager = new SagaManager({ store, sender, clock, telemetry, chance: () => 0 });
  const recording = recordingOf();
  const measurementId = measurementIdOfRecording(recording);
  const recorded = await manager.record(receivedOf(recording, 'files-1', NOON));
  return { recorded, store, telemetry, clock, sent, sender, manager, measurementId, feed: store };
}

describe('outbox relay', () => {
  it('sends what was left, marks it, and does not send it again', async () => {
    const ports = await arrange();
    assert.equal(await relayOutbox(ports, 'relay'), 2);
    assert.equal(ports.sent.length, 2);
    assert.deepEqual(await ports.store.pendingOutputs(ports.measurementId), []);
    assert.equal(await relayOutbox(ports, 'relay'), 0);
  });

  it('leaves alone what was sent inline', async () => {
    const ports = await arrange();
    await ports.manager.dispatch(ports.measurementId, ports.recorded);
    assert.equal(await relayOutbox(ports, 'relay'), 0);
    assert.equal(ports.sent.length, 2);
  });

  it('starts again where it was when the broker does not answer', async () => {
    const ports = await arrange();
    const down: MessageSender = {
      send: async () => {
        throw new RetryableFailure('dependency-unavailable', 'down');
      },
    };
    await assert.rejects(relayOutbox({ ...ports, sender: down }, 'relay'), RetryableFailure);
    assert.equal(await relayOutbox(ports, 'relay'), 2);
  });

  it('goes on past a message the broker will never take, and reports it', async () => {
    const ports = await arrange();
    const picky: MessageSender = {
      send: async (messages) => {
        if (messages.some((message) => message.envelope.type === 'landfall.measurement.validate.v1')) {
          throw new TerminalFailure('message-invalid', 'too large');
        }
        ports.sent.push(...messages);
      },
    };
    await relayOutbox({ ...ports, sender: picky }, 'relay');
    assert.deepEqual(
      ports.sent.map((message) => message.envelope.type),
      ['landfall.stage.expire.v1'],
    );
    assert.equal((await ports.store.pendingOutputs(ports.measurementId)).length, 1);
    assert.equal(ports.telemetry.count('output refused by the broker'), 1);
  });
});

describe('deadline sweep', () => {
  it('says that a deadline has passed, under the id of the scheduled message, so that it counts once', async () => {
    const ports = await arrange();
    await ports.manager.dispatch(ports.measurementId, ports.recorded);
    const [, scheduled] = ports.sent.splice(0);
    const at = (iso: string) => ({
      ...ports,
      deadlines: ports.store,
      clock: { ...ports.clock, now: () => new Date(iso) },
    });
    assert.equal(await sweepDeadlines(at('2026-05-04T17:59:59Z')), 0);
    assert.equal(await sweepDeadlines(at('2026-05-04T18:00:00Z')), 1);
    const [swept] = ports.sent;
    assert.equal(swept?.envelope.id, scheduled?.envelope.id);
    assert.deepEqual(swept?.destination, { kind: 'queue', name: 'saga' });
    assert.equal(await ports.manager.handle(swept!.envelope), 'applied');
    assert.equal(await ports.manager.handle(scheduled!.envelope), 'already-handled');
    assert.equal((await ports.store.load(ports.measurementId))?.state.stages.validate.attempt, 2);
  });
});
