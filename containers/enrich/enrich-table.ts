import { join } from 'node:path';
import { getPosition } from 'suncalc';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { timesOf } from '#domain/column-values.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { EnrichTask } from '#domain/tasks/enrich-task.ts';
import { rfc3339Of } from '#domain/times.ts';
import { enrich } from './enrich.ts';

/** Adds to every row of the synchronized table what the vehicle did and where the sun stood. */
export const enrichTable: TaskDefinition<EnrichTask> = {
  image: 'landfall/enrich',
  configuration: EnrichTask,
  work: async (task, tools) => {
    const input = join(tools.scratchFolder, 'synchronized.parquet');
    await tools.download(task.synchronized, input);
    const stored = await tools.tableReader.describe(input);
    const batches = [];
    for await (const rows of tools.tableReader.read(input)) batches.push(rows);
    const { columns, rows } = enrich(stored.definition.columns, batches, sunPosition);
    const table = await tools.tableWriter.open(join(tools.scratchFolder, 'enriched.parquet'), {
      columns,
      metadata: {
        measurementId: task.measurementId,
        synchronizedSha256: task.synchronized.sha256,
        sun: 'suncalc 2.0.2',
      },
    });
    await table.append(rows);
    const file = await tools.uploadTable(await table.close(), task.output.structured!, 'enriched.parquet', {
      mediaType: 'application/vnd.apache.parquet',
      sensor: 'structured',
      table: {
        name: 'enriched',
        role: 'enriched',
        schemaName: '',
        columns: columns.map(({ name, type, unit }) => ({
          name,
          type: String(type),
          ...(unit === undefined ? {} : { unit }),
        })),
        ...startAndEnd(timesOf([rows], 0)),
      },
    });
    return { outcome: 'succeeded', files: [file], loss: NO_LOSS };
  },
};

function startAndEnd(timestampsNs: BigInt64Array): { startTime?: string; endTime?: string } {
  const [first, last] = [timestampsNs.at(0), timestampsNs.at(-1)];
  if (first === undefined || last === undefined) return {};
  return { startTime: rfc3339Of(first), endTime: rfc3339Of(last) };
}

function sunPosition(time: Date, latitudeDegrees: number, longitudeDegrees: number) {
  const { altitude, azimuth } = getPosition(time, latitudeDegrees, longitudeDegrees);
  return { elevationDegrees: altitude, azimuthDegrees: azimuth };
}
