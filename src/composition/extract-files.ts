import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileNameOf, TopicTables, type WrittenTopicTable } from '#adapters/extraction/topic-tables.ts';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import type { LossReport } from '#domain/recording-facts.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import { totalLoss } from '#domain/stage-plan.ts';
import type { SelectedFile } from '#domain/tasks/extract-tasks.ts';
import { rfc3339Of } from '#domain/times.ts';
import type { BlobLocation, SensorKind } from '#domain/vocabulary.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import type { TaskTools, TaskWork } from './task-tools.ts';

/** What all extraction tasks have in common: their files, one after the other, each read once, its topics selected. */

/** What one kind of task does with one file. */
export interface FileExtraction {
  take(batch: TableBatch): Promise<void>;
  /** Uploads what there is. */
  finish(): Promise<readonly ResultFile[]>;
}

export async function extractFiles(
  task: { readonly files: readonly SelectedFile[] },
  tools: TaskTools,
  begin: (file: SelectedFile, scratchFolder: string) => Promise<FileExtraction>,
): Promise<TaskWork> {
  const files: ResultFile[] = [];
  const losses: LossReport[] = [];
  for (const [index, file] of task.files.entries()) {
    const scratchFolder = join(tools.scratchFolder, String(index));
    await mkdir(scratchFolder, { recursive: true });
    const reader = await tools.openStoredRecording(file.location, file.path);
    const extraction = await begin(file, scratchFolder);
    for await (const batch of reader.read({ tables: file.topics.map((topic) => topic.name) })) {
      await extraction.take(batch);
    }
    files.push(...(await extraction.finish()));
    const { records, bytes, reasons } = reader.loss();
    losses.push({ records, bytes, reasons: reasons.map((reason) => `${file.path}: ${reason}`) });
    tools.progress(index + 1, task.files.length);
  }
  return { outcome: files.length === 0 ? 'empty' : 'succeeded', files, loss: totalLoss(losses) };
}

/** Facts of the source that go into every table's own metadata. */
export function sourceMetadata(measurementId: string, file: SelectedFile): Readonly<Record<string, string>> {
  return { measurementId, sourceFile: file.path, sourceSha256: file.sha256, format: file.format };
}

export function topicTables(
  measurementId: string,
  file: SelectedFile,
  scratchFolder: string,
  tools: TaskTools,
): TopicTables {
  return new TopicTables(tools.tableWriter, scratchFolder, sourceMetadata(measurementId, file));
}

export interface UploadTarget {
  readonly folder: BlobLocation;
  readonly sensor: SensorKind;
  readonly role: string;
  readonly sourceFile: string;
}

/** A closed table to its place, with what people and later stages need to know of it. */
export function uploadTopicTable(
  tools: TaskTools,
  topic: WrittenTopicTable,
  target: UploadTarget,
): Promise<ResultFile> {
  const name = `${fileNameOf(target.sourceFile)}/${fileNameOf(topic.name)}.${target.role}.parquet`;
  return tools.uploadTable(topic.written, target.folder, name, {
    mediaType: 'application/vnd.apache.parquet',
    sensor: target.sensor,
    sourceFile: target.sourceFile,
    table: {
      name: topic.name,
      role: target.role,
      schemaName: topic.schemaName,
      columns: topic.columns.map(columnFacts),
      startTime: rfc3339Of(topic.startTimeNs),
      endTime: rfc3339Of(topic.endTimeNs),
    },
  });
}

export function columnFacts({ name, type, unit }: TableColumn) {
  return { name, type: typeText(type), ...(unit === undefined ? {} : { unit }) };
}

function typeText(type: TableColumn['type']): string {
  return typeof type === 'string' ? type : `list<${typeText(type.list)}>`;
}
