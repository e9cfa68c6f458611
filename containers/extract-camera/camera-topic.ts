import { join } from 'node:path';
import sharp from 'sharp';
import { bytesColumn, numberColumn, textColumn } from '#adapters/extraction/batch-columns.ts';
import { FrameShards } from '#adapters/extraction/frame-shards.ts';
import { pixelsOf } from '#adapters/extraction/image-encoding.ts';
import { fileNameOf } from '#adapters/extraction/topic-tables.ts';
import { columnFacts, sourceMetadata } from '#composition/extract-files.ts';
import type { TaskTools } from '#composition/task-tools.ts';
import { textValues } from '#domain/column-values.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import { FRAME_INDEX_COLUMNS, FRAME_INDEX_ROLE } from '#domain/table-columns.ts';
import type { SelectedFile } from '#domain/tasks/extract-tasks.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import type { LossCounter, TableBatch } from '#formats/recording-reader.ts';

export interface CameraTopicOptions {
  readonly scratchFolder: string;
  /** Of the shards' names; unique among the topics of a file. */
  readonly prefix: string;
  readonly shardSizeBytesMax: number;
  readonly lost: LossCounter;
}

interface Frame {
  readonly bytes: Uint8Array;
  readonly mediaType: 'image/jpeg' | 'image/png';
  readonly widthPixels: number;
  readonly heightPixels: number;
}

interface IndexedFrame {
  readonly timestampNs: bigint;
  readonly shard: string;
  readonly byteOffset: number;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly widthPixels: number;
  readonly heightPixels: number;
}

const JPEG_QUALITY = 90;

/** The frames of one topic: what is compressed passes through, what is raw becomes JPEG, or PNG where 16 bits count. */
export class CameraTopic {
  readonly #name: string;
  readonly #schemaName: string;
  readonly #options: CameraTopicOptions;
  readonly #shards: FrameShards;
  readonly #index: IndexedFrame[] = [];

  constructor(name: string, schemaName: string, options: CameraTopicOptions) {
    this.#name = name;
    this.#schemaName = schemaName;
    this.#options = options;
    this.#shards = new FrameShards(options.scratchFolder, options.prefix, options.shardSizeBytesMax);
  }

  async add(batch: TableBatch): Promise<void> {
    for (let row = 0; row < batch.rowCount; row++) {
      const frame = await this.#frameOf(batch, row);
      if (frame === undefined) continue;
      const timestampNs = batch.timestampsNs[row]!;
      const extension = frame.mediaType === 'image/png' ? 'png' : 'jpg';
      const fileName = `${String(this.#index.length).padStart(8, '0')}.${extension}`;
      const place = await this.#shards.add(fileName, frame.bytes, timestampNs);
      const { mediaType, widthPixels, heightPixels } = frame;
      this.#index.push({ timestampNs, ...place, mediaType, widthPixels, heightPixels });
    }
  }

  async upload(
    measurementId: string,
    file: SelectedFile,
    folder: BlobLocation,
    tools: TaskTools,
  ): Promise<readonly ResultFile[]> {
    if (this.#index.length === 0) return [];
    const subfolder = `${fileNameOf(file.path)}/${fileNameOf(this.#name)}`;
    const about = { sensor: 'camera' as const, sourceFile: file.path };
    const uploads: ResultFile[] = [];
    for (const shard of await this.#shards.close()) {
      uploads.push(
        await tools.upload(shard.localPath, folder, `${subfolder}/${shard.name}`, {
          ...about,
          mediaType: 'application/x-tar',
        }),
      );
    }
    const table = await tools.tableWriter.open(
      join(this.#options.scratchFolder, `${this.#options.prefix}.parquet`),
      {
        columns: FRAME_INDEX_COLUMNS,
        metadata: { ...sourceMetadata(measurementId, file), topic: this.#name, schemaName: this.#schemaName },
      },
    );
    await table.append(indexRows(this.#index));
    uploads.push(
      await tools.uploadTable(await table.close(), folder, `${subfolder}/index.parquet`, {
        ...about,
        mediaType: 'application/vnd.apache.parquet',
        table: {
          name: this.#name,
          role: FRAME_INDEX_ROLE,
          schemaName: this.#schemaName,
          columns: FRAME_INDEX_COLUMNS.map((column) => columnFacts(column)),
        },
      }),
    );
    return uploads;
  }

  async #frameOf(batch: TableBatch, row: number): Promise<Frame | undefined> {
    const data = bytesColumn(batch, 'data')?.(row);
    if (data === undefined) return this.#lose(`${this.#schemaName} has no image data`, 0);
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
    this.#options.lost.add(1, sizeBytes, `${this.#name}: ${what}`);
    return undefined;
  }
}

/** JPEG and PNG pass through byte for byte; anything else an image library knows becomes JPEG. */
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
    const grey = channels === 1 ? image.toColourspace('grey16') : image.toColourspace('rgb16');
    return { bytes: await grey.png().toBuffer(), mediaType: 'image/png', ...facts };
  }
  const bytes = await sharp(pixels.data, { raw: { width, height, channels } })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  return { bytes, mediaType: 'image/jpeg', ...facts };
}

function indexRows(frames: readonly IndexedFrame[]) {
  return {
    rowCount: frames.length,
    columns: [
      { values: BigInt64Array.from(frames, (frame) => frame.timestampNs) },
      { values: BigInt64Array.from(frames.keys(), BigInt) },
      { values: textValues(frames.map((frame) => frame.shard)) },
      { values: BigInt64Array.from(frames, (frame) => BigInt(frame.byteOffset)) },
      { values: BigInt64Array.from(frames, (frame) => BigInt(frame.sizeBytes)) },
      { values: textValues(frames.map((frame) => frame.mediaType)) },
      { values: Int32Array.from(frames, (frame) => frame.widthPixels) },
      { values: Int32Array.from(frames, (frame) => frame.heightPixels) },
    ],
  };
}
