import assert from 'node:assert/strict';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { Envelope } from '#domain/messages.ts';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import { collectDeadLetter } from '#handlers/operations/collect-dead-letters.ts';
import { type ReplayRequest, replayDeadLetters } from '#handlers/operations/replay-dead-letters.ts';
import { MemoryFailedMessageStore } from '#test/simulation/fakes/memory-failed-message-store.ts';
import { MemoryStageRunStore } from '#test/simulation/fakes/memory-stage-run-store.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';
import {
  measurementIdOfRecording,
  messageOf,
  receivedOf,
  recordingOf,
} from '#test/simulation/scripted-stage.ts';

const NOON = new Date('2026-05-04T12:00:00Z');
const ALL: ReplayRequest = {
  all: true,
  why: 'map service is back',
  actor: 'ann',
  ratePerSecond: 10,
  dryRun: false,
};

class Ops {
  readonly store = new MemoryFailedMessageStore();
  readonly telemetry = new QuietTelemetry();
  readonly runs = new MemoryStageRunStore();
  readonly said: OutgoingMessage[] = [];
  readonly messages = {
    send: async (messages: readonly OutgoingMessage[]) => void this.said.push(...messages),
  };
  readonly sent: { readonly queue: string; readonly body: unknown; readonly messageId: string }[] = [];
  readonly waits: number[] = [];
  sendsUntilDown = Number.POSITIVE_INFINITY;
  readonly clock = { now: () => NOON, wait: async (ms: number) => void this.waits.push(ms) };
  readonly resender = {
    resend: async (queue: string, body: unknown, messageId: string) => {
      if (this.sendsUntilDown-- <= 0) throw new RetryableFailure('dependency-unavailable', 'down');
      this.sent.push({ queue, body, messageId });
    },
  };

  async collect(number: number, more: { readonly queue?: string; readonly messageId?: string } = {}) {
    const body = receivedOf(recordingOf(`drive-${number}`), 'f', NOON);
    const messageId = more.messageId ?? body.id;
    const deadLetter = {
      queue: more.queue ?? 'extract',
      reason: 'TerminalFailure:message-invalid',
      description: 'x',
    };
    await collectDeadLetter(this, { body, messageId, cloudEventId: body.id, deadLetter });
    return body;
  }
}

