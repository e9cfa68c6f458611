import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Downsampler } from '#adapters/extraction/downsampling.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  OutputNames,
  type TopicExtraction,
} from '#adapters/extraction/topic-extraction.ts';
import { vehicleWay } from '#adapters/extraction/vehicle-way.ts';
import { columnTypeText, type TableColumn } from '#domain/ports/table-writer.ts';
import type { LossReport } from '#domain/recording-facts.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import { below, totalLoss } from '#domain/stage-plan.ts';
import type { DownsamplingReport, SelectedFile } from '#domain/tasks/extract-tasks.ts';
import type { DownsamplingRules } from '#domain/thinning.ts';
import { startAndEndOf } from '#domain/times.ts';
import type { BlobLocation, SensorKind } from '#domain/vocabulary.ts';
import { LossCounter, type RecordingReader } from '#formats/recording-reader.ts';
import type { TaskTools, TaskWork } from './task-tools.ts';

/** What all extraction tasks have in common: their files, one after the other, each read once, its topics selected. */
interface ExtractionTask {
  readonly measurementId: string;
  readonly files: readonly SelectedFile[];
  readonly output: Partial<Record<SensorKind, BlobLocation>>;
  readonly downsampling: DownsamplingRules;
}

/** What one kind of task does with the topics of one file. */
export type BeginExtraction = (file: SelectedFile, place: ExtractionPlace) => TopicExtraction;

export async function extractFiles(
  task: ExtractionTask,
  tools: TaskTools,
  begin: BeginExtraction,
): Promise<TaskWork> {
  const files: ResultFile[] = [];
  const losses: LossReport[] = [];
  const downsampling: (DownsamplingReport & { readonly file: string })[] = [];
  const folders = new OutputNames();
  const timingsMs = { extract: 0, upload: 0 };
  for (const [index, file] of task.files.entries()) {
    const startedAt = performance.now();
    const reader = await tools.openStoredRecording(file.location, file.path);
    try {
      const place = await placeOf(task, file, reader, tools, String(index));
      const extracted = await extractedFrom(reader, file, begin(file, place));
      const extractedAt = performance.now();
      for (const output of extracted) {
        files.push(await upload(task, file, output, folders.of(file.path), tools));
      }
      await rm(place.folder, { recursive: true });
      losses.push(lossOf(file, reader.loss()), lossOf(file, place.lost.report()));
      downsampling.push(...place.downsampler.report().map((report) => ({ file: file.path, ...report })));
      timingsMs.extract += extractedAt - startedAt;
      timingsMs.upload += performance.now() - extractedAt;
    } finally {
      await reader.close();
    }
    tools.progress(index + 1, task.files.length);
  }
  return {
    outcome: files.length === 0 ? 'empty' : 'succeeded',
    files,
    loss: totalLoss(losses),
    timingsMs,
    ...(downsampling.length === 0 ? {} : { facts: { downsampling } }),
  };
}

async function extractedFrom(
  reader: RecordingReader,
  file: SelectedFile,
  extraction: TopicExtraction,
): Promise<readonly ExtractedFile[]> {
  for await (const batch of reader.read({ tables: file.topics.map((topic) => topic.name) }))
    await extraction.take(batch);
  return extraction.finish();
}

async function placeOf(
  task: ExtractionTask,
  file: SelectedFile,
  reader: RecordingReader,
  tools: TaskTools,
  folderName: string,
): Promise<ExtractionPlace> {
  const folder = join(tools.scratchFolder, folderName);
  await mkdir(folder, { recursive: true });
  const byDistance = Object.values(task.downsampling).some((rule) => rule.distanceMetresMin !== undefined);
  const way = byDistance ? await vehicleWay(reader) : undefined;
  return {
    folder,
    tableWriter: tools.tableWriter,
    metadata: sourceMetadata(task.measurementId, file),
    downsampler: new Downsampler(task.downsampling, way),
    names: new OutputNames(),
    lost: new LossCounter(),
  };
}

/** Facts of the source that go into every table's own metadata. */
export function sourceMetadata(measurementId: string, file: SelectedFile): Readonly<Record<string, string>> {
  return { measurementId, sourceFile: file.path, sourceSha256: file.sha256, format: file.format };
}

/** A closed file to its place, with what people and later stages need to know of it. */
async function upload(
  task: ExtractionTask,
  file: SelectedFile,
  { name, localPath, sizeBytes, sha256, mediaType, topic, table }: ExtractedFile,
  folderName: string,
  tools: TaskTools,
): Promise<ResultFile> {
  const sensor = sensorOf(task, file, topic);
  const location = below(task.output[sensor]!, `${folderName}/${name}`);
  await tools.blobs.uploadFile(localPath, location, { contentType: mediaType });
  const about = { ...location, sizeBytes, sha256, mediaType, sensor, sourceFile: file.path };
  if (table === undefined) return about;
  const { startTimeNs, endTimeNs, rowCount, columns, ...facts } = table;
  return {
    ...about,
    rowCount,
    table: {
      ...facts,
      columns: columns.map(columnFacts),
      ...startAndEndOf({ startTimeNs, endTimeNs }),
    },
  };
}

/** Decoded messages are no topics of the file; they belong to the sensor of the task. */
function sensorOf(task: ExtractionTask, file: SelectedFile, topic: string): SensorKind {
  const known = file.topics.find((candidate) => candidate.name === topic)?.sensor;
  return known ?? (Object.keys(task.output) as SensorKind[])[0] ?? 'structured';
}

function lossOf(
  file: SelectedFile,
  loss: { readonly records: number; readonly bytes: number; readonly reasons: readonly string[] },
) {
  return { ...loss, reasons: loss.reasons.map((reason) => `${file.path}: ${reason}`) };
}

export function columnFacts({ name, type, unit }: TableColumn) {
  return { name, type: columnTypeText(type), ...(unit === undefined ? {} : { unit }) };
}
