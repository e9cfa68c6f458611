import assert from 'node:assert/strict';
import fc from 'fast-check';
import { blobOperation } from '#emulators/storage/blob-operation.ts';
import {
  appendedBlockName,
  dataLakeOperation,
  flushedBlockList,
} from '#emulators/storage/data-lake-operation.ts';

describe('requests of the dfs endpoint', () => {
  const kindOf = (method: string, target: string, headers = {}): string | undefined =>
    dataLakeOperation(method, target, headers)?.kind;

  it('are known by what only they have', () => {
    assert.equal(kindOf('PUT', '/lake/fs?resource=filesystem'), 'create-filesystem');
    assert.equal(kindOf('PUT', '/lake/fs/a/b.bin?resource=file'), 'create');
    assert.equal(kindOf('PUT', '/lake/fs/new', { 'x-ms-rename-source': '/fs/old' }), 'rename');
    assert.equal(kindOf('PATCH', '/lake/fs/a?action=append&position=0'), 'append');
    assert.equal(kindOf('PATCH', '/lake/fs/a?action=flush&position=9&close=true'), 'flush');
    assert.equal(kindOf('PATCH', '/lake/fs/a?action=flush'), 'invalid');
    assert.equal(kindOf('DELETE', '/lake/fs/a?recursive=true'), 'delete');
  });

  it('leave the blob endpoint its own', () => {
    assert.equal(kindOf('PUT', '/lake/fs/a'), undefined);
    assert.equal(kindOf('PUT', '/lake/fs?restype=container'), undefined);
    assert.equal(kindOf('PUT', '/lake/fs/a?comp=block&blockid=x'), undefined);
    assert.equal(kindOf('DELETE', '/lake/fs/a'), undefined);
    assert.equal(kindOf('GET', '/lake/fs/a'), undefined);
  });
});

describe('a flush', () => {
  it('commits the appended content in the order of its positions, however it arrived', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 8 }),
        fc.nat({ max: 50 }),
        fc.nat(),
        (sizes, committedBytes, turn) => {
          const committed = committedBytes === 0 ? [] : [{ name: 'before', sizeBytes: committedBytes }];
          let position = committedBytes;
          const appended = sizes.map((sizeBytes) => {
            const block = { name: appendedBlockName(position), sizeBytes };
            position += sizeBytes;
            return block;
          });
          const shift = appended.length === 0 ? 0 : turn % appended.length;
          const shuffled = [...appended.slice(shift), ...appended.slice(0, shift)];
          assert.deepEqual(flushedBlockList(committed, shuffled, position), { committed, appended });
          assert.equal(flushedBlockList(committed, shuffled, position + 1), undefined);
          if (appended.length > 0)
            assert.equal(flushedBlockList(committed, shuffled.slice(1), position), undefined);
        },
      ),
    );
  });
});

describe('requests of the blob endpoint', () => {
  const apiOf = (method: string, target: string, status: number, headers = {}): string | undefined =>
    blobOperation(method, target, headers, status)?.api;

  it('raise an event when they create or delete a blob, and only then', () => {
    assert.equal(apiOf('PUT', '/a/c/x', 201, { 'x-ms-blob-type': 'BlockBlob' }), 'PutBlob');
    assert.equal(apiOf('PUT', '/a/c/x?comp=blocklist', 201), 'PutBlockList');
    assert.equal(apiOf('PUT', '/a/c/x', 202, { 'x-ms-copy-source': 'http://…' }), 'CopyBlob');
    const fromUrl = { 'x-ms-copy-source': 'http://…', 'x-ms-blob-type': 'BlockBlob' };
    assert.equal(apiOf('PUT', '/a/c/x', 201, fromUrl), 'PutBlob');
    assert.equal(apiOf('DELETE', '/a/c/x', 202), 'DeleteBlob');
    assert.equal(apiOf('DELETE', '/a/c/x?snapshot=2026', 202), undefined);
    assert.equal(apiOf('DELETE', '/a/c/x', 202, { 'x-ms-delete-snapshots': 'only' }), undefined);
    assert.equal(apiOf('PUT', '/a/c/x', 412), undefined);
    assert.equal(apiOf('PUT', '/a/c/x?comp=appendblock', 201), undefined);
    assert.equal(apiOf('PUT', '/a/c?restype=container', 201), undefined);
    assert.equal(apiOf('PUT', '/a/$logs/x', 201), undefined);
  });
});
