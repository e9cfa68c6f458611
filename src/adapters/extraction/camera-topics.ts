import { typeNameOf } from '#domain/topic-kinds.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { textColumn } from './batch-columns.ts';
import { ImageFrames } from './image-frames.ts';
import type { ExtractedFile, ExtractionPlace, TopicExtraction } from './topic-extraction.ts';
import { TopicTables } from './topic-tables.ts';
import { VideoStream } from './video-stream.ts';
import { videoCodecOf } from './video-units.ts';

const IMAGE_TYPES = new Set([
  'sensor_msgs/Image',
  'sensor_msgs/CompressedImage',
  'foxglove.RawImage',
  'foxglove.CompressedImage',
]);
const VIDEO_TYPES = new Set([
  'foxglove.CompressedVideo',
  'foxglove_msgs/CompressedVideo',
  'ffmpeg_image_transport_msgs/FFMPEGPacket',
]);

/**
 * Camera topics: images into frame shards, video into elementary streams, and everything else that belongs to a
 * camera (calibration, packets in encodings nobody knows) into tables as it was recorded.
 */
export class CameraTopics implements TopicExtraction {
  readonly #place: ExtractionPlace;
  readonly #shardSizeBytesMax: number;
  readonly #tables: TopicTables;
  readonly #topics = new Map<string, TopicExtraction>();

  constructor(place: ExtractionPlace, shardSizeBytesMax: number) {
    this.#place = place;
    this.#shardSizeBytesMax = shardSizeBytesMax;
    this.#tables = new TopicTables(place);
  }

  async take(batch: TableBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    let topic = this.#topics.get(batch.table.name);
    if (topic === undefined) {
      topic = this.#extractionOf(batch);
      this.#topics.set(batch.table.name, topic);
    }
    await topic.take(batch);
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    const files: ExtractedFile[] = [];
    for (const topic of new Set([...this.#topics.values(), this.#tables]))
      files.push(...(await topic.finish()));
    return files;
  }

  #extractionOf(batch: TableBatch): TopicExtraction {
    const typeName = typeNameOf(batch.table.schemaName);
    // Some recorders put video into messages meant for images, and say so in the format.
    const format = textColumn(batch, 'format')?.(0) ?? '';
    const isVideo = VIDEO_TYPES.has(typeName) || (IMAGE_TYPES.has(typeName) && isVideoFormat(format));
    if (isVideo) return new VideoStream(this.#place, batch.table);
    if (IMAGE_TYPES.has(typeName)) return new ImageFrames(this.#place, batch.table, this.#shardSizeBytesMax);
    return this.#tables;
  }
}

function isVideoFormat(format: string): boolean {
  return videoCodecOf(format) !== undefined;
}
