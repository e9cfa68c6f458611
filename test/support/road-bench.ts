import { ParquetTableReader } from '#adapters/parquet/parquet-table-reader.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import type { TaskEnvironment } from '#composition/execute-task.ts';
import { openRecording } from '#composition/open-recording.ts';
import type { TaskDefinition } from '#composition/task-tools.ts';
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
import { walkRecording } from '#containers/validate/walk-recording.ts';
import type { CommandType, DataOf, Envelope, MessageType } from '#domain/messages.ts';
import type { SceneDocument } from '#domain/ports/metadata-store.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { DataStreamManifest, type ResultFile, TaskResult } from '#domain/result-manifest.ts';
import { below } from '#domain/stage-plan.ts';
import { ExtractionProfile } from '#domain/stages/extract.ts';
import { TASK_CONFIGURATION_VARIABLE } from '#domain/task-configuration.ts';
import type { BlobReference, DataStreamResult, Recording } from '#domain/vocabulary.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { type BatchStage, batchStageHandler } from '#handlers/batch-stage.ts';
import { enrichStage } from '#handlers/enrich.ts';
import { extractStage } from '#handlers/extract.ts';
import { writeJson } from '#handlers/run-papers.ts';
import { sceneDetectStage } from '#handlers/scene-detect.ts';
import { shareStage } from '#handlers/share.ts';
import { syncStage } from '#handlers/sync.ts';
import { StageBench, sha256Of } from './stage-bench.ts';

type Offer = Parameters<PartnerShare['offer']>[0];

/** What a test may choose of a drive. */
export interface DriveOptions {
  /** DBC text per bus. */
  readonly dbc?: Readonly<Record<string, string | Uint8Array>>;
  readonly profile?: object;
  readonly topicMap?: Readonly<Record<string, string>>;
}

/** What a stage ended with: the event it said, and the manifest of its data stream. */
export interface StageOutput<T extends MessageType> {
  readonly said: DataOf<T>;
  readonly manifest: DataStreamManifest;
}

/** The road from Raw to the partner in this process: real handlers, real tasks, real Parquet, blobs in memory. */
export class RoadBench extends StageBench {
  readonly tableWriter = new ParquetTableWriter();
  readonly tableReader = new ParquetTableReader();
  readonly scenes: SceneDocument[] = [];
  readonly offers: Offer[] = [];
  #sequence = 0;

  override taskEnvironment(): TaskEnvironment {
    const { tableWriter, tableReader } = this;
    return { ...super.taskEnvironment(), tableWriter, tableReader };
  }

  async dispose(): Promise<void> {
    await this.tableWriter.dispose();
  }

