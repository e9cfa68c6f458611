import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { STAGES } from '#domain/vocabulary.ts';
import { coveredMs, type Interval, p50p95, table } from './figures.ts';
import { MemoryCourse, type ProcessMemory } from './process-memory.ts';
import type { TaskTime } from './task-times.ts';

/** One measurement that has ended. */
export interface RoadTaken {
  readonly status: MeasurementStatus;
  readonly tasks: readonly TaskTime[];
}

/** Per stage: how long it took, and how much of that no task ran. */
export function stageTable(road: readonly RoadTaken[]): string {
  return table(
    ['stage', 'whole (s, p50 / p95)', 'while no task ran (s, p50 / p95)'],
    STAGES.map((stage) => {
      const lengths = road.flatMap(({ status, tasks }) => {
        const within = stageInterval(status, stage);
        return within === undefined ? [] : [{ wholeMs: within.endMs - within.startMs, within, tasks }];
      });
      return [
        stage,
        p50p95(lengths.map(({ wholeMs }) => wholeMs)),
        p50p95(lengths.map(({ wholeMs, within, tasks }) => wholeMs - coveredMs(clipped(tasks, within)))),
      ];
    }),
  );
}

/** Per image: the start-up of its process, and its work. */
export function taskTable(tasks: readonly TaskTime[]): string {
  const images = [...new Set(tasks.map(({ image }) => image))].toSorted();
  return table(
    ['task', 'runs', 'start-up (s, p50 / p95)', 'work (s, p50 / p95)'],
    images.map((image) => {
      const runs = tasks.filter((task) => task.image === image);
      return [
        image,
        String(runs.length),
        p50p95(runs.map(({ startUpMs }) => startUpMs)),
        p50p95(runs.map(({ workMs }) => workMs)),
      ];
    }),
  );
}

/** Per process, over the measurements: resident memory, and what its heap holds after a full collection. */
export function memoryTable(samples: readonly ReadonlyMap<string, ProcessMemory>[]): string {
  const names = [...(samples[0]?.keys() ?? [])];
  const cell = (memory: ProcessMemory | undefined) => {
    if (memory === undefined) return '—';
    const { resident, heap } = memory;
    return heap === undefined ? resident.toFixed(0) : `${resident.toFixed(0)} / ${heap.toFixed(1)}`;
  };
  return table(
    ['memory (MiB, resident / heap)', ...MemoryCourse.POINTS],
    names.map((name) => [name, ...samples.map((sample) => cell(sample.get(name)))]),
  );
}

/** From the end of the stage before to its own end. */
function stageInterval(status: MeasurementStatus, stage: string): Interval | undefined {
  const index = status.stages.findIndex((candidate) => candidate.stage === stage);
  const endedAt = status.stages[index]?.endedAt;
  const begin = index === 0 ? status.stages[0]?.startedAt : status.stages[index - 1]?.endedAt;
  if (endedAt === undefined || begin === undefined) return undefined;
  return { startMs: Date.parse(begin), endMs: Date.parse(endedAt) };
}

export function clipped(intervals: readonly Interval[], within: Interval): readonly Interval[] {
  return intervals
    .map(({ startMs, endMs }) => ({
      startMs: Math.max(startMs, within.startMs),
      endMs: Math.min(endMs, within.endMs),
    }))
    .filter(({ startMs, endMs }) => endMs > startMs);
}
