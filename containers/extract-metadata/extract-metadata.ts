import { join } from 'node:path';
import { writeAttachments } from '#adapters/extraction/attachments.ts';
import { OutputNames } from '#adapters/extraction/topic-extraction.ts';
import { columnFacts, sourceMetadata } from '#composition/extract-files.ts';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { textValues } from '#domain/column-values.ts';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import { below } from '#domain/stage-plan.ts';
import { ExtractMetadataTask, type SelectedFile } from '#domain/tasks/extract-tasks.ts';
import { rfc3339Of } from '#domain/times.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import { LossCounter, type RecordingSummary } from '#formats/recording-reader.ts';

/** What the files say of themselves: a document and a table of topics per file, and the files embedded in it. */
export const extractMetadata: TaskDefinition<ExtractMetadataTask> = {
  image: 'landfall/extract-metadata',
  configuration: ExtractMetadataTask,
  async work(task, tools) {
    const folder = task.output.structured!;
    const files: ResultFile[] = [];
    const names = new OutputNames();
    const lost = new LossCounter();
    for (const [index, file] of task.files.entries()) {
      const reader = await tools.openStoredRecording(file.location, file.path);
      try {
        const { summary } = reader;
        const about = { sensor: 'structured', sourceFile: file.path } as const;
        const place = below(folder, `${names.of(file.path)}/`);
        files.push(await tools.writeDocument(documentOf(file, summary), place, 'metadata.json', about));
        const table = await tools.tableWriter.open(join(tools.scratchFolder, `${index}.parquet`), {
          columns: COLUMNS,
          metadata: sourceMetadata(task.measurementId, file),
        });
        await table.append(topicRows(summary));
        files.push(
          await tools.uploadTable(await table.close(), place, 'topics.parquet', {
            ...about,
            mediaType: 'application/vnd.apache.parquet',
            table: { name: 'topics', role: 'metadata', schemaName: '', columns: COLUMNS.map(columnFacts) },
          }),
        );
        files.push(...(await attachments(file, summary, place, tools, lost)));
      } finally {
        await reader.close();
      }
    }
    const { records, bytes, reasons } = lost.report();
    return { outcome: 'succeeded', files, loss: { records, bytes, reasons: [...reasons] } };
  },
};

async function attachments(
  file: SelectedFile,
  summary: RecordingSummary,
  folder: BlobLocation,
  tools: TaskTools,
  lost: LossCounter,
): Promise<readonly ResultFile[]> {
  const files: ResultFile[] = [];
  for (const { localPath, name, mediaType } of await writeAttachments(
    summary.attachments,
    tools.scratchFolder,
    lost,
  )) {
    const about = { mediaType, sensor: 'structured' as const, sourceFile: file.path };
    files.push(await tools.upload(localPath, folder, name, about));
  }
  return files;
}

const COLUMNS: readonly TableColumn[] = [
  { name: 'name', type: 'string', description: 'topic, channel group' },
  { name: 'schema_name', type: 'string' },
  { name: 'encoding', type: 'string' },
  { name: 'row_count', type: 'int64', description: 'null where the file does not say before it is read' },
  { name: 'columns', type: 'string', description: 'JSON: name, type, unit of each' },
];

function topicRows({ tables }: RecordingSummary) {
  return {
    rowCount: tables.length,
    columns: [
      { values: textValues(tables.map((table) => table.name)) },
      { values: textValues(tables.map((table) => table.schemaName)) },
      { values: textValues(tables.map((table) => table.encoding)) },
      {
        values: BigInt64Array.from(tables, (table) => BigInt(table.rowCount ?? 0)),
        validity: Uint8Array.from(tables, (table) => (table.rowCount === undefined ? 0 : 1)),
      },
      { values: textValues(tables.map((table) => JSON.stringify(table.columns.map(columnFacts)))) },
    ],
  };
}

function documentOf(file: SelectedFile, summary: RecordingSummary): object {
  const { startTimeNs, endTimeNs, tables, attachments, ...facts } = summary;
  return {
    ...facts,
    path: file.path,
    sha256: file.sha256,
    ...(startTimeNs === undefined ? {} : { startTime: rfc3339Of(startTimeNs) }),
    ...(endTimeNs === undefined ? {} : { endTime: rfc3339Of(endTimeNs) }),
    topics: tables.map(({ name, group, schemaName, encoding, rowCount }) => ({
      name,
      group,
      schemaName,
      encoding,
      rowCount,
    })),
    attachments: attachments.map(({ name, mediaType, sizeBytes }) => ({ name, mediaType, sizeBytes })),
  };
}