describe('dead letters', () => {
  it('are stored once, however often they are drained', async () => {
    const ops = new Ops();
    const body = await ops.collect(1);
    await ops.collect(1);
    const [stored, ...others] = await ops.store.list({}, 10);
    assert.deepEqual(others, []);
    assert.equal(stored?.messageType, 'landfall.measurement.received.v1');
    assert.equal(stored?.measurementId, body.subject);
    assert.deepEqual(stored?.body, body);
  });

  it('of an order to bring files back are told to the saga, once, with what to do', async () => {
    const ops = new Ops();
    const recording = recordingOf('drive-1');
    const measurementId = measurementIdOfRecording(recording);
    const order = { measurementId, generation: 1, recording, from: 'error' as const, number: 2 };
    const body = messageOf(
      'landfall.measurement.restore.v1',
      { ...order, locations: [recording.folder], priority: 'Standard' },
      { identity: ['restore'], time: NOON },
    );
    const deadLetter = {
      queue: 'custody',
      reason: 'RetryableFailure:dependency-unavailable',
      description: 'busy.',
    };
    const letter = { body, messageId: 'm1', cloudEventId: body.id, deadLetter };
    await collectDeadLetter(ops, letter);
    await collectDeadLetter(ops, letter);
    const ids = new Set(ops.said.map(({ messageId }) => messageId));
    assert.equal(ids.size, 1);
    const { type, data, causationid } = ops.said[0]!.envelope as Envelope<'landfall.restore.failed.v1'>;
    assert.equal(type, 'landfall.restore.failed.v1');
    assert.equal(causationid, body.id);
    assert.equal(data.number, 2);
    assert.equal(data.reason.code, 'dependency-unavailable');
    const [stored] = await ops.store.list({}, 10);
    assert.match(data.reason.message, /busy\. When the cause is gone, rehydrate the measurement again/);
    assert.ok(data.reason.message.includes(`landfall dead-letters show ${stored?.failedMessageId}`));
  });

  it('of the end of bringing files back are told as well', async () => {
    const ops = new Ops();
    const recording = recordingOf('drive-1');
    const measurementId = measurementIdOfRecording(recording);
    const order = { measurementId, generation: 1, recording, from: 'error' as const, number: 3 };
    const command = messageOf(
      'landfall.measurement.restore.v1',
      { ...order, locations: [recording.folder], priority: 'Standard' },
      { identity: ['restore'], time: NOON },
    ) as Envelope;
    const run = { stageRunId: 'run-1', stage: 'restore', measurementId, attempt: 1, command };
    const createdAt = NOON.toISOString();
    await ops.runs.create({ ...run, taskCount: 2, endedTaskCount: 2, state: 'open', createdAt });
    const place = {
      measurementId,
      generation: 1,
      stage: 'restore' as const,
      attempt: 1,
      stageRunId: 'run-1',
    };
    const body = messageOf('landfall.stage.conclude.v1', place, { identity: ['end'], time: NOON });
    await collectDeadLetter(ops, { body, messageId: 'm1', cloudEventId: body.id });
    assert.equal((ops.said[0]!.envelope.data as { readonly number?: number }).number, 3);
  });

  it('of the landing queue are kept as Event Grid sent them', async () => {
    const ops = new Ops();
    const body = [{ eventType: 'Microsoft.Storage.BlobCreated' }];
    await collectDeadLetter(ops, { body, messageId: 'm1', cloudEventId: 'm1' });
    const [stored] = await ops.store.list({}, 10);
    assert.equal(stored?.queue, 'landing');
    assert.equal(stored?.messageType, 'Microsoft.Storage.BlobCreated');
    await replayDeadLetters(ops, ALL, 'op-1');
    assert.deepEqual(ops.sent, [{ queue: 'landing', body, messageId: 'm1#r1' }]);
  });

  it('are replayed to the queue they died in, under their own id and a new transport id', async () => {
    const ops = new Ops();
    const body = await ops.collect(1, { queue: 'sync' });
    const answer = await replayDeadLetters(ops, ALL, 'op-1');
    assert.deepEqual(answer, { operationId: 'op-1', dryRun: false, found: 1, replayed: 1, skipped: 0 });
    assert.deepEqual(ops.sent, [{ queue: 'sync', body, messageId: `${body.id}#r1` }]);
    const [audit] = await ops.store.audits(1);
    assert.equal(audit?.actor, 'ann');
    assert.equal(audit?.why, 'map service is back');
  });

  it('that fail again get the next number', async () => {
    const ops = new Ops();
    const body = await ops.collect(1);
    await replayDeadLetters(ops, ALL, 'op-1');
    await ops.collect(1, { messageId: `${body.id}#r1` });
    await replayDeadLetters(ops, ALL, 'op-2');
    assert.deepEqual(
      ops.sent.map((message) => message.messageId),
      [`${body.id}#r1`, `${body.id}#r2`],
    );
  });

  it('are only counted in a dry run, which is remembered too', async () => {
    const ops = new Ops();
    await ops.collect(1);
    const answer = await replayDeadLetters(ops, { ...ALL, dryRun: true }, 'op-1');
    assert.equal(answer.found, 1);
    assert.deepEqual(ops.sent, []);
    assert.equal((await ops.store.audits(1))[0]?.dryRun, true);
    assert.equal((await ops.store.list({ state: 'failed' }, 10)).length, 1);
  });

  it('are replayed by selection, by queue, and not at all when nothing is chosen', async () => {
    const ops = new Ops();
    await ops.collect(1, { queue: 'sync' });
    await ops.collect(2, { queue: 'extract' });
    await ops.collect(3, { queue: 'extract' });
    const [sync] = await ops.store.list({ queue: 'sync' }, 1);
    const none = { ...ALL, all: false };
    await assert.rejects(replayDeadLetters(ops, none, 'op-0'), TerminalFailure);
    await replayDeadLetters(ops, { ...none, failedMessageIds: [sync!.failedMessageId] }, 'op-1');
    assert.deepEqual(
      ops.sent.map((message) => message.queue),
      ['sync'],
    );
    await replayDeadLetters(ops, { ...none, queue: 'extract' }, 'op-2');
    assert.deepEqual(
      ops.sent.map((message) => message.queue),
      ['sync', 'extract', 'extract'],
    );
  });

  it('are sent at the rate that was asked for', async () => {
    const ops = new Ops();
    for (const number of [1, 2, 3]) await ops.collect(number);
    await replayDeadLetters(ops, ALL, 'op-1');
    assert.deepEqual(ops.waits, [100, 100]);
  });

  it('are sent once by two operators at the same time', async () => {
    const ops = new Ops();
    for (const number of [1, 2, 3]) await ops.collect(number);
    const answers = await Promise.all([
      replayDeadLetters(ops, ALL, 'op-1'),
      replayDeadLetters(ops, ALL, 'op-2'),
    ]);
    assert.equal(ops.sent.length, 3);
    assert.equal(answers[0].replayed + answers[1].replayed, 3);
  });

  it('go on where an interrupted operation stopped, when it is asked for again', async () => {
    const ops = new Ops();
    for (const number of [1, 2, 3]) await ops.collect(number);
    ops.sendsUntilDown = 1;
    await assert.rejects(replayDeadLetters(ops, ALL, 'op-1'), RetryableFailure);
    ops.sendsUntilDown = 10;
    await replayDeadLetters(ops, ALL, 'op-1');
    assert.equal(ops.sent.length, 3);
    assert.equal((await ops.store.list({ state: 'replayed' }, 10)).length, 3);
  });
});
