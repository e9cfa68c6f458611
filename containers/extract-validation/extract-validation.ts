import type { TaskDefinition } from '#composition/task-tools.ts';
import { TerminalFailure } from '#domain/failures.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { ExtractValidationTask } from '#domain/tasks/extract-tasks.ts';

/** Whether data can be extracted at all: every file opens, in its format, and has the topics it is to give. */
export const extractValidation: TaskDefinition<ExtractValidationTask> = {
  image: 'landfall/extract-validation',
  configuration: ExtractValidationTask,
  async work(task, tools) {
    for (const file of task.files) {
      const blob = await tools.blobs.head(file.location);
      if (blob?.sizeBytes !== file.sizeBytes) {
        throw new TerminalFailure(
          'file-changed',
          `${file.path} in Raw has ${blob?.sizeBytes ?? 'no'} bytes, but was verified with ${file.sizeBytes}; somebody changed Raw, rehydrate the measurement`,
        );
      }
      const reader = await tools.openStoredRecording(file.location, file.path);
      await reader.close();
      const present = new Set(reader.summary.tables.map((table) => table.name));
      const missing = file.topics.filter((topic) => !present.has(topic.name)).map((topic) => topic.name);
      if (missing.length > 0) {
        throw new TerminalFailure(
          'file-unreadable',
          `${file.path} has lost its topics ${missing.slice(0, 5).join(', ')}`,
        );
      }
    }
    return { outcome: 'succeeded', files: [], loss: NO_LOSS, facts: { fileCount: task.files.length } };
  },
};
