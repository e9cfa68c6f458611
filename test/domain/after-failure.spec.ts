import assert from 'node:assert/strict';
import { afterFailure, type Delivery, RETRY_DELAYS_MS } from '#domain/after-failure.ts';
import { Cancelled, Conflict, RetryableFailure, TerminalFailure } from '#domain/failures.ts';

const first: Delivery = {
  cloudEventId: 'ce-1',
  messageId: 'ce-1',
  deliveryCount: 1,
  copyNumber: 0,
  failureCount: 0,
};

/** Lets the same error happen until the message is a dead letter, or `limit` times. */
function fateOf(error: unknown, limit = 20, start = first) {
  const delaysMs: number[] = [];
  const messageIds = new Set<string>();
  let delivery = start;
  for (let i = 0; i < limit; i++) {
    const decision = afterFailure(error, delivery);
    if (decision.action !== 'retry-later') return { delaysMs, messageIds, end: decision };
    delaysMs.push(decision.delayMs);
    messageIds.add(decision.messageId);
    const { messageId, copyNumber, failureCount } = decision;
    delivery = { ...delivery, messageId, copyNumber, failureCount };
  }
  return { delaysMs, messageIds, end: undefined };
}

describe('what becomes of a message whose handling failed', () => {
  it('trying cannot help: a dead letter at once, with class, code and sentence', () => {
    const failure = new TerminalFailure('message-invalid', 'no data', { details: ['data: required'] });
    assert.deepEqual(afterFailure(failure, first), {
      action: 'dead-letter',
      reason: 'TerminalFailure:message-invalid',
      description: 'no data data: required',
    });
  });

  it('trying may help: three retries with growing waits, each under a new transport id, then a dead letter', () => {
    const { delaysMs, messageIds, end } = fateOf(new RetryableFailure('dependency-unavailable', 'down'));
    assert.deepEqual(delaysMs, RETRY_DELAYS_MS);
    assert.equal(messageIds.size, 3);
    assert.equal(end?.action === 'dead-letter' && end.reason, 'RetryableFailure:dependency-unavailable');
  });

  it('an error nobody foresaw is retried too, and named in the dead letter', () => {
    const { delaysMs, end } = fateOf(new RangeError('offset 12 is beyond the end'));
    assert.equal(delaysMs.length, 3);
    assert.equal(end?.action === 'dead-letter' && end.reason, 'Unexpected:RangeError');
  });

  it('waits as long as the service asked for', () => {
    const failure = new RetryableFailure('dependency-unavailable', 'slow down', { retryAfterMs: 90_000 });
    const decision = afterFailure(failure, first);
    assert.equal(decision.action === 'retry-later' && decision.delayMs, 90_000);
  });

  it('a conflict is delivered again, however often, and is never a dead letter', () => {
    const { messageIds, end } = fateOf(new Conflict('others were first'), 50);
    assert.equal(end, undefined);
    assert.equal(messageIds.size, 50);
  });

  it('a stopping process gives the message back', () => {
    assert.deepEqual(afterFailure(new Cancelled('stopping'), first), { action: 'abandon' });
  });

  it('a message delivered twice that fails twice makes two copies', () => {
    const failure = new RetryableFailure('dependency-unavailable', 'down');
    const one = afterFailure(failure, first);
    const two = afterFailure(failure, { ...first, deliveryCount: 2 });
    assert.notEqual(
      one.action === 'retry-later' && one.messageId,
      two.action === 'retry-later' && two.messageId,
    );
  });

  it('retries of a replay have ids of their own, which say which replay it was', () => {
    const failure = new RetryableFailure('dependency-unavailable', 'down');
    const original = fateOf(failure).messageIds;
    const replay = fateOf(failure, 20, { ...first, messageId: 'ce-1#r2' }).messageIds;
    assert.equal(replay.size, 3);
    for (const messageId of replay) assert.match(messageId, /^ce-1#r2~d/);
    assert.equal(new Set([...original, ...replay]).size, 6);
  });
});
