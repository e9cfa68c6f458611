import assert from 'node:assert/strict';
import { type ByteSource, byteSourceOf } from '#formats/byte-source.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';
import { channel, I16, METADATA, RAW_DATA, rawIndex, segment } from './tdms-bytes.ts';

/** Segments whose data have so many values. */
const fileOf = (...valueCounts: readonly number[]): ByteSource =>
  byteSourceOf(
    Buffer.concat(
      valueCounts.map((count, position) =>
        segment({
          ...(position === 0 ? {} : { toc: METADATA | RAW_DATA }),
          objects: [channel('a', rawIndex(I16, count))],
          data: Buffer.alloc(2 * count),
        }),
      ),
    ),
  );

const LARGE = 100_000;
const twenty = (count: number) => Array.from({ length: 20 }, () => count);

/** Reads end one turn of the event loop later. The first that begins beside another fails, and so often its place does. */
class WatchedSource implements ByteSource {
  readonly #bytes: ByteSource;
  #failuresLeft: number;
  #failsAt: number | undefined;
  readCount = 0;
  underWay = 0;
  underWayMax = 0;

  constructor(bytes: ByteSource, failureCount = 0) {
    this.#bytes = bytes;
    this.#failuresLeft = failureCount;
  }

  get sizeBytes(): number {
    return this.#bytes.sizeBytes;
  }

  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    this.readCount += 1;
    if (this.underWay > 0) this.#failsAt ??= offset;
    const isFailing = offset === this.#failsAt && this.#failuresLeft > 0;
    if (isFailing) this.#failuresLeft -= 1;
    this.underWay += 1;
    this.underWayMax = Math.max(this.underWayMax, this.underWay);
    await new Promise((resolve) => setImmediate(resolve));
    this.underWay -= 1;
    if (isFailing) throw new Error('the disk is gone');
    return this.#bytes.read(offset, lengthBytes);
  }
}

async function rowsOf(source: ByteSource): Promise<number | undefined> {
  const reader = await openTdms(source, { name: 'test.tdms', decompressors: NODE_DECOMPRESSORS });
  assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  return reader.summary.tables[0]?.rowCount;
}

describe('TDMS: finding the segments', () => {
  it('segments of one length are looked at several at once, each once', async () => {
    const source = new WatchedSource(fileOf(...twenty(LARGE)));
    assert.equal(await rowsOf(source), 20 * LARGE);
    assert.ok(source.underWayMax >= 4, `${source.underWayMax} reads at once`);
    assert.ok(source.readCount <= 22, `${source.readCount} reads`);
  });

  it('segments that stop being of one length are found all the same', async () => {
    const counts = [...twenty(LARGE), 7, LARGE + 1, ...twenty(LARGE + 5), 3];
    const source = new WatchedSource(fileOf(...counts));
    assert.equal(
      await rowsOf(source),
      counts.reduce((sum, count) => sum + count, 0),
    );
    assert.equal(source.underWay, 0);
  });

  it('a file that ends before what was looked for leaves no read under way', async () => {
    const source = new WatchedSource(fileOf(LARGE, LARGE, LARGE, LARGE, LARGE, 6 * LARGE));
    assert.equal(await rowsOf(source), 11 * LARGE);
    assert.ok(source.underWayMax >= 4, `${source.underWayMax} reads at once`);
    assert.equal(source.underWay, 0);
  });

  it('segments of changing lengths are not looked for where they are not', async () => {
    const counts = Array.from({ length: 20 }, (_, position) => LARGE + Math.floor(position / 2));
    const source = new WatchedSource(fileOf(...counts));
    assert.equal(
      await rowsOf(source),
      counts.reduce((sum, count) => sum + count, 0),
    );
    assert.ok(source.readCount <= 22, `${source.readCount} reads`);
  });

  it('a read ahead that fails is done again when it is due, and fails there if it must', async () => {
    assert.equal(await rowsOf(new WatchedSource(fileOf(...twenty(LARGE)), 1)), 20 * LARGE);
    const gone = new WatchedSource(fileOf(...twenty(LARGE)), 2);
    await assert.rejects(rowsOf(gone), /the disk is gone/);
    assert.equal(gone.underWay, 0);
  });
});
