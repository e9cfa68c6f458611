import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BATCH_ACCOUNT, localStack } from '#composition/local-stack.ts';
import { serviceBusAccessOf } from '#composition/service-bus.ts';
import { readSettings, type Settings } from '#composition/settings.ts';
import { blobStoreOf } from '#composition/storage.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { MeasurementStatus } from '#domain/measurement-status.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { type RunningStack, startRunningStack } from '#test/acceptance/running-stack.ts';
import { coveredMs, seconds } from './figures.ts';
import { PROBE_FOLDER_VARIABLE } from './memory-probe.ts';
import { MemoryCourse, type ProcessMemory, processMemory, processorTimes } from './process-memory.ts';
import { type LandedRecording, landRecording } from './recordings.ts';
import { clipped, type RoadTaken } from './road-tables.ts';
import { RoadWatch } from './road-watch.ts';
import { type TaskTime, taskTimes } from './task-times.ts';

/** What a number of measurements came to. Times in ms, one per measurement. */
export interface RoadRun {
  readonly road: readonly RoadTaken[];
  readonly tasks: readonly TaskTime[];
  readonly firstCommandMs: readonly number[];
  readonly wholeMs: readonly number[];
  readonly roadOnlyMs: readonly number[];
  /** From the first blob of the first to the end of the last. */
  readonly elapsedMs: number;
  readonly landingMs: number;
  /** By process, at the points of `MemoryCourse`. */
  readonly memory: readonly ReadonlyMap<string, ProcessMemory>[];
  readonly processorMs: ReadonlyMap<string, number>;
  /** A sentence per measurement that ended otherwise, or not in time. */
  readonly notShared: readonly string[];
}

/** Recordings that are uploaded at the same time. */
const PARALLEL_UPLOADS = 4;
const PROBE = join(import.meta.dirname, 'memory-probe.ts');
const ENDED = ['Shared', 'Rejected', 'Failed', 'Cancelled'];

/** The running product, with a bench that puts recordings into Landing and watches. */
export class RoadStack {
  readonly #stack: RunningStack;
  readonly #settings: Settings;
  readonly #blobs: BlobStore;
  readonly #watch: RoadWatch;
  readonly #probeFolder: string | undefined;

