import type { TaskTools } from '#composition/task-tools.ts';
import { copyFiles } from '#containers/copy/copy-files.ts';
import type { BlobEvent } from '#domain/blob-event.ts';
import { isFailure, TerminalFailure } from '#domain/failures.ts';
import { LandedVersions } from '#domain/landed-versions.ts';
import { blobIn } from '#domain/landing.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { TaskOutcome, TaskRunner, TaskSpecification } from '#domain/ports/task-runner.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import type { TaskResult } from '#domain/result-manifest.ts';
import { TASK_CONFIGURATION_VARIABLE } from '#domain/task-configuration.ts';
import { CopyTask } from '#domain/tasks/copy-task.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import { custodyHandler } from '#handlers/custody.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { MemoryAccountRegistry } from './fakes/memory-account-registry.ts';
import type { MemoryBlobStore } from './fakes/memory-blob-store.ts';
import { MemoryStageRunStore } from './fakes/memory-stage-run-store.ts';
import type { QuietTelemetry } from './fakes/quiet-telemetry.ts';
import type { Faults } from './faults.ts';
import { blindToCorrections, type Mutant } from './mutants.ts';
import { remove } from './recordings.ts';
import type { Process, Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

const PAPERS = { account: 'operations', container: 'tasks' };
const LANDING_ACCOUNT = 'landing1';
const BATCH_TAKES_MS_MAX = 4 * 60_000;
const BATCH_RETRIES_AFTER_MS_MAX = 60_000;

export interface CustodyWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly faults: Faults;
  readonly blobs: MemoryBlobStore;
  readonly broker: MessageSender;
  readonly telemetry: QuietTelemetry;
  readonly mutant: Mutant | undefined;
  /** Starts a process of this name; one that crashed is started again. */
  readonly start: (name: string) => void;
  /** What storage says of Landing. */
  readonly announce: (events: readonly BlobEvent[]) => void;
}

/** The real keeping of files: its handler, and the logic of its container, with a fault possible at every call. */
export class SimulatedCustody {
  readonly runs = new MemoryStageRunStore();
  readonly #world: CustodyWorld;
  readonly #accounts = new MemoryAccountRegistry();
  readonly #submitted = new Map<string, readonly TaskSpecification[]>();
  readonly #open = new Set<string>();

