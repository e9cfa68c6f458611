import sharp from 'sharp';
import { textValues } from '#domain/column-values.ts';
import { FRAME_INDEX_COLUMNS, FRAME_INDEX_ROLE } from '#domain/table-columns.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { bytesColumn, numberColumn, textColumn } from './batch-columns.ts';
import { FrameShards, shardFiles } from './frame-shards.ts';
import { pixelsOf } from './image-encoding.ts';
import { IndexTable } from './index-table.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  GrowingTable,
  type TopicExtraction,
} from './topic-extraction.ts';

interface Frame {
  readonly bytes: Uint8Array;
  readonly mediaType: 'image/jpeg' | 'image/png';
  readonly widthPixels: number;
  readonly heightPixels: number;
}

interface IndexedFrame extends Omit<Frame, 'bytes'> {
  readonly timestampNs: bigint;
  readonly frameNumber: number;
  readonly shard: string;
  readonly byteOffset: number;
  readonly sizeBytes: number;
}

const JPEG_QUALITY = 90;

/**
 * The images of one topic in tar shards with an index table: what is JPEG or PNG passes through byte for byte, what
 * is raw becomes JPEG, or PNG where 16 bits count.
 */
export class ImageFrames implements TopicExtraction {
  readonly #topic: string;
  readonly #place: ExtractionPlace;
  readonly #folderName: string;
  readonly #shards: FrameShards;
  readonly #index: IndexTable<IndexedFrame>;

  constructor(
    place: ExtractionPlace,
    table: { readonly name: string; readonly schemaName: string },
    shardSizeBytesMax: number,
  ) {
    this.#topic = table.name;
    this.#place = place;
    this.#folderName = place.names.of(table.name);
    this.#shards = new FrameShards(place.folder, this.#folderName, shardSizeBytesMax);
    const { name, schemaName } = table;
    const about = { name, role: FRAME_INDEX_ROLE, schemaName, columns: FRAME_INDEX_COLUMNS };
    const growing = new GrowingTable(place, `${this.#folderName}/index.parquet`, name, about);
    this.#index = new IndexTable(growing, indexColumns);
  }

  async take(whole: TableBatch): Promise<void> {
    const batch = this.#place.downsampler.thin(whole);
    for (let row = 0; row < batch.rowCount; row++) {
      const frame = await this.#frameOf(batch, row);
      if (frame === undefined) continue;
      const { bytes, ...facts } = frame;
      const timestampNs = batch.timestampsNs[row]!;
      const frameNumber = this.#index.rowCount;
      const extension = facts.mediaType === 'image/png' ? 'png' : 'jpg';
      const fileName = `${String(frameNumber).padStart(8, '0')}.${extension}`;
      const place = await this.#shards.add(fileName, bytes, timestampNs);
      await this.#index.add({ timestampNs, frameNumber, ...place, ...facts });
    }
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    const shards = shardFiles(await this.#shards.close(), this.#folderName, this.#topic);
    const index = await this.#index.close();
    return index === undefined ? [] : [...shards, index];
  }

  async #frameOf(batch: TableBatch, row: number): Promise<Frame | undefined> {
    const data = bytesColumn(batch, 'data')?.(row);
    if (data === undefined) return this.#lose('it has no image data', 0);
    const encoding = textColumn(batch, 'encoding')?.(row);
    try {
      return encoding === undefined
        ? await compressedFrame(data)
        : await encodedFrame(batch, row, data, encoding);
    } catch (error) {
      // An image that is damaged, or in an encoding nobody knows, is one lost frame, not a lost topic.
      if (!(error instanceof Error)) throw error;
      return this.#lose(error.message, data.length);
    }
  }

  #lose(what: string, sizeBytes: number): undefined {
    this.#place.lost.add(1, sizeBytes, `${this.#topic}: an image is lost: ${what}`);
    return undefined;
  }
}

/** Anything but JPEG and PNG that an image library knows becomes JPEG. */
async function compressedFrame(data: Uint8Array): Promise<Frame> {
  const { format, width = 0, height = 0 } = await sharp(data).metadata();
  if (format === 'jpeg' || format === 'png') {
    return { bytes: data, mediaType: `image/${format}`, widthPixels: width, heightPixels: height };
  }
  const bytes = await sharp(data).jpeg({ quality: JPEG_QUALITY }).toBuffer();
  return { bytes, mediaType: 'image/jpeg', widthPixels: width, heightPixels: height };
}

async function encodedFrame(
  batch: TableBatch,
  row: number,
  data: Uint8Array,
  encoding: string,
): Promise<Frame> {
  const number = (name: string) => Number(numberColumn(batch, name)?.[row] ?? 0);
  const pixels = pixelsOf({
    data,
    encoding,
    widthPixels: number('width'),
    heightPixels: number('height'),
    stepBytes: number('step'),
    isBigEndian: number('is_bigendian') !== 0,
  });
  const { widthPixels: width, heightPixels: height, channels } = pixels;
  const facts = { widthPixels: width, heightPixels: height };
  if (pixels.bitsPerChannel === 16) {
    const words = new Uint16Array(pixels.data.buffer, pixels.data.byteOffset, pixels.data.length / 2);
    const image = sharp(words, { raw: { width, height, channels } });
    const deep = channels === 1 ? image.toColourspace('grey16') : image.toColourspace('rgb16');
    return { bytes: await deep.png().toBuffer(), mediaType: 'image/png', ...facts };
  }
  const bytes = await sharp(pixels.data, { raw: { width, height, channels } })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  return { bytes, mediaType: 'image/jpeg', ...facts };
}

function indexColumns(frames: readonly IndexedFrame[]) {
  return [
    { values: BigInt64Array.from(frames, (frame) => frame.timestampNs) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.frameNumber)) },
    { values: textValues(frames.map((frame) => frame.shard)) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.byteOffset)) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.sizeBytes)) },
    { values: textValues(frames.map((frame) => frame.mediaType)) },
    { values: Int32Array.from(frames, (frame) => frame.widthPixels) },
    { values: Int32Array.from(frames, (frame) => frame.heightPixels) },
  ];
}
