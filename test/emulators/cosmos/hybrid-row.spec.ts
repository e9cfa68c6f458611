import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { decodeBatch, encodeResults } from '#emulators/cosmos/hybrid-row.ts';
import { CosmosRefusal } from '#emulators/cosmos/refusal.ts';
import { type Account, signedRequest, startAccount } from '#test/emulators/cosmos/account.ts';

const SEGMENT = '81f0d8ff7f010a000000';

/** A record around the body of an operation. */
function record(body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32LE(body.length);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([Buffer.from('81f1d8ff7f', 'hex'), head, body]);
}

const sized = (text: string) => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
const operation = (presence: number, type: number, ...rest: Buffer[]) =>
  record(
    Buffer.concat([
      Buffer.from('817054e17f', 'hex'),
      Buffer.of(presence, type, 0, 0, 0, 2, 0, 0, 0),
      ...rest,
    ]),
  );

describe('batches in HybridRow, as .NET clients send them', () => {
  it('reads a recorded operation: delete b1', () => {
    const recorded = `${SEGMENT}81f1d8ff7f11000000846b3279817054e17f1304000000020000000262 31`.replace(
      ' ',
      '',
    );
    assert.deepEqual(decodeBatch(Buffer.from(recorded, 'hex')), [{ operationType: 'Delete', id: 'b1' }]);
  });

  it('writes a recorded answer: 424', () => {
    const recorded =
      '81f0d8ff7f010a00000081f1d8ff7f18000000e3c14e24817154e17f03a80100000000000010060000000000000000';
    assert.equal(encodeResults([{ statusCode: 424, requestCharge: 0 }]).toString('hex'), recorded);
  });

  it('refuses every damaged stream with 400', () => {
    const whole = Buffer.concat([
      Buffer.from(SEGMENT, 'hex'),
      operation(0x53, 5, sized('b0'), sized('{"id":"b0"}'), Buffer.of(0x14, 9), sized('"stale"')),
    ]);
    assert.deepEqual(decodeBatch(whole), [
      { operationType: 'Replace', id: 'b0', resourceBody: { id: 'b0' }, ifMatch: '"stale"' },
    ]);
    const position = fc.integer({ min: 0, max: whole.length - 1 });
    fc.assert(
      fc.property(position, fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
        const damaged = cut ? whole.subarray(0, at) : Buffer.from(whole);
        if (!cut) damaged[at] = (damaged[at] ?? 0) ^ flip;
        try {
          decodeBatch(damaged);
        } catch (error) {
          assert.ok(error instanceof CosmosRefusal && error.status === 400, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  describe('over the wire', () => {
    let account: Account;
    before(async () => {
      account = await startAccount();
      await account.container({ id: 'c', partitionKey: { paths: ['/pk'] } });
    });
    after(() => account.close());

    const post = async (body: Buffer) => {
      const answer = await signedRequest(
        account.emulator,
        'POST',
        '/dbs/landfall/colls/c/docs',
        { type: 'docs', resource: 'dbs/landfall/colls/c' },
        {
          'x-ms-documentdb-partitionkey': '["k"]',
          'x-ms-cosmos-is-batch-request': 'True',
          'x-ms-cosmos-batch-atomic': 'True',
          'x-ms-cosmos-batch-ordered': 'True',
        },
        body,
      );
      return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
    };
    /** The status codes of an answer, found behind each result's row header and presence byte. */
    const statusesIn = (bytes: Buffer) => {
      const header = Buffer.from('817154e17f', 'hex');
      const statuses: number[] = [];
      for (let at = bytes.indexOf(header); at >= 0; at = bytes.indexOf(header, at + 1)) {
        statuses.push(bytes.readInt32LE(at + header.length + 1));
      }
      return statuses;
    };
    const create = (id: string) => operation(0x43, 0, sized(`{"id":"${id}","pk":"k"}`));
    const batchOf = (...operations: Buffer[]) => Buffer.concat([Buffer.from(SEGMENT, 'hex'), ...operations]);

    it('is all or nothing and answers in the same form', async () => {
      const done = await post(batchOf(create('a'), create('b')));
      assert.equal(done.status, 200);
      assert.deepEqual(statusesIn(done.bytes), [201, 201]);
      assert.match(done.bytes.toString('latin1'), /"id":"a"/);
      const failed = await post(batchOf(create('c'), create('a')));
      assert.equal(failed.status, 207);
      assert.deepEqual(statusesIn(failed.bytes), [424, 409]);
      const { resources } = await account.database
        .container('c')
        .items.query('SELECT VALUE c.id FROM c', { partitionKey: 'k' })
        .fetchAll();
      assert.deepEqual(resources, ['a', 'b']);
    });

    it('leaves the body out when the client prefers the minimum', async () => {
      const minimal = operation(0x43, 0, sized('{"id":"m","pk":"k"}'), Buffer.of(0x03, 12));
      const done = await post(batchOf(minimal));
      assert.deepEqual(statusesIn(done.bytes), [201]);
      assert.doesNotMatch(done.bytes.toString('latin1'), /"id":"m"/);
    });
  });
});
