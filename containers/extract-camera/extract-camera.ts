import { Downsampler } from '#adapters/extraction/downsampling.ts';
import { fileNameOf } from '#adapters/extraction/topic-tables.ts';
import { extractFiles } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { totalLoss } from '#domain/stage-plan.ts';
import { ExtractCameraTask } from '#domain/tasks/extract-tasks.ts';
import { LossCounter } from '#formats/recording-reader.ts';
import { CameraTopic } from './camera-topic.ts';

/** Frames in tar shards with an index table per topic: one frame is one ranged read. */
export const extractCamera: TaskDefinition<ExtractCameraTask> = {
  image: 'landfall/extract-camera',
  configuration: ExtractCameraTask,
  async work(task, tools) {
    const lost = new LossCounter();
    const work = await extractFiles(task, tools, async (file, scratchFolder) => {
      const downsampler = new Downsampler(task.downsampling);
      const topics = new Map<string, CameraTopic>();
      return {
        async take(batch) {
          let topic = topics.get(batch.table.name);
          if (topic === undefined) {
            topic = new CameraTopic(batch.table.name, batch.table.schemaName, {
              scratchFolder,
              prefix: `${topics.size}-${fileNameOf(batch.table.name)}`,
              shardSizeBytesMax: task.shardSizeBytesMax,
              lost,
            });
            topics.set(batch.table.name, topic);
          }
          await topic.add(downsampler.thin(batch));
        },
        async finish() {
          const uploads = [];
          for (const topic of topics.values()) {
            uploads.push(...(await topic.upload(task.measurementId, file, task.output.camera!, tools)));
          }
          return uploads;
        },
      };
    });
    const { records, bytes, reasons } = lost.report();
    return { ...work, loss: totalLoss([work.loss, { records, bytes, reasons: [...reasons] }]) };
  },
};
