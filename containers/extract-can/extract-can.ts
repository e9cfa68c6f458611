import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type BusDatabase, CanDecoding, CanTopics } from '#adapters/extraction/can-topics.ts';
import { extractFiles } from '#composition/extract-files.ts';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { ExtractCanTask } from '#domain/tasks/extract-tasks.ts';

const PROBLEMS_MAX = 100;

/** Raw frames always, one table per topic; decoded signals, one table per message, where the vehicle has a DBC. */
export const extractCan: TaskDefinition<ExtractCanTask> = {
  image: 'landfall/extract-can',
  configuration: ExtractCanTask,
  async work(task, tools) {
    const loaded = await databases(task, tools);
    const problems = new Set<string>();
    const extractions: CanTopics[] = [];
    const work = await extractFiles(task, tools, (file, place) => {
      const names = file.topics.map((topic) => topic.name);
      const decoding = new CanDecoding(loaded, names);
      for (const problem of decoding.problems) problems.add(problem);
      const extraction = new CanTopics(place, decoding);
      extractions.push(extraction);
      return extraction;
    });
    const facts = {
      ...work.facts,
      framesDecoded: extractions.reduce((sum, { framesDecoded }) => sum + framesDecoded, 0),
      framesUnknown: extractions.reduce((sum, { framesUnknown }) => sum + framesUnknown, 0),
      dbcProblems: [...problems].slice(0, PROBLEMS_MAX),
    };
    return { ...work, facts };
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