  /** Files in Raw, as validation and copy would have left them, extracted. */
  async extract(
    files: Readonly<Record<string, Uint8Array>>,
    options: DriveOptions = {},
  ): Promise<StageOutput<'landfall.extraction.completed.v1'>> {
    const recording = await this.land(files);
    const input = await this.#rawDataStream(files);
    const dbc = await this.#storedDbc(options.dbc ?? {});
    const configuration = { dbc, topicMap: options.topicMap ?? {} };
    const stage = extractStage({
      ...this.#ports(),
      vehicles: {
        configuration: async () => ({ ...configuration }) as never,
        configurations: async () => [],
        save: async () => {},
      },
      profile: ExtractionProfile.parse(options.profile ?? {}),
    });
    const command = { generation: 1, stage: 'extract', attempt: 1, recording, input } as const;
    return this.#run(
      stage,
      this.command('landfall.measurement.extract.v1', command),
      'landfall.extraction.completed.v1',
    );
  }

  sync(
    input: DataStreamResult,
    recording: Recording,
    options: { readonly periodMs?: number; readonly toleranceMs?: number } = {},
  ): Promise<StageOutput<'landfall.data-stream.synchronized.v1'>> {
    const stage = syncStage({ ...this.#ports(), periodMs: 50, toleranceMs: 500, ...options });
    const command = this.command('landfall.measurement.sync.v1', {
      ...PLACE,
      stage: 'sync',
      recording,
      input,
    });
    return this.#run(stage, command, 'landfall.data-stream.synchronized.v1');
  }

  enrich(
    input: DataStreamResult,
    recording: Recording,
  ): Promise<StageOutput<'landfall.data-stream.enriched.v1'>> {
    const data = { ...PLACE, stage: 'enrich', recording, input } as const;
    const command = this.command('landfall.measurement.enrich.v1', data);
    return this.#run(enrichStage(this.#ports()), command, 'landfall.data-stream.enriched.v1');
  }

  detectScenes(
    input: DataStreamResult,
    recording: Recording,
  ): Promise<StageOutput<'landfall.scenes.detected.v1'>> {
    const metadata = {
      writeScenes: async (scenes: readonly SceneDocument[]) => {
        this.scenes.push(...scenes);
      },
    };
    const stage = sceneDetectStage({ ...this.#ports(), metadata: metadata as never });
    const data = { ...PLACE, stage: 'scene-detect', recording, input } as const;
    const command = this.command('landfall.measurement.scene-detect.v1', data);
    return this.#run(stage, command, 'landfall.scenes.detected.v1');
  }

  share(
    input: DataStreamResult,
    extracted: DataStreamResult,
    recording: Recording,
    framesMax = 50,
  ): Promise<StageOutput<'landfall.measurement.shared.v1'>> {
    const partnerShare: PartnerShare = {
      offer: async (offer) => {
        this.offers.push(offer);
      },
      link: () => Promise.reject(new Error('nobody asks for a link here')),
    };
    const stage = shareStage({
      ...this.#ports(),
      partnerShare,
      partner: 'labels-inc',
      offerHours: 24,
      framesMax,
    });
    const data = { ...PLACE, stage: 'share', recording, input, extracted } as const;
    const command = this.command('landfall.measurement.share.v1', data);
    return this.#run(stage, command, 'landfall.measurement.shared.v1');
  }

  /** The whole road behind extraction. */
  async follow(
    extracted: StageOutput<'landfall.extraction.completed.v1'>,
    options: { readonly periodMs?: number; readonly toleranceMs?: number } = {},
  ) {
    const recording = await this.land({});
    const synchronized = await this.sync(extracted.said.dataStream, recording, options);
    const enriched = await this.enrich(synchronized.said.dataStream, recording);
    const detected = await this.detectScenes(enriched.said.dataStream, recording);
    const shared = await this.share(detected.said.dataStream, extracted.said.dataStream, recording);
    return { synchronized, enriched, detected, shared };
  }

  /** The result manifests of the tasks of one image. */
  async results(image: string): Promise<TaskResult[]> {
    const results: TaskResult[] = [];
    for (const task of this.tasks.submitted().filter((submitted) => submitted.image === image)) {
      const [account = '', container = '', ...path] = (
        task.environment[TASK_CONFIGURATION_VARIABLE] ?? ''
      ).split('/');
      const configuration = JSON.parse(
        new TextDecoder().decode(await this.blobs.read({ account, container, path: path.join('/') })),
      );
      const bytes = await this.blobs.read(configuration.result);
      results.push(TaskResult.parse(JSON.parse(new TextDecoder().decode(bytes))));
    }
    return results;
  }

  async #run<T extends MessageType, C extends CommandType>(
    stage: BatchStage<C>,
    command: Envelope,
    end: T,
  ): Promise<StageOutput<T>> {
    const handle = batchStageHandler(stage, this);
    await handle({ ...command, id: `${command.id}-${++this.#sequence}` } as Envelope);
    const exits = await this.runTasks(ROAD_TASKS);
    if (exits.some((exit) => exit !== 0)) {
      const failures = await Promise.all(ROAD_TASKS.map((task) => this.results(task.image)));
      const reasons = failures.flat().flatMap(({ image, reason }) => (reason ? [{ image, reason }] : []));
      throw new Error(`tasks ended with ${exits.join(', ')}: ${JSON.stringify(reasons)}`);
    }
    if (this.said(end).length === 0) await handle(this.said('landfall.stage.conclude.v1').at(-1) as Envelope);
    const said = this.said(end).at(-1);
    if (said === undefined) throw new Error(`${end} was not said`);
    const { dataStream } = said.data as { readonly dataStream: DataStreamResult };
    const bytes = await this.blobs.readPinned(dataStream.manifest!);
    const manifest = DataStreamManifest.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return { said: said.data as DataOf<T>, manifest };
  }

  #ports() {
    return { blobs: this.blobs, accounts: this.accounts, folderTemplate: this.folderTemplate };
  }

  async #rawDataStream(files: Readonly<Record<string, Uint8Array>>): Promise<DataStreamResult> {
    const rawFiles: ResultFile[] = [];
    for (const [path, content] of Object.entries(files)) {
      const location = { account: 'raw', container: 'recordings', path: `raw-1/${path}` };
      await this.put(location, content);
      const { decompressors } = this.taskEnvironment();
      const reader = await openRecording(byteSourceOf(content), { name: path, decompressors });
      rawFiles.push({
        ...location,
        sizeBytes: content.length,
        sha256: sha256Of(content),
        mediaType: 'application/octet-stream',
        sensor: 'structured',
        sourceFile: path,
        recording: await walkRecording(reader),
      });
    }
    const manifest: DataStreamManifest = {
      schemaVersion: 1,
      dataStreamId: 'raw-1',
      measurementId: 'm',
      generation: 1,
      kind: 'raw',
      zone: 'raw',
      parents: [],
      stage: 'copy',
      attempt: 1,
      createdAt: this.now.toISOString(),
      files: rawFiles,
      loss: NO_LOSS,
    };
    const location = { account: 'raw', container: 'recordings', path: 'raw-1/data-stream.json' };
    const { reference } = await writeJson(this.blobs, location, manifest);
    return {
      dataStreamId: 'raw-1',
      kind: 'raw',
      zone: 'raw',
      locations: [],
      parents: [],
      fileCount: rawFiles.length,
      sizeBytes: rawFiles.reduce((sum, file) => sum + file.sizeBytes, 0),
      rowCount: 0,
      manifest: reference,
    };
  }

  async #storedDbc(
    texts: Readonly<Record<string, string | Uint8Array>>,
  ): Promise<Record<string, BlobReference>> {
    const folder = { account: 'operations', container: 'vehicles', path: 'dbc/' };
    const stored: Record<string, BlobReference> = {};
    for (const [bus, text] of Object.entries(texts)) {
      const content = typeof text === 'string' ? new TextEncoder().encode(text) : text;
      const location = below(folder, `${bus === '*' ? 'all' : bus}.dbc`);
      await this.put(location, content);
      stored[bus] = { ...location, sha256: sha256Of(content), sizeBytes: content.length };
    }
    return stored;
  }
}

const PLACE = { generation: 1, attempt: 1 } as const;

const ROAD_TASKS = [
  extractValidation,
  extractMetadata,
  extractStructured,
  extractCamera,
  extractLidar,
  extractCan,
  synchronizeTables,
  enrichTable,
  detectScenesInTable,
  packageFrames,
] as unknown as readonly TaskDefinition<never>[];
