import assert from 'node:assert/strict';
import { codeOf, retryableFailureOf, statusOf } from '#adapters/azure/service-failure.ts';

/** The shapes that the client libraries throw, each a little different. */
function thrown(fields: Record<string, unknown>): Error {
  return Object.assign(new Error('the service said no'), fields);
}

describe('what an Azure client throws', () => {
  const passing: readonly [string, Record<string, unknown>][] = [
    ['throttling', { statusCode: 429 }],
    ['a server error', { statusCode: 503, code: 'ServerBusy' }],
    ['throttling, as Cosmos numbers it', { code: 429 }],
    ['a refused connection', { code: 'ECONNREFUSED' }],
    ['a broken connection', { code: 'ECONNRESET' }],
    ['a request that was never sent', { code: 'REQUEST_SEND_ERROR' }],
    ['a role that is missing', { statusCode: 403, code: 'AuthorizationPermissionMismatch' }],
  ];
  for (const [name, fields] of passing) {
    it(`${name} may pass`, () => {
      const failure = retryableFailureOf(thrown(fields), 'the blob could not be read');
      assert.equal(failure?.code, 'dependency-unavailable');
      assert.match(failure?.message ?? '', /^the blob could not be read: .*the service said no/);
    });
  }

  for (const fields of [
    { statusCode: 404, code: 'BlobNotFound' },
    { statusCode: 409 },
    { statusCode: 412 },
    {},
  ]) {
    it(`${JSON.stringify(fields)} is an answer, or an error of ours`, () => {
      assert.equal(retryableFailureOf(thrown(fields), 'x'), undefined);
    });
  }

  it('tells what to do about a refusal', () => {
    assert.match(retryableFailureOf(thrown({ statusCode: 403 }), 'x')?.message ?? '', /Check the role/);
  });

  it('waits as long as the service asks for', () => {
    const headers = (entries: Record<string, string>) => ({
      headers: { get: (name: string) => entries[name] },
    });
    const waitOf = (fields: Record<string, unknown>) =>
      retryableFailureOf(thrown({ statusCode: 429, ...fields }), 'x')?.retryAfterMs;
    assert.equal(waitOf({ response: headers({ 'x-ms-retry-after-ms': '250' }) }), 250);
    assert.equal(waitOf({ response: headers({ 'retry-after': '3' }) }), 3000);
    assert.equal(waitOf({ retryAfterInMs: 17 }), 17);
    assert.equal(waitOf({}), undefined);
  });

  it('reads statuses and codes whichever way they are given', () => {
    assert.equal(statusOf(thrown({ statusCode: 409 })), 409);
    assert.equal(statusOf(thrown({ code: 412 })), 412);
    assert.equal(statusOf('no error at all'), undefined);
    assert.equal(codeOf(thrown({ code: 'BlobNotFound' })), 'BlobNotFound');
    assert.equal(codeOf(thrown({ code: 412 })), undefined);
  });
});
