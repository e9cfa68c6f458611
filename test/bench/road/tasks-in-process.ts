// Handed to the Batch emulator (`--task-module`): runs the work of every image inside the emulator's process, so that
// what remains of a measurement's time is the road itself. Tables come from DuckDB, which is loaded once.
import { executeTask, type TaskEnvironment } from '#composition/execute-task.ts';
import { configurationLocation, taskEnvironment } from '#composition/run-task.ts';
import { readTaskSettings, type TaskSettings } from '#composition/settings.ts';
import { startTelemetry } from '#composition/start-telemetry.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { copyFiles } from '#containers/copy/copy-files.ts';
import { enrichTable } from '#containers/enrich/enrich-table.ts';
import { extractCamera } from '#containers/extract-camera/extract-camera.ts';
import { extractCan } from '#containers/extract-can/extract-can.ts';
import { extractLidar } from '#containers/extract-lidar/extract-lidar.ts';
import { extractMetadata } from '#containers/extract-metadata/extract-metadata.ts';
import { extractStructured } from '#containers/extract-structured/extract-structured.ts';
import { extractValidation } from '#containers/extract-validation/extract-validation.ts';
import { packageFrames } from '#containers/package/package-frames.ts';
import { detectScenesInTable } from '#containers/scene-detect/detect-scenes.ts';
import { synchronizeTables } from '#containers/sync/synchronize-tables.ts';
import { validateFiles } from '#containers/validate/validate-files.ts';
import type { TaskConfiguration } from '#domain/task-configuration.ts';
import type { RunnableTask } from '#emulators/batch/task-process.ts';

type AnyDefinition = Pick<TaskDefinition<TaskConfiguration>, 'image'> & {
  readonly execute: (task: RunnableTask) => Promise<number>;
};

function inProcess<Configuration extends TaskConfiguration>(
  definition: TaskDefinition<Configuration>,
): AnyDefinition {
  let environment: Promise<TaskEnvironment> | undefined;
  return {
    image: definition.image,
    async execute(task) {
      environment ??= environmentOf(definition.image, readTaskSettings(task.environment));
      const scratchRoot = task.workingFolder;
      return executeTask(definition, configurationLocation(task.environment), {
        ...(await environment),
        scratchRoot,
      });
    },
  };
}

async function environmentOf(image: string, settings: TaskSettings): Promise<TaskEnvironment> {
  const { telemetry } = await startTelemetry('tasks', settings, image);
  return taskEnvironment(settings, telemetry);
}

const IMAGES = new Map(
  [
    inProcess(validateFiles),
    inProcess(copyFiles),
    inProcess(extractValidation),
    inProcess(extractMetadata),
    inProcess(extractStructured),
    inProcess(extractCamera),
    inProcess(extractLidar),
    inProcess(extractCan),
    inProcess(synchronizeTables),
    inProcess(enrichTable),
    inProcess(detectScenesInTable),
    inProcess(packageFrames),
  ].map((definition) => [definition.image, definition]),
);

/** @returns the exit code the task's process would have had. */
export async function runTask(task: RunnableTask): Promise<number> {
  const definition = IMAGES.get(task.image ?? '');
  if (definition === undefined) throw new Error(`There is no work for the image ${task.image}.`);
  return definition.execute(task);
}
