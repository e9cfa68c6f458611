import assert from 'node:assert/strict';
import { attributesOfCall, CallsOfSpan, nameOfCall } from '#domain/calls-of-span.ts';
import type { ServiceCall } from '#domain/service-call.ts';

const READ: ServiceCall = {
  service: 'Blob Storage',
  operation: 'GetBlob',
  target: 'raw01/recordings',
  durationMs: 10,
  statusCode: 206,
};

describe('the calls of a span', () => {
  it('are told one by one while they are few', () => {
    const calls = new CallsOfSpan();
    calls.add(READ, 1010);
    calls.add({ ...READ, operation: 'PutBlock', durationMs: 5 }, 1020);
    assert.deepEqual(
      calls.told().map((call) => [nameOfCall(call), call.startedAtMs, call.calls]),
      [
        ['GetBlob raw01/recordings', 1000, 1],
        ['PutBlock raw01/recordings', 1015, 1],
      ],
    );
  });

  it('are summed per operation when they are many, and none is forgotten', () => {
    const calls = new CallsOfSpan();
    for (let n = 0; n < 10_000; n += 1) calls.add(n % 2 === 0 ? READ : { ...READ, statusCode: 503 }, n);
    const told = calls.told();
    assert.equal(told.length, 33);
    const sum = (of: (call: (typeof told)[number]) => number) =>
      told.reduce((all, call) => all + of(call), 0);
    assert.equal(
      sum((call) => call.calls),
      10_000,
    );
    assert.equal(
      sum((call) => call.durationMs),
      100_000,
    );
    assert.equal(
      sum((call) => call.failedCalls),
      5000,
    );
  });

  it('stay few whatever is called', () => {
    const calls = new CallsOfSpan();
    for (let n = 0; n < 10_000; n += 1) calls.add({ ...READ, target: `account${n}` }, n);
    const told = calls.told();
    assert.ok(told.length < 100, `${told.length} are kept`);
    assert.equal(
      told.reduce((all, call) => all + call.calls, 0),
      10_000,
    );
  });

  it('add up what Cosmos DB charged, also when a call was refused', () => {
    const calls = new CallsOfSpan();
    const batch = { service: 'Cosmos DB', operation: 'execute_batch', target: 'measurements' } as const;
    for (let n = 0; n < 34; n += 1)
      calls.add({ ...batch, durationMs: 1, statusCode: n === 33 ? 429 : 200, requestCharge: 1.1 }, n);
    const sum = calls.told().at(-1)!;
    assert.deepEqual(attributesOfCall(sum), {
      service: 'Cosmos DB',
      target: 'measurements',
      calls: 2,
      failedCalls: 1,
      'db.system.name': 'azure.cosmosdb',
      'db.operation.name': 'execute_batch',
      'db.collection.name': 'measurements',
      'azure.cosmosdb.operation.request_charge': 2.2,
    });
  });

  it('that were answered "there is none" or "another was faster" have not failed', () => {
    const calls = new CallsOfSpan();
    for (const statusCode of [404, 409, 412, 304]) calls.add({ ...READ, statusCode }, 1);
    for (const statusCode of [401, 403, 429, 503]) calls.add({ ...READ, statusCode }, 2);
    const { statusCode: _, ...unanswered } = READ;
    calls.add({ ...unanswered, error: 'RestError: connect ECONNREFUSED' }, 3);
    assert.deepEqual(
      calls.told().map((call) => call.failedCalls),
      [0, 0, 0, 0, 1, 1, 1, 1, 1],
    );
  });
});
