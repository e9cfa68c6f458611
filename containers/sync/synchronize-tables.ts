import { join } from 'node:path';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import { SyncTask } from '#domain/tasks/sync-task.ts';
import type { Signal } from '#domain/timeline.ts';
import { inOrderOfTime, type LoadedTable, synchronize } from './synchronize.ts';

/** Puts the signals of the extracted tables on one timeline. */
export const synchronizeTables: TaskDefinition<SyncTask> = {
  image: 'landfall/sync',
  configuration: SyncTask,
  work: async (task, tools) => {
    const readAt = performance.now();
    const tables: LoadedTable[] = [];
    for (const [index, selected] of task.tables.entries()) {
      const localPath = join(tools.scratchFolder, `input-${index}.parquet`);
      await tools.download(selected.table, localPath);
      tables.push({ selected, signals: await signalsOf(selected, localPath, tools) });
      tools.progress(index + 1, task.tables.length);
    }
    const alignAt = performance.now();
    const { columns, rows } = synchronize(tables, {
      periodNs: BigInt(task.periodNs),
      toleranceNs: BigInt(task.toleranceNs),
    });
    const writeAt = performance.now();
    const table = await tools.tableWriter.open(join(tools.scratchFolder, 'synchronized.parquet'), {
      columns,
      metadata: {
        measurementId: task.measurementId,
        periodNs: String(task.periodNs),
        toleranceNs: String(task.toleranceNs),
      },
    });
    await table.append(rows);
    const written = await table.close();
    const file = await tools.uploadTable(written, task.output.structured!, 'synchronized.parquet', {
      mediaType: 'application/vnd.apache.parquet',
      sensor: 'structured',
      table: {
        name: 'synchronized',
        role: 'synchronized',
        schemaName: '',
        columns: columns.map(({ name, type, unit }) => ({
          name,
          type: String(type),
          ...(unit === undefined ? {} : { unit }),
        })),
      },
    });
    return {
      outcome: 'succeeded',
      files: [file],
      loss: NO_LOSS,
      timingsMs: { read: alignAt - readAt, align: writeAt - alignAt, write: performance.now() - writeAt },
    };
  },
};

/** The signals of one stored table. Batches are kept as numbers and joined once: 17 bytes a sample. */
async function signalsOf(
  selected: SyncTask['tables'][number],
  localPath: string,
  tools: TaskTools,
): Promise<readonly Signal[]> {
  const names = selected.signals.map((signal) => signal.column);
  const times: BigInt64Array[] = [];
  const values: Float64Array[][] = names.map(() => []);
  const validity: Uint8Array[][] = names.map(() => []);
  for await (const rows of tools.tableReader.read(localPath, [TIME_COLUMN.name, ...names])) {
    const [time, ...columns] = rows.columns;
    times.push(BigInt64Array.from(time!.values as BigInt64Array));
    columns.forEach((column, index) => {
      values[index]!.push(Float64Array.from(column.values as Float64Array, Number));
      validity[index]!.push(column.validity?.slice() ?? new Uint8Array(rows.rowCount).fill(1));
    });
  }
  const rowCount = times.reduce((sum, part) => sum + part.length, 0);
  const timestampsNs = joined(new BigInt64Array(rowCount), times);
  return names.map((_, index) =>
    inOrderOfTime({
      timestampsNs,
      values: joined(new Float64Array(rowCount), values[index]!),
      validity: joined(new Uint8Array(rowCount), validity[index]!),
    }),
  );
}

function joined<T extends BigInt64Array | Float64Array | Uint8Array>(whole: T, parts: readonly T[]): T {
  let offset = 0;
  for (const part of parts) {
    (whole as { set(values: T, offset: number): void }).set(part, offset);
    offset += part.length;
  }
  return whole;
}
