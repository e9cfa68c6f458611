// "Event Grid message delivery and retry": 10 seconds, 30 seconds, 1, 5, 10, 30 minutes, 1, 3, 6 hours, then every 12 hours.
import assert from 'node:assert/strict';
import { reasonToGiveUp, retryDelayMs } from '#emulators/event-grid/retry-schedule.ts';

const MINUTE_MS = 60_000;
const busy = { outcome: 'Busy', retryable: true };

describe('the retry schedule of Event Grid', () => {
  it('waits as documented', () => {
    const seconds = Array.from({ length: 11 }, (_, n) => retryDelayMs(n + 1) / 1000);
    assert.deepEqual(seconds, [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200]);
  });

  it('gives up after the last attempt, after the time to live, and at once when nothing can help', () => {
    const policy = { maxDeliveryAttempts: 5, eventTimeToLiveMinutes: 10 };
    assert.equal(reasonToGiveUp(busy, 4, 0, policy), undefined);
    assert.equal(reasonToGiveUp(busy, 5, 0, policy), 'MaxDeliveryAttemptsExceeded');
    assert.equal(reasonToGiveUp(busy, 1, 9 * MINUTE_MS, policy), undefined);
    assert.equal(reasonToGiveUp(busy, 1, 10 * MINUTE_MS, policy), 'TimeToLiveExceeded');
    assert.equal(reasonToGiveUp(busy, 4, 5 * MINUTE_MS, policy), 'TimeToLiveExceeded');
    const tooLarge = { outcome: 'RequestEntityTooLarge', retryable: false };
    assert.equal(reasonToGiveUp(tooLarge, 1, 0, policy), 'UndeliverableDueToRequestEntityTooLarge');
  });
});