  /** @param probed whether the heaps of the processes can be looked at; a probe costs each process some start-up. */
  static async start(environment: Readonly<Record<string, string>>, probed: boolean): Promise<RoadStack> {
    const probeFolder = probed ? await mkdtemp(join(tmpdir(), 'landfall-bench-memory-')) : undefined;
    const probe: Record<string, string> =
      probeFolder === undefined
        ? {}
        : {
            NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${PROBE}`.trim(),
            [PROBE_FOLDER_VARIABLE]: probeFolder,
          };
    // Waiting times are the product's own: what the sweeps do for the bench, they do for everybody.
    const stack = await startRunningStack({
      LANDFALL_TASK_POLL_SECONDS: '5',
      LANDFALL_LANDING_SWEEP_SECONDS: '10',
      ...environment,
      ...probe,
    });
    try {
      const settings = readSettings(localStack(stack.environment).environment);
      const watch = await RoadWatch.start(serviceBusAccessOf(settings));
      return new RoadStack(stack, settings, watch, probeFolder);
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  private constructor(
    stack: RunningStack,
    settings: Settings,
    watch: RoadWatch,
    probeFolder: string | undefined,
  ) {
    this.#probeFolder = probeFolder;
    this.#stack = stack;
    this.#settings = settings;
    this.#watch = watch;
    this.#blobs = blobStoreOf(settings);
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
    await this.#stack.stop();
    if (this.#probeFolder !== undefined) await rm(this.#probeFolder, { recursive: true });
  }

  /** Each lands after the one before has ended. */
  oneByOne(name: string, count: number, withinMs: number): Promise<RoadRun> {
    return this.#run(count, withinMs, async (ends) => {
      const landed: LandedRecording[] = [];
      for (let index = 0; index < count; index++) {
        const recording = await landRecording(this.#blobs, `${name}-${index}`, index);
        landed.push(recording);
        await ends([recording]);
      }
      return landed;
    });
  }

  /** All land as fast as they can be uploaded. */
  together(name: string, count: number, withinMs: number): Promise<RoadRun> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return this.#run(count, withinMs, () =>
      inParallel(indexes, PARALLEL_UPLOADS, (index) => landRecording(this.#blobs, `${name}-${index}`, index)),
    );
  }

  manyFiles(fileCount: number, withinMs: number): Promise<RoadRun> {
    return this.#run(1, withinMs, async () => [
      await landRecording(this.#blobs, `files-${fileCount}`, 0, fileCount - 1),
    ]);
  }

  async #run(
    count: number,
    withinMs: number,
    land: (
      ends: (landed: readonly LandedRecording[]) => Promise<void>,
    ) => Promise<readonly LandedRecording[]>,
  ): Promise<RoadRun> {
    const memory = new MemoryCourse(count, () => processMemory(this.#stack, this.#probeFolder));
    await memory.begin();
    const endedBefore = this.#watch.ended.size;
    const processorBefore = await processorTimes(this.#stack);
    const startedMs = Date.now();
    const noticed = async () => {
      const endedCount = this.#watch.ended.size - endedBefore;
      if (!(await memory.progress(endedCount))) return;
      const usedMs = sumOf(await processorTimes(this.#stack)) - sumOf(processorBefore);
      console.error(
        `${endedCount} of ${count} have ended after ${seconds(Date.now() - startedMs)} s, with ${seconds(usedMs)} s of processor time`,
      );
    };
    const deadline = startedMs + withinMs;
    const ends = (recordings: readonly LandedRecording[]) => this.#ends(recordings, deadline, noticed);
    const landed = await land(ends);
    const landingMs = Date.now() - startedMs;
    await ends(landed);
    const elapsedMs = Date.now() - startedMs;
    const statuses = await inParallel(landed, 4, ({ measurementId }) =>
      this.#settled(measurementId, deadline),
    );
    const processorAfter = await processorTimes(this.#stack);
    await memory.end();
    const ids = new Set(landed.map(({ measurementId }) => measurementId));
    const tasks = (await this.#taskTimes()).filter(({ measurementId }) => ids.has(measurementId));
    const taken = landed.flatMap((recording, index) => {
      const status = statuses[index];
      if (status?.state !== 'Shared') return [];
      return [
        { recording, status, tasks: tasks.filter((task) => task.measurementId === status.measurementId) },
      ];
    });
    const wholes = taken.map(({ recording, status }) => ({
      startMs: recording.committedAtMs,
      endMs: Date.parse(status.stages.at(-1)?.endedAt ?? ''),
    }));
    return {
      road: taken,
      tasks,
      firstCommandMs: landed.flatMap(({ measurementId, committedAtMs }) => {
        const atMs = this.#watch.firstCommandAtMs.get(measurementId);
        return atMs === undefined ? [] : [atMs - committedAtMs];
      }),
      wholeMs: wholes.map(({ startMs, endMs }) => endMs - startMs),
      roadOnlyMs: wholes.map(
        (whole, index) => whole.endMs - whole.startMs - coveredMs(clipped(taken[index]?.tasks ?? [], whole)),
      ),
      elapsedMs,
      landingMs,
      memory: memory.samples,
      processorMs: new Map(
        [...processorAfter].map(([name, after]) => [name, after - (processorBefore.get(name) ?? 0)]),
      ),
      notShared: landed.flatMap(({ measurementId }, index) => {
        const status = statuses[index];
        return status?.state === 'Shared'
          ? []
          : [`${measurementId}: ${JSON.stringify(status)?.slice(0, 1500)}`];
      }),
    };
  }

  /** Until all have ended, or the time is over: what is missing then is said by their statuses. */
  async #ends(
    landed: readonly LandedRecording[],
    deadline: number,
    noticed: () => Promise<void>,
  ): Promise<void> {
    while (Date.now() < deadline) {
      await noticed();
      if (landed.every(({ measurementId }) => this.#watch.ended.has(measurementId))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The status once it is final: the event is out before the saga has taken it in. */
  async #settled(measurementId: string, deadline: number): Promise<MeasurementStatus | undefined> {
    for (;;) {
      const response = await fetch(`${this.#settings.api}/measurements/${measurementId}`);
      const status = response.ok ? MeasurementStatus.parse(await response.json()) : undefined;
      if ((status !== undefined && ENDED.includes(status.state)) || Date.now() > deadline) return status;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #taskTimes(): Promise<readonly TaskTime[]> {
    const { endpoint, key = '' } = this.#settings.batch as { endpoint: string; key?: string };
    return taskTimes(this.#stack.home, {
      endpoint,
      account: BATCH_ACCOUNT,
      access: { auth: 'emulator-key', key },
    });
  }
}

function sumOf(timesMs: ReadonlyMap<string, number>): number {
  return [...timesMs.values()].reduce((sum, ms) => sum + ms, 0);
}
