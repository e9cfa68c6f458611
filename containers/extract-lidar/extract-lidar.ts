import { LidarTopics } from '#adapters/extraction/lidar-topics.ts';
import { extractFiles } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { ExtractLidarTask } from '#domain/tasks/extract-tasks.ts';

/** Per topic one table of scans, as they were recorded, one of points, and the scans as PCD files. */
export const extractLidar: TaskDefinition<ExtractLidarTask> = {
  image: 'landfall/extract-lidar',
  configuration: ExtractLidarTask,
  work: (task, tools) => {
    const { pcd, shardSizeBytesMax } = task;
    return extractFiles(task, tools, (_file, place) => new LidarTopics(place, { pcd, shardSizeBytesMax }));
  },
};