  constructor(world: CustodyWorld) {
    this.#world = world;
    void this.#accounts.save({
      account: 'error1',
      zone: 'error',
      region: 'westeurope',
      weight: 1,
      state: 'open',
    });
  }

  isAtRest(): boolean {
    return this.#open.size === 0;
  }

  async handle(process: Process, envelope: Envelope): Promise<void> {
    const { faults, telemetry } = this.#world;
    const ports = {
      ...this.#ports(process),
      tasks: faults.around(process, 'batch', this.#runner()),
      telemetry,
    };
    const accounts = faults.around(process, 'accounts', this.#accounts);
    const folderTemplate = '{zone}/{measurementId}/{dataStreamId}';
    await custodyHandler({ ...ports, accounts, folderTemplate, rehydrationPollSeconds: 60 })(envelope);
  }

  /** The node that runs the tasks of one stage run, in order; Batch runs one that failed again. */
  async runTasks(process: Process): Promise<never> {
    const { scheduler, random } = this.#world;
    const stageRunId = process.name.slice('batch-'.length);
    const ports = this.#ports(process);
    for (const { taskId, environment } of this.#submitted.get(stageRunId) ?? []) {
      for (let isEnded = false; !isEnded; ) {
        try {
          const location = locationOf(environment[TASK_CONFIGURATION_VARIABLE] ?? '');
          const content = new TextDecoder().decode(await ports.blobs.read(location));
          await this.#runTask(process, CopyTask.parse(JSON.parse(content)), ports.blobs);
          await reportTask(ports, taskId, { outcome: 'succeeded' });
          isEnded = true;
        } catch (error) {
          if (!isFailure(error)) throw error;
          if (error instanceof TerminalFailure) {
            const { code, message } = error;
            await reportTask(ports, taskId, { outcome: 'failed', reason: { code, message } });
            isEnded = true;
          } else await scheduler.sleep(process, random.below(BATCH_RETRIES_AFTER_MS_MAX));
        }
      }
    }
    this.#open.delete(stageRunId);
    return new Promise<never>(() => {});
  }

  async #runTask(process: Process, configuration: CopyTask, blobs: BlobStore): Promise<void> {
    const { work, result, image, taskId, stageRunId, measurementId, generation, stage, attempt } =
      configuration;
    const tools = { blobs, progress: () => {} } as unknown as TaskTools;
    const done =
      work.action === 'remove-duplicate'
        ? await this.#removeDuplicate(work)
        : await copyFiles.work(configuration, tools);
    const at = this.#world.scheduler.now().toISOString();
    const place = { taskId, stageRunId, measurementId, generation, stage, attempt, image };
    const told: TaskResult = {
      schemaVersion: 1,
      ...place,
      outcome: 'succeeded',
      startedAt: at,
      endedAt: at,
      files: [],
      loss: done.loss,
      timingsMs: {},
      facts: done.facts ?? {},
    };
    await blobs.write(result, new TextEncoder().encode(JSON.stringify(told)), {
      contentType: 'application/json',
    });
    await this.#world.scheduler.turn(process);
  }

  /** The proofs need bytes that the scripted stages do not make; what is removed is the same. */
  async #removeDuplicate(work: Extract<CopyTask['work'], { action: 'remove-duplicate' }>) {
    const { blobs, announce } = this.#world;
    const noted = LandedVersions.parse(
      JSON.parse(new TextDecoder().decode(await blobs.readPinned(work.versions))),
    );
    const versions = noted.files.map(({ path, eTag }) => ({ location: blobIn(work.source, path), eTag }));
    const events = await remove(blobs, versions);
    announce(events);
    const facts = { fileCount: events.length, sizeBytes: 8, unchangedCount: 0, kept: [] };
    return { loss: NO_LOSS, facts };
  }

  #runner(): TaskRunner {
    const { scheduler, random, start } = this.#world;
    const submitted = this.#submitted;
    const open = this.#open;
    return {
      async submit(stage, stageRunId, tasks) {
        if (!submitted.has(stageRunId)) {
          submitted.set(stageRunId, tasks);
          open.add(stageRunId);
          scheduler.after(random.below(BATCH_TAKES_MS_MAX), () => start(`batch-${stageRunId}`));
        }
        return { jobId: `${stage}-job` };
      },
      outcomes: (_, __, taskIds) =>
        Promise.resolve(taskIds.map((taskId): TaskOutcome => ({ taskId, state: 'running' }))),
      terminate: () => Promise.resolve(),
    };
  }

  #ports(process: Process) {
    const { faults, broker, scheduler, mutant, blobs } = this.#world;
    const announcing = this.#announcing(blobs);
    const seen = faults.around(process, 'blobs', announcing);
    return {
      blobs: mutant === 'corrections-are-not-looked-for' ? blindToCorrections(seen) : seen,
      runs: faults.around(process, 'runs', this.runs),
      messages: faults.around(process, 'broker', broker),
      clock: scheduler.clockOf(process),
      papers: PAPERS,
    };
  }

  /** Storage as it announces what happens in Landing. */
  #announcing(blobs: BlobStore): BlobStore {
    const { announce } = this.#world;
    const said = (location: BlobLocation, type: 'created' | 'deleted', api: string): void => {
      const { account, container, path } = location;
      if (account === LANDING_ACCOUNT)
        announce([{ type, api, location: { account, container, path }, isDirectory: false }]);
    };
    const commitBlocks: BlobStore['commitBlocks'] = async (target, blocks, options) => {
      const committed = await blobs.commitBlocks(target, blocks, options);
      said(target, 'created', 'PutBlockList');
      return committed;
    };
    const remove: BlobStore['remove'] = async (location, options) => {
      const isRemoved = await blobs.remove(location, options);
      if (isRemoved) said(location, 'deleted', 'DeleteBlob');
      return isRemoved;
    };
    return new Proxy(blobs, {
      get: (target, property) => {
        if (property === 'commitBlocks') return commitBlocks;
        if (property === 'remove') return remove;
        const member: unknown = Reflect.get(target, property, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }
}

function locationOf(name: string): BlobLocation {
  const [account = '', container = '', ...path] = name.split('/');
  return { account, container, path: path.join('/') };
}
