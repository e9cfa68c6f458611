import assert from 'node:assert/strict';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { readIfThere } from '#domain/ports/blob-store.ts';

const location = { account: 'operations', container: 'tasks', path: 'm/1/plan.json' };
const failing = (error: Error) => ({ read: () => Promise.reject(error) });

describe('reading a blob that may not be there', () => {
  it('gives its bytes, and passes on how many there may be', async () => {
    const blobs = { read: async (_: unknown, sizeBytesMax?: number) => new Uint8Array(sizeBytesMax ?? 0) };
    assert.equal((await readIfThere(blobs, location, 7))?.length, 7);
  });

  it('gives nothing for one that does not exist', async () => {
    const blobs = failing(new TerminalFailure('not-found', 'plan.json does not exist'));
    assert.equal(await readIfThere(blobs, location), undefined);
  });

  it('takes neither a storage that is away nor a blob that is too large for an absent one', async () => {
    for (const error of [
      new RetryableFailure('dependency-unavailable', 'storage is away'),
      new TerminalFailure('not-allowed', 'larger than allowed'),
      new Error('a mistake of ours'),
    ])
      await assert.rejects(readIfThere(failing(error), location), error);
  });
});
