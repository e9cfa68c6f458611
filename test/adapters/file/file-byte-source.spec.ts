import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import { openFileByteSource } from '#adapters/file/file-byte-source.ts';
import { ByteRangeError } from '#formats/byte-source.ts';

describe('a local file as byte source and sink', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-file-'));
    path = join(folder, 'file');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads any range, several at once', async () => {
    writeFileSync(path, Buffer.from('0123456789'));
    const source = await openFileByteSource(path);
    assert.equal(source.sizeBytes, 10);
    const ranges = [source.read(2, 3), source.read(0, 10), source.read(10, 0)];
    const texts = (await Promise.all(ranges)).map((bytes) => Buffer.from(bytes).toString());
    assert.deepEqual(texts, ['234', '0123456789', '']);
    await source.close();
  });

  it('refuses a range that is not inside the file', async () => {
    writeFileSync(path, 'abc');
    const source = await openFileByteSource(path);
    await assert.rejects(source.read(1, 3), ByteRangeError);
    await assert.rejects(source.read(-1, 1), ByteRangeError);
    await source.close();
  });

  it('says so when the file became shorter', async () => {
    writeFileSync(path, 'abcdef');
    const source = await openFileByteSource(path);
    truncateSync(path, 3);
    await assert.rejects(source.read(0, 6), /became shorter/);
    await source.close();
  });

  it('appends, and overwrites what was appended', async () => {
    const sink = await openFileByteSink(path);
    await sink.append(Buffer.from('hello '));
    await sink.append(Buffer.from('there'));
    await sink.overwrite(0, Buffer.from('J'));
    await sink.append(Buffer.from('!'));
    await sink.close();
    const source = await openFileByteSource(path);
    assert.equal(Buffer.from(await source.read(0, source.sizeBytes)).toString(), 'Jello there!');
    await source.close();
  });
});
