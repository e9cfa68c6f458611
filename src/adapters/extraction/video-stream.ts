import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { textValues } from '#domain/column-values.ts';
import { VIDEO_INDEX_COLUMNS, VIDEO_INDEX_ROLE } from '#domain/table-columns.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { bytesColumn, textColumn } from './batch-columns.ts';
import { IndexTable } from './index-table.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  GrowingTable,
  type TopicExtraction,
} from './topic-extraction.ts';
import { isKeyFrame, type VideoCodec, videoCodecOf } from './video-units.ts';

interface IndexedFrame {
  readonly timestampNs: bigint;
  readonly frameNumber: number;
  readonly byteOffset: number;
  readonly sizeBytes: number;
  readonly isKey: boolean;
  readonly file: string;
}

interface OpenStream {
  readonly codec: VideoCodec;
  readonly name: string;
  readonly localPath: string;
  readonly file: FileHandle;
  readonly hash: ReturnType<typeof createHash>;
  sizeBytes: number;
}

/**
 * The frames of one video topic, one behind the other: an elementary stream that players and decoders open, with an
 * index of its frames. A topic that changes its codec gets a further stream.
 */
export class VideoStream implements TopicExtraction {
  readonly #topic: string;
  readonly #place: ExtractionPlace;
  readonly #folderName: string;
  readonly #index: IndexTable<IndexedFrame>;
  readonly #streams = new Map<VideoCodec, OpenStream>();

  constructor(place: ExtractionPlace, table: { readonly name: string; readonly schemaName: string }) {
    this.#topic = table.name;
    this.#place = place;
    this.#folderName = place.names.of(table.name);
    const { name, schemaName } = table;
    const about = { name, role: VIDEO_INDEX_ROLE, schemaName, columns: VIDEO_INDEX_COLUMNS };
    const growing = new GrowingTable(place, `${this.#folderName}/index.parquet`, name, about);
    this.#index = new IndexTable(growing, indexColumns);
  }

  /** Not thinned: a video frame is understood from those before it. */
  async take(batch: TableBatch): Promise<void> {
    const dataOf = bytesColumn(batch, 'data');
    const formatOf = textColumn(batch, 'format') ?? textColumn(batch, 'encoding');
    for (let row = 0; row < batch.rowCount; row++) {
      const data = dataOf?.(row) ?? new Uint8Array();
      const format = formatOf?.(row) ?? '';
      const codec = videoCodecOf(format);
      const isKey = codec === undefined ? undefined : this.#keyFrame(data, codec);
      if (codec === undefined) this.#lose(`its format "${format}" is no known video codec`, data.length);
      if (codec === undefined || isKey === undefined) continue;
      const stream = await this.#streamOf(codec);
      const timestampNs = batch.timestampsNs[row]!;
      const frameNumber = this.#index.rowCount;
      const place = { byteOffset: stream.sizeBytes, sizeBytes: data.length, file: stream.name };
      await stream.file.write(data);
      stream.hash.update(data);
      stream.sizeBytes += data.length;
      await this.#index.add({ timestampNs, frameNumber, isKey, ...place });
    }
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    const files: ExtractedFile[] = [];
    for (const { codec, name, localPath, file, hash, sizeBytes } of this.#streams.values()) {
      await file.close();
      const about = { mediaType: `video/${codec}`, topic: this.#topic };
      files.push({
        name: `${this.#folderName}/${name}`,
        localPath,
        sizeBytes,
        sha256: hash.digest('hex'),
        ...about,
      });
    }
    const index = await this.#index.close();
    return index === undefined ? [] : [...files, index];
  }

  #keyFrame(data: Uint8Array, codec: VideoCodec): boolean | undefined {
    try {
      return isKeyFrame(data, codec);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#lose(error.message, data.length);
      return undefined;
    }
  }

  #lose(what: string, sizeBytes: number): void {
    this.#place.lost.add(1, sizeBytes, `${this.#topic}: a video frame is lost: ${what}`);
  }

  async #streamOf(codec: VideoCodec): Promise<OpenStream> {
    const known = this.#streams.get(codec);
    if (known !== undefined) return known;
    const name = `video.${codec}`;
    const folder = join(this.#place.folder, this.#folderName);
    await mkdir(folder, { recursive: true });
    const localPath = join(folder, name);
    const file = await open(localPath, 'w');
    const stream = { codec, name, localPath, file, hash: createHash('sha256'), sizeBytes: 0 };
    this.#streams.set(codec, stream);
    return stream;
  }
}

function indexColumns(frames: readonly IndexedFrame[]) {
  return [
    { values: BigInt64Array.from(frames, (frame) => frame.timestampNs) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.frameNumber)) },
    { values: textValues(frames.map((frame) => frame.file)) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.byteOffset)) },
    { values: BigInt64Array.from(frames, (frame) => BigInt(frame.sizeBytes)) },
    { values: Uint8Array.from(frames, (frame) => (frame.isKey ? 1 : 0)) },
  ];
}
