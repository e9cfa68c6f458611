import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type BusDatabase, CanDecoding } from '#adapters/extraction/can-tables.ts';
import { Downsampler } from '#adapters/extraction/downsampling.ts';
import { extractFiles, topicTables, uploadTopicTable } from '#composition/extract-files.ts';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { ExtractCanTask } from '#domain/tasks/extract-tasks.ts';

/** Raw frames always, one table per topic; decoded signals, one table per message, where the vehicle has a DBC. */
export const extractCan: TaskDefinition<ExtractCanTask> = {
  image: 'landfall/extract-can',
  configuration: ExtractCanTask,
  async work(task, tools) {
    const decoding = new CanDecoding(await databases(task, tools));
    let framesDecoded = 0;
    let framesUnknown = 0;
    const work = await extractFiles(task, tools, async (file, scratchFolder) => {
      const raw = topicTables(task.measurementId, file, scratchFolder, tools);
      const decodedFolder = join(scratchFolder, 'decoded');
      await mkdir(decodedFolder);
      const decoded = topicTables(task.measurementId, file, decodedFolder, tools);
      const downsampler = new Downsampler(task.downsampling);
      return {
        async take(whole) {
          const batch = downsampler.thin(whole);
          await raw.append(batch);
          const result = decoding.decode(batch);
          framesDecoded += result?.framesDecoded ?? 0;
          framesUnknown += result?.framesUnknown ?? 0;
          for (const message of result?.batches ?? []) await decoded.append(message);
        },
        async finish() {
          const target = { folder: task.output.can!, sensor: 'can' as const, sourceFile: file.path };
          const uploads = [];
          for (const topic of await raw.close()) {
            uploads.push(await uploadTopicTable(tools, topic, { ...target, role: 'can-raw' }));
          }
          for (const topic of await decoded.close()) {
            uploads.push(await uploadTopicTable(tools, topic, { ...target, role: 'can-decoded' }));
          }
          return uploads;
        },
      };
    });
    return { ...work, facts: { framesDecoded, framesUnknown, dbcProblems: decoding.problems.slice(0, 100) } };
  },
};

async function databases(task: ExtractCanTask, tools: TaskTools): Promise<readonly BusDatabase[]> {
  const loaded: BusDatabase[] = [];
  for (const [index, [bus, reference]] of Object.entries(task.dbc).entries()) {
    const localPath = join(tools.scratchFolder, `${index}.dbc`);
    await tools.download(reference, localPath);
    loaded.push({ bus, name: basename(reference.path), bytes: await readFile(localPath) });
  }
  return loaded;
}
