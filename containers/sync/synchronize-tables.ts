import { join } from 'node:path';
import { columnFacts } from '#composition/extract-files.ts';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { timesOf } from '#domain/column-values.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { SyncTask } from '#domain/tasks/sync-task.ts';
import type { Stretch } from '#domain/timeline.ts';
import { CoveredTime, startAndEndOf } from '#domain/times.ts';
import { mergedInTime, recordedTimesOf, rowsInTime, type TimedRows } from './rows-in-time.ts';
import {
  PAUSE_NS_MIN,
  type SourceTable,
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
    const options: TimelineOptions = {
      periodNs: BigInt(task.periodNs),
      toleranceNs: BigInt(task.toleranceNs),
    };
    const tables: SourceTable[] = [];
    for (const [index, selected] of task.tables.entries()) {
      tables.push(await sourceTable(selected, index, tools));
      tools.progress(index + 1, task.tables.length);
    }
    const writeAt = performance.now();
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
    const covered = new CoveredTime();
    for await (const rows of synchronizedRows(tables, options)) {
      covered.include(timesOf([rows], 0));
      await table.append(rows);
    }
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
          ...startAndEndOf(covered),
        },
      },
    );
    const timingsMs = { read: writeAt - readAt, write: performance.now() - writeAt };
    return { outcome: 'succeeded', files: [file], loss: NO_LOSS, timingsMs };
  },
};

/** Brings the files of one topic here and looks at their times; their rows are read when they are needed. */
async function sourceTable(
  selected: SyncTask['tables'][number],
  index: number,
  tools: TaskTools,
): Promise<SourceTable> {
  const names = selected.signals.map((signal) => signal.column);
  const stretches: Stretch[] = [];
  const parts: AsyncIterable<TimedRows>[] = [];
  for (const [number, part] of selected.parts.entries()) {
    const localPath = join(tools.scratchFolder, `input-${index}-${number}.parquet`);
    await tools.download(part, localPath);
    const { ascending, stretches: recorded } = await recordedTimesOf(
      tools.tableReader,
      localPath,
      PAUSE_NS_MIN,
    );
    stretches.push(...recorded);
    parts.push(rowsInTime(tools.tableReader, { localPath, ascending }, names));
  }
  const [only] = parts;
  return { selected, stretches, rows: parts.length === 1 && only !== undefined ? only : mergedInTime(parts) };
}
