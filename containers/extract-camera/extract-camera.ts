import { CameraTopics } from '#adapters/extraction/camera-topics.ts';
import { extractFiles } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { ExtractCameraTask } from '#domain/tasks/extract-tasks.ts';

/** Images in tar shards with an index table per topic, so that one frame is one ranged read; video as streams. */
export const extractCamera: TaskDefinition<ExtractCameraTask> = {
  image: 'landfall/extract-camera',
  configuration: ExtractCameraTask,
  work: (task, tools) =>
    extractFiles(task, tools, (_file, place) => new CameraTopics(place, task.shardSizeBytesMax)),
};
