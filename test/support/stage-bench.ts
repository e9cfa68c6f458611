import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { executeTask, type TaskEnvironment } from '#composition/execute-task.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
import { copyFiles } from '#containers/copy/copy-files.ts';
import { validateFiles } from '#containers/validate/validate-files.ts';
import { measurementIdOf } from '#domain/identity.ts';
import type { LandedVersion } from '#domain/landed-versions.ts';
import { type DataOf, type Envelope, envelopeOf, type MessageType } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { MetadataDocument } from '#domain/ports/saga-store.ts';
import type { TaskConfiguration } from '#domain/task-configuration.ts';
import { TASK_CONFIGURATION_VARIABLE } from '#domain/task-configuration.ts';
import { type BlobLocation, type BlobReference, type Recording, ZONES } from '#domain/vocabulary.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';
import { MemoryStageRunStore } from '#test/simulation/fakes/memory-stage-run-store.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';
import { ScriptedTaskRunner } from '#test/simulation/fakes/scripted-task-runner.ts';

/** Everything a stage touches, in memory, and the real logic of its tasks, run in this process when asked. */
export class StageBench {
  now = new Date('2026-03-04T05:06:07.000Z');
  readonly clock = { now: () => this.now, wait: () => Promise.resolve() };
  readonly blobs: BlobStore;
  readonly runs = new MemoryStageRunStore();
  readonly tasks = new ScriptedTaskRunner();
  readonly telemetry = new QuietTelemetry();
  readonly papers = { account: 'operations', container: 'tasks' };
  readonly folderTemplate = '{region}/{zone}/{measurementId}/{dataStreamId}/{yyyy}/{mm}/{dd}';
  readonly sent: OutgoingMessage[] = [];
  readonly messages = {
    send: async (messages: readonly OutgoingMessage[]) => {
      this.sent.push(...messages);
    },
  };
  /** The measurement documents, as the saga would have written them. */
  readonly measurements = new Map<string, MetadataDocument>();
  readonly metadata = { measurement: async (measurementId: string) => this.measurements.get(measurementId) };
  readonly accounts = {
    accounts: async () =>
      ZONES.map((zone) => ({
        account: zone,
        zone,
        region: 'local',
        weight: 1,
        state: 'open' as const,
      })),
    save: async () => {},
  };
  readonly #executed = new Set<string>();

  constructor(blobs?: BlobStore) {
    this.blobs = blobs ?? new MemoryBlobStore(() => this.now);
  }

  /** What was said of a type, once per id: saying it twice is saying it once. */
  said<T extends MessageType>(type: T): Envelope<T>[] {
    const byId = new Map(
      this.sent
        .filter(({ envelope }) => envelope.type === type)
        .map(({ envelope }) => [envelope.id, envelope as Envelope<T>]),
    );
    return [...byId.values()];
  }

  /** Runs each submitted task that has not run, in order, as its container would; reports reach the run. */
  async runTasks(definitions: readonly TaskDefinition<never>[] = ALL_TASKS): Promise<number[]> {
    const exits: number[] = [];
    for (const task of this.tasks.submitted()) {
      if (this.#executed.has(task.taskId)) continue;
      this.#executed.add(task.taskId);
      const definition = definitions.find((candidate) => candidate.image === task.image);
      if (definition === undefined) throw new Error(`no container for ${task.image} on the bench`);
      const [account = '', container = '', ...path] = (
        task.environment[TASK_CONFIGURATION_VARIABLE] ?? ''
      ).split('/');
      const location = { account, container, path: path.join('/') };
      exits.push(
        await executeTask(
          definition as TaskDefinition<TaskConfiguration & never>,
          location,
          this.taskEnvironment(),
        ),
      );
    }
    return exits;
  }

  taskEnvironment(): TaskEnvironment {
    const { blobs, clock, telemetry } = this;
    const unused = () => {
      throw new Error('these tasks handle no tables');
    };
    return {
      blobs,
      clock,
      telemetry,
      decompressors: createDecompressors(),
      tableWriter: { open: unused },
      tableReader: { describe: unused, read: unused },
      scratchRoot: join(tmpdir(), 'landfall-bench'),
      reporter: { report: (taskId, body) => reportTask(this, taskId, body) },
    };
  }

  /** A recording in Landing with these files, and the manifest that names them. */
  async land(
    files: Readonly<Record<string, Uint8Array>>,
    manifestPart: { readonly expected?: object; readonly files?: readonly object[] } = {},
  ): Promise<Recording> {
    const folder = { account: 'landing', container: 'recordings', path: 'drive-1/' };
    for (const [path, content] of Object.entries(files))
      await this.put({ ...folder, path: `drive-1/${path}` }, content);
    const vehicle = { vin: 'WVWZZZ1KZAW000001' };
    const manifest = {
      schemaVersion: 1,
      fleet: 'default',
      recordingId: 'drive-1',
      vehicle,
      files: Object.entries(files).map(([path, content]) => ({
        path,
        sizeBytes: content.length,
        sha256: sha256Of(content),
      })),
      ...manifestPart,
    };
    const content = new TextEncoder().encode(JSON.stringify(manifest));
    const location = { ...folder, path: 'drive-1/manifest.json' };
    await this.put(location, content);
    return {
      fleet: 'default',
      recordingId: 'drive-1',
      region: 'local',
      vehicle,
      folder,
      manifest: { ...location, sha256: sha256Of(content), sizeBytes: content.length },
      fileCount: manifest.files.length,
      sizeBytes: Object.values(files).reduce((sum, file) => sum + file.length, 0),
    };
  }

  /** Notes the versions that lie in a folder now, as Landing does when it announces them. */
  async noteLanded(folder: BlobLocation): Promise<BlobReference> {
    const files: LandedVersion[] = [];
    for await (const { location, sizeBytes, eTag } of this.blobs.list(folder))
      files.push({ path: location.path.slice(folder.path.length), sizeBytes, eTag });
    const content = new TextEncoder().encode(JSON.stringify({ schemaVersion: 1, files }));
    const location = { ...this.papers, path: `landing/${sha256Of(content)}.json` };
    await this.put(location, content);
    return { ...location, sha256: sha256Of(content), sizeBytes: content.length };
  }

  async put(location: BlobLocation, content: Uint8Array): Promise<void> {
    await this.blobs.write(location, content, { contentType: 'application/octet-stream' });
  }

  async paths(account: string, container = 'recordings', path = ''): Promise<string[]> {
    const paths: string[] = [];
    for await (const blob of this.blobs.list({ account, container, path })) paths.push(blob.location.path);
    return paths;
  }

  command<T extends MessageType>(
    type: T,
    data: Omit<DataOf<T>, 'measurementId'>,
    sequence = 10,
  ): Envelope<T> {
    const measurementId = measurementIdOf('default', 'drive-1');
    return envelopeOf(type, { measurementId, ...data } as DataOf<T>, {
      id: `${type}-${sequence}`,
      source: 'landfall/saga',
      time: this.now,
      fleet: 'default',
      region: 'local',
      sequence,
    });
  }
}

const ALL_TASKS = [validateFiles, copyFiles] as unknown as readonly TaskDefinition<never>[];

export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
