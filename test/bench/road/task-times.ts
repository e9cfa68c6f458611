import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BatchSettings, connectBatch } from '#adapters/azure/batch/batch-client.ts';
import type { Interval } from './figures.ts';

/** One run of a task, as Batch and as the task itself saw it. */
export interface TaskTime extends Interval {
  readonly measurementId: string;
  readonly image: string;
  /** From the process's start to the begin of its work. */
  readonly startUpMs: number;
  readonly workMs: number;
}

interface TaskSpan {
  readonly name: string;
  readonly time: string;
  readonly durationMs: number;
  readonly attributes: { readonly taskId: string; readonly measurementId: string; readonly image: string };
}

/** All tasks that have ended: Batch says when their processes ran, telemetry when their work did. */
export async function taskTimes(home: string, settings: BatchSettings): Promise<readonly TaskTime[]> {
  const processes = await processIntervals(settings);
  const text = await readFile(join(home, 'telemetry', 'tasks.jsonl'), 'utf8');
  const times: TaskTime[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const span = JSON.parse(line) as TaskSpan;
    if (!span.name.startsWith('task landfall/') || span.durationMs === undefined) continue;
    const { taskId, measurementId, image } = span.attributes;
    const ran = processes.get(taskId);
    if (ran === undefined) continue;
    const startUpMs = Date.parse(span.time) - ran.startMs;
    times.push({ measurementId, image, ...ran, startUpMs, workMs: span.durationMs });
  }
  return times;
}

async function processIntervals(settings: BatchSettings): Promise<ReadonlyMap<string, Interval>> {
  const client = connectBatch(settings);
  const intervals = new Map<string, Interval>();
  for (const { id: jobId = '' } of await client.job.list()) {
    let page = await client.task.list(jobId, { taskListOptions: { select: 'id,executionInfo' } });
    for (;;) {
      for (const { id = '', executionInfo } of page) {
        if (executionInfo?.startTime === undefined || executionInfo.endTime === undefined) continue;
        intervals.set(id, {
          startMs: executionInfo.startTime.getTime(),
          endMs: executionInfo.endTime.getTime(),
        });
      }
      if (page.odatanextLink === undefined) break;
      page = await client.task.listNext(page.odatanextLink);
    }
  }
  return intervals;
}
