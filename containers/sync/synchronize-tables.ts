import { join } from 'node:path';
import { columnFacts } from '#composition/extract-files.ts';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { numbersOf, timesOf } from '#domain/column-values.ts';
import type { StoredRows } from '#domain/ports/table-reader.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import { SyncTask } from '#domain/tasks/sync-task.ts';
import type { Signal } from '#domain/timeline.ts';
import {
  inOrderOfTime,
  type LoadedTable,
  synchronizedColumns,
  synchronizedRows,
  type TimelineOptions,
} from './synchronize.ts';

/** Puts the signals of the extracted tables on one timeline. */
export const synchronizeTables: TaskDefinition<SyncTask> = {
  image: 'landfall/sync',
  configuration: SyncTask,
  work: async (task, tools) => {
    const readAt = performance.now();
    const tables: LoadedTable[] = [];
    for (const [index, selected] of task.tables.entries()) {
      tables.push({ selected, signals: await loadSignals(selected, index, tools) });
      tools.progress(index + 1, task.tables.length);
    }
    const writeAt = performance.now();
    const options: TimelineOptions = {
      periodNs: BigInt(task.periodNs),
      toleranceNs: BigInt(task.toleranceNs),
    };
    const columns = synchronizedColumns(tables, options);
    const metadata = {
      measurementId: task.measurementId,
      periodNs: String(task.periodNs),
      toleranceNs: String(task.toleranceNs),
    };
    const table = await tools.tableWriter.open(join(tools.scratchFolder, 'synchronized.parquet'), {
      columns,
      metadata,
    });
    for (const rows of synchronizedRows(tables, options)) await table.append(rows);
    const file = await tools.uploadTable(
      await table.close(),
      task.output.structured!,
      'synchronized.parquet',
      {
        mediaType: 'application/vnd.apache.parquet',
        sensor: 'structured',
        table: {
          name: 'synchronized',
          role: 'synchronized',
          schemaName: '',
          columns: columns.map(columnFacts),
        },
      },
    );
    const timingsMs = { read: writeAt - readAt, write: performance.now() - writeAt };
    return { outcome: 'succeeded', files: [file], loss: NO_LOSS, timingsMs };
  },
};

/** The signals of one topic. Batches are kept as numbers and joined once: 9 bytes a sample. */
async function loadSignals(
  selected: SyncTask['tables'][number],
  index: number,
  tools: TaskTools,
): Promise<readonly Signal[]> {
  const names = selected.signals.map((signal) => signal.column);
  const batches: StoredRows[] = [];
  for (const [number, part] of selected.parts.entries()) {
    const localPath = join(tools.scratchFolder, `input-${index}-${number}.parquet`);
    await tools.download(part, localPath);
    for await (const rows of tools.tableReader.read(localPath, [TIME_COLUMN.name, ...names]))
      batches.push(rows);
  }
  return inOrderOfTime(
    timesOf(batches, 0),
    names.map((_, column) => numbersOf(batches, column + 1)),
  );
}
