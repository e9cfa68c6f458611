import { join } from 'node:path';
import { Downsampler } from '#adapters/extraction/downsampling.ts';
import { laserScanRows, type PointRows, pointCloud2Rows } from '#adapters/extraction/point-clouds.ts';
import { fileNameOf } from '#adapters/extraction/topic-tables.ts';
import {
  columnFacts,
  extractFiles,
  sourceMetadata,
  topicTables,
  uploadTopicTable,
} from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import type { OpenTable, TableColumn } from '#domain/ports/table-writer.ts';
import { totalLoss } from '#domain/stage-plan.ts';
import { ExtractLidarTask, type SelectedFile } from '#domain/tasks/extract-tasks.ts';
import { typeNameOf } from '#domain/topic-kinds.ts';
import { LossCounter, type TableBatch } from '#formats/recording-reader.ts';

/** One table of points of one topic; a topic whose fields change gets a further one. */
interface PointTable {
  readonly topic: string;
  readonly schemaName: string;
  readonly columns: readonly TableColumn[];
  readonly table: OpenTable;
}

/** Per topic one table of scans, as they were recorded, and one of points. */
export const extractLidar: TaskDefinition<ExtractLidarTask> = {
  image: 'landfall/extract-lidar',
  configuration: ExtractLidarTask,
  async work(task, tools) {
    const lost = new LossCounter();
    const work = await extractFiles(task, tools, async (file, scratchFolder) => {
      const downsampler = new Downsampler(task.downsampling);
      const scans = topicTables(task.measurementId, file, scratchFolder, tools);
      const tables = new Map<string, PointTable>();
      const scanCounts = new Map<string, number>();
      const pointTableOf = async (batch: TableBatch, points: PointRows): Promise<PointTable> => {
        const key = `${batch.table.name} ${JSON.stringify(points.columns)}`;
        const known = tables.get(key);
        if (known !== undefined) return known;
        const { name, schemaName } = batch.table;
        const table = await tools.tableWriter.open(join(scratchFolder, `points-${tables.size}.parquet`), {
          columns: points.columns,
          metadata: { ...sourceMetadata(task.measurementId, file), topic: name, schemaName },
        });
        const opened = { topic: name, schemaName, columns: points.columns, table };
        tables.set(key, opened);
        return opened;
      };
      return {
        async take(whole) {
          const batch = downsampler.thin(whole);
          await scans.append(batch);
          const firstScan = scanCounts.get(batch.table.name) ?? 0;
          scanCounts.set(batch.table.name, firstScan + batch.rowCount);
          for (const points of pointsOf(batch, firstScan, lost)) {
            if (points.rows.rowCount > 0) await (await pointTableOf(batch, points)).table.append(points.rows);
          }
        },
        async finish() {
          const target = { folder: task.output.lidar!, sensor: 'lidar' as const, sourceFile: file.path };
          const uploads = [];
          for (const topic of await scans.close()) {
            uploads.push(await uploadTopicTable(tools, topic, { ...target, role: 'topic' }));
          }
          for (const [number, points] of [...tables.values()].entries()) {
            uploads.push(
              await tools.uploadTable(
                await points.table.close(),
                target.folder,
                pointFileName(file, points, number),
                {
                  mediaType: 'application/vnd.apache.parquet',
                  sensor: 'lidar',
                  sourceFile: file.path,
                  table: {
                    name: points.topic,
                    role: 'points',
                    schemaName: points.schemaName,
                    columns: points.columns.map(columnFacts),
                  },
                },
              ),
            );
          }
          return uploads;
        },
      };
    });
    const { records, bytes, reasons } = lost.report();
    return { ...work, loss: totalLoss([work.loss, { records, bytes, reasons: [...reasons] }]) };
  },
};

function pointFileName(file: SelectedFile, { topic }: PointTable, number: number): string {
  return `${fileNameOf(file.path)}/${fileNameOf(topic)}.points-${number}.parquet`;
}

/** A batch whose scans are shorter than they say has no points; its scans stay as they were recorded. */
function pointsOf(batch: TableBatch, firstScan: number, lost: LossCounter): readonly PointRows[] {
  try {
    const typeName = typeNameOf(batch.table.schemaName);
    if (typeName === 'sensor_msgs/PointCloud2') return pointCloud2Rows(batch, firstScan);
    if (typeName === 'sensor_msgs/LaserScan') return [laserScanRows(batch, firstScan)];
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    lost.add(batch.rowCount, 0, error.message);
    return [];
  }
}
