import { TopicTables } from '#adapters/extraction/topic-tables.ts';
import { extractFiles } from '#composition/extract-files.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { ExtractStructuredTask } from '#domain/tasks/extract-tasks.ts';

/** Topics with plain values, one table each, in their sensor's container. */
export const extractStructured: TaskDefinition<ExtractStructuredTask> = {
  image: 'landfall/extract-structured',
  configuration: ExtractStructuredTask,
  work: (task, tools) => extractFiles(task, tools, (_file, place) => new TopicTables(place)),
};
