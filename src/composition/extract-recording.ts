import { join } from 'node:path';
import { writeAttachments } from '#adapters/extraction/attachments.ts';
import { CameraTopics } from '#adapters/extraction/camera-topics.ts';
import { type BusDatabase, CanDecoding, CanTopics } from '#adapters/extraction/can-topics.ts';
import { Downsampler } from '#adapters/extraction/downsampling.ts';
import { LidarTopics } from '#adapters/extraction/lidar-topics.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  OutputNames,
  type TopicExtraction,
} from '#adapters/extraction/topic-extraction.ts';
import { TopicTables } from '#adapters/extraction/topic-tables.ts';
import { vehicleWay } from '#adapters/extraction/vehicle-way.ts';
import type { TableWriter } from '#domain/ports/table-writer.ts';
import type { Downsampling, DownsamplingReport } from '#domain/tasks/extract-tasks.ts';
import { sensorKindOf } from '#domain/topic-kinds.ts';
import { type Loss, LossCounter, type RecordingReader, type Selection } from '#formats/recording-reader.ts';

export interface LocalExtraction {
  readonly folder: string;
  readonly tableWriter: TableWriter;
  readonly selection: Selection;
  readonly databases: readonly BusDatabase[];
  /** For every topic. */
  readonly downsampling?: Downsampling;
  readonly pcd: boolean;
  /** Facts of the source that go into every table. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface LocalExtractionResult {
  readonly files: readonly ExtractedFile[];
  readonly loss: Loss;
  readonly downsampling: readonly DownsamplingReport[];
  readonly framesDecoded: number;
  readonly framesUnknown: number;
  /** What of the databases could not be used. */
  readonly problems: readonly string[];
  /** Whether a rule by distance found no positions to go by. */
  readonly wayUnknown: boolean;
}

const SHARD_SIZE_BYTES_MAX = 256 * 1024 ** 2;

/** All kinds of topics of one recording into one local folder, in one pass: what the extraction tasks do, at home. */
export async function extractRecording(
  reader: RecordingReader,
  options: LocalExtraction,
): Promise<LocalExtractionResult> {
  const { downsampling, selection, folder, tableWriter, metadata } = options;
  const byDistance = downsampling?.distanceMetresMin !== undefined;
  const way = byDistance ? await vehicleWay(reader) : undefined;
  const place: ExtractionPlace = {
    folder,
    tableWriter,
    metadata,
    downsampler: new Downsampler(downsampling === undefined ? {} : { '*': downsampling }, way),
    names: new OutputNames(),
    lost: new LossCounter(),
  };
  const canTopics = reader.summary.tables.filter((table) => sensorKindOf(table) === 'can');
  const decoding = new CanDecoding(
    options.databases,
    canTopics.map((table) => table.name),
  );
  const can = new CanTopics(place, decoding);
  const tables = new TopicTables(place);
  const byKind: Partial<Record<string, TopicExtraction>> = {
    camera: new CameraTopics(place, SHARD_SIZE_BYTES_MAX),
    lidar: new LidarTopics(place, { pcd: options.pcd, shardSizeBytesMax: SHARD_SIZE_BYTES_MAX }),
    can,
  };
  for await (const batch of reader.read(selection))
    await (byKind[sensorKindOf(batch.table)] ?? tables).take(batch);
  const files: ExtractedFile[] = [];
  for (const extraction of [tables, ...Object.values(byKind)])
    if (extraction !== undefined) files.push(...(await extraction.finish()));
  // Whoever asks for some topics does not ask for what lies beside them.
  if (selection.tables === undefined) {
    files.push(...(await writeAttachments(reader.summary.attachments, folder, place.lost)));
  }
  return {
    files,
    loss: joined(reader.loss(), place.lost.report()),
    downsampling: place.downsampler.report(),
    framesDecoded: can.framesDecoded,
    framesUnknown: can.framesUnknown,
    problems: decoding.problems,
    wayUnknown: byDistance && way === undefined,
  };
}

function joined(a: Loss, b: Loss): Loss {
  return { records: a.records + b.records, bytes: a.bytes + b.bytes, reasons: [...a.reasons, ...b.reasons] };
}

/** The name of a table among all tables of an extraction: points and scans stand beside the messages they come from. */
export function tableNameOf({ table }: ExtractedFile): string {
  const suffixes: Readonly<Record<string, string>> = { points: '.points', scans: '.pcd' };
  return `${table?.name ?? ''}${suffixes[table?.role ?? ''] ?? ''}`;
}

export function pathOf(folder: string, file: ExtractedFile): string {
  return join(folder, file.name);
}
