import { BATCH_ACCOUNT, localStack } from '#composition/local-stack.ts';
import { serviceBusAccessOf } from '#composition/service-bus.ts';
import { readSettings, type Settings } from '#composition/settings.ts';
import { blobStoreOf } from '#composition/storage.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { MeasurementStatus } from '#domain/measurement-status.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { type RunningStack, startRunningStack } from '#test/acceptance/running-stack.ts';
import { coveredMs } from './figures.ts';
import { processorTimes, residentMemory } from './process-memory.ts';
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
  readonly memoryBefore: ReadonlyMap<string, number>;
  readonly memoryAfter: ReadonlyMap<string, number>;
  readonly processorMs: ReadonlyMap<string, number>;
  /** A sentence per measurement that ended otherwise, or not in time. */
  readonly notShared: readonly string[];
}

/** Recordings that are uploaded at the same time. */
const PARALLEL_UPLOADS = 4;
const ENDED = ['Shared', 'Rejected', 'Failed', 'Cancelled'];

/** The running product, with a bench that puts recordings into Landing and watches. */
export class RoadStack {
  readonly #stack: RunningStack;
  readonly #settings: Settings;
  readonly #blobs: BlobStore;
  readonly #watch: RoadWatch;

  static async start(environment: Readonly<Record<string, string>>): Promise<RoadStack> {
    // Waiting times are the product's own: what the sweeps do for the bench, they do for everybody.
    const stack = await startRunningStack({
      LANDFALL_TASK_POLL_SECONDS: '5',
      LANDFALL_LANDING_SWEEP_SECONDS: '10',
      ...environment,
    });
    try {
      const settings = readSettings(localStack(stack.environment).environment);
      return new RoadStack(stack, settings, await RoadWatch.start(serviceBusAccessOf(settings)));
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  private constructor(stack: RunningStack, settings: Settings, watch: RoadWatch) {
    this.#stack = stack;
    this.#settings = settings;
    this.#watch = watch;
    this.#blobs = blobStoreOf(settings);
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
    await this.#stack.stop();
  }

  /** Each lands after the one before has ended. */
  oneByOne(name: string, count: number, withinMs: number): Promise<RoadRun> {
    return this.#run(withinMs, async (deadline) => {
      const landed: LandedRecording[] = [];
      for (let index = 0; index < count; index++) {
        const recording = await landRecording(this.#blobs, `${name}-${index}`, index);
        landed.push(recording);
        await this.#ends([recording], deadline);
      }
      return landed;
    });
  }

  /** All land as fast as they can be uploaded. */
  together(name: string, count: number, withinMs: number): Promise<RoadRun> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return this.#run(withinMs, () =>
      inParallel(indexes, PARALLEL_UPLOADS, (index) => landRecording(this.#blobs, `${name}-${index}`, index)),
    );
  }

  manyFiles(fileCount: number, withinMs: number): Promise<RoadRun> {
    return this.#run(withinMs, async () => [
      await landRecording(this.#blobs, `files-${fileCount}`, 0, fileCount - 1),
    ]);
  }

  async #run(
    withinMs: number,
    land: (deadline: number) => Promise<readonly LandedRecording[]>,
  ): Promise<RoadRun> {
    const memoryBefore = await residentMemory(this.#stack);
    const processorBefore = await processorTimes(this.#stack);
    const startedMs = Date.now();
    const deadline = startedMs + withinMs;
    const landed = await land(deadline);
    const landingMs = Date.now() - startedMs;
    await this.#ends(landed, deadline);
    const elapsedMs = Date.now() - startedMs;
    const statuses = await inParallel(landed, 4, ({ measurementId }) =>
      this.#settled(measurementId, deadline),
    );
    const memoryAfter = await residentMemory(this.#stack);
    const processorAfter = await processorTimes(this.#stack);
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
      memoryBefore,
      memoryAfter,
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
  async #ends(landed: readonly LandedRecording[], deadline: number): Promise<void> {
    while (Date.now() < deadline) {
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
