import { join } from 'node:path';
import { getPosition } from 'suncalc';
import { columnFacts } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { timesOf } from '#domain/column-values.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { EnrichTask } from '#domain/tasks/enrich-task.ts';
import { CoveredTime, startAndEndOf } from '#domain/times.ts';
import { enrich } from './enrich.ts';

/** Adds to every row of the synchronized table what the vehicle did and where the sun stood. */
export const enrichTable: TaskDefinition<EnrichTask> = {
  image: 'landfall/enrich',
  configuration: EnrichTask,
  work: async (task, tools) => {
    const input = join(tools.scratchFolder, 'synchronized.parquet');
    await tools.download(task.synchronized, input);
    const { definition, rowCount } = await tools.tableReader.describe(input);
    const synchronized = {
      columns: definition.columns,
      rowCount,
      read: (names: readonly string[]) => tools.tableReader.read(input, names),
    };
    const { columns, rows } = await enrich(synchronized, sunPosition);
    const table = await tools.tableWriter.open(join(tools.scratchFolder, 'enriched.parquet'), {
      columns,
      metadata: {
        measurementId: task.measurementId,
        synchronizedSha256: task.synchronized.sha256,
        sun: 'suncalc 2.0.2',
      },
    });
    const covered = new CoveredTime();
    for await (const batch of rows) {
      await table.append(batch);
      covered.include(timesOf([batch], 0));
    }
    const file = await tools.uploadTable(await table.close(), task.output.structured!, 'enriched.parquet', {
      mediaType: 'application/vnd.apache.parquet',
      sensor: 'structured',
      table: {
        name: 'enriched',
        role: 'enriched',
        schemaName: '',
        columns: columns.map(columnFacts),
        ...startAndEndOf(covered),
      },
    });
    return { outcome: 'succeeded', files: [file], loss: NO_LOSS };
  },
};

function sunPosition(time: Date, latitudeDegrees: number, longitudeDegrees: number) {
  const { altitude, azimuth } = getPosition(time, latitudeDegrees, longitudeDegrees);
  return { elevationDegrees: altitude, azimuthDegrees: azimuth };
}
