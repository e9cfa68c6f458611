// What a recording holds of the disk goes with its reader: a task that leaves one open leaves the node fuller than it was.
import assert from 'node:assert/strict';
import { executeTask, TaskExit } from '#composition/execute-task.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { extractMetadata } from '#containers/extract-metadata/extract-metadata.ts';
import { extractStructured } from '#containers/extract-structured/extract-structured.ts';
import { ExtractStructuredTask } from '#domain/tasks/extract-tasks.ts';
import { smallBag } from '#test/support/small-bag.ts';
import { StageBench, sha256Of } from '#test/support/stage-bench.ts';

const FOLDER = { account: 'operations', container: 'tasks', path: 'm/1/extract/1/t-000000/' };
const RESULT = { ...FOLDER, path: `${FOLDER.path}result.json` };
const RECORDING = { account: 'raw', container: 'recordings', path: 'm/a.bag' };

async function configurationFor(image: string, bench: StageBench): Promise<ExtractStructuredTask> {
  const bag = await smallBag({ timesNs: [1_000_000_000n, 2_000_000_000n] });
  await bench.put(RECORDING, bag);
  const topic = { name: '/speed', schemaName: 'std_msgs/Float64', encoding: 'ros1', sensor: 'structured' };
  const file = { path: 'a.bag', sizeBytes: bag.length, sha256: sha256Of(bag), format: 'rosbag' };
  return ExtractStructuredTask.parse({
    schemaVersion: 1,
    image,
    taskId: 't-000000',
    stageRunId: 't',
    measurementId: 'm',
    generation: 1,
    stage: 'extract',
    attempt: 1,
    output: { structured: { account: 'structured', container: 'structured', path: 'm/' } },
    result: RESULT,
    files: [{ ...file, location: RECORDING, topics: [topic] }],
    vehicle: { vin: 'WVWZZZ1KZAW000001' },
    downsampling: {},
  });
}

describe('a task that fails while it has a recording open', () => {
  for (const definition of [extractMetadata, extractStructured] as const) {
    it(`has closed it: ${definition.image}`, async () => {
      const bench = new StageBench();
      const configurationAt = { ...FOLDER, path: `${FOLDER.path}configuration.json` };
      const configuration = await configurationFor(definition.image, bench);
      await bench.put(configurationAt, new TextEncoder().encode(JSON.stringify(configuration)));
      let opened = 0;
      let closed = 0;
      const watched: TaskDefinition<ExtractStructuredTask> = {
        image: definition.image,
        configuration: ExtractStructuredTask,
        work: (task, tools) =>
          definition.work(task, {
            ...tools,
            tableWriter: { open: () => Promise.reject(new Error('the disk is full')) },
            openStoredRecording: async (location, name) => {
              const reader = await tools.openStoredRecording(location, name);
              opened += 1;
              return {
                summary: reader.summary,
                read: (selection) => reader.read(selection),
                loss: () => reader.loss(),
                close: async () => {
                  closed += 1;
                  await reader.close();
                },
              };
            },
          }),
      };
      assert.equal(await executeTask(watched, configurationAt, bench.taskEnvironment()), TaskExit.retryable);
      const result = JSON.parse(new TextDecoder().decode(await bench.blobs.read(RESULT))) as {
        reason: { message: string };
      };
      assert.equal(result.reason.message, 'the disk is full');
      assert.deepEqual({ opened, closed }, { opened: 1, closed: 1 });
    });
  }
});
