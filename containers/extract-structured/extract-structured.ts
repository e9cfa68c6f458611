import { Downsampler } from '#adapters/extraction/downsampling.ts';
import { extractFiles, topicTables, uploadTopicTable } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { ExtractStructuredTask } from '#domain/tasks/extract-tasks.ts';

/** Topics with plain values, one table each, in their sensor's container. */
export const extractStructured: TaskDefinition<ExtractStructuredTask> = {
  image: 'landfall/extract-structured',
  configuration: ExtractStructuredTask,
  work: (task, tools) =>
    extractFiles(task, tools, async (file, scratchFolder) => {
      const tables = topicTables(task.measurementId, file, scratchFolder, tools);
      const downsampler = new Downsampler(task.downsampling);
      const sensors = new Map(file.topics.map((topic) => [topic.name, topic.sensor]));
      return {
        take: (batch) => tables.append(downsampler.thin(batch)),
        async finish() {
          const uploads = [];
          for (const topic of await tables.close()) {
            const sensor = sensors.get(topic.name) ?? 'structured';
            const target = { folder: task.output[sensor]!, sensor, role: 'topic', sourceFile: file.path };
            uploads.push(await uploadTopicTable(tools, topic, target));
          }
          return uploads;
        },
      };
    }),
};
