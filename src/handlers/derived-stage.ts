import { TerminalFailure } from '#domain/failures.ts';
import { dataStreamIdOf } from '#domain/identity.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { type DataStreamManifest, referenceOf } from '#domain/result-manifest.ts';
import { definitionOf } from '#domain/stage-graph.ts';
import { hasLoss, outputFolders, type PlannedDataStream, totalLoss } from '#domain/stage-plan.ts';
import type { BlobReference, DataStreamResult, Reason } from '#domain/vocabulary.ts';
import type { BatchStage, EndedRun } from './batch-stage.ts';
import { lastEndOf, readDataStreamManifest, writeDataStreamManifest } from './data-stream-manifest.ts';
import { type PlacingPorts, placeDataStream } from './placing.ts';
import type { StageEvent } from './stage-messages.ts';

export interface DerivedStagePorts extends PlacingPorts {
  readonly blobs: BlobStore;
}

type DerivedStageName = 'sync' | 'enrich' | 'scene-detect' | 'share';
export type DerivedCommandType = `landfall.measurement.${DerivedStageName}.v1`;

/** What ended an attempt well, as every success event says it. */
export interface StageEnd {
  readonly place: {
    readonly measurementId: string;
    readonly generation: number;
    readonly stage: DerivedStageName;
    readonly attempt: number;
  };
  readonly outcome: 'succeeded' | 'partial' | 'skipped';
  readonly reason?: Reason;
  readonly dataStream: DataStreamResult;
  readonly run: EndedRun;
}

/**
 * A stage with one task that makes one data stream of another. Where there is nothing to do it is skipped, and its
 * data stream passes the input on, so that the next stage always has one.
 */
export interface DerivedStage<T extends DerivedCommandType> {
  readonly stage: DerivedStageName;
  readonly command: T;
  /** `landfall/<task>`. */
  readonly image: string;
  /** The image's own part of its configuration, or why there is nothing to do. The same for the same command. */
  prepare(
    command: Envelope<T>,
    input: DataStreamManifest,
    dataStreamId: string,
  ): Promise<{ readonly own: Readonly<Record<string, unknown>> } | { readonly skip: Reason }>;
  end(command: Envelope<T>, end: StageEnd): Promise<readonly StageEvent[]>;
}

export function derivedStage<T extends DerivedCommandType>(
  stage: DerivedStage<T>,
  ports: DerivedStagePorts,
): BatchStage<T> {
  const { output, deadlineSeconds } = definitionOf(stage.stage);
  if (output === undefined) throw new Error(`${stage.stage} makes no data stream`);
  const inputOf = (command: Envelope<T>) => readInput(ports.blobs, dataOf(command).input);
  const place = (command: Envelope<T>): Promise<PlannedDataStream> => {
    const { measurementId, generation, recording, input } = dataOf(command);
    return placeDataStream(
      ports,
      { measurementId, recording, commandTime: command.time },
      {
        dataStreamId: dataStreamIdOf(measurementId, generation, output.kind),
        ...output,
        containers: ['structured'],
        parents: [input.dataStreamId],
      },
    );
  };
  return {
    work: stage.stage,
    command: stage.command,

    async plan(command) {
      const [input, dataStream] = await Promise.all([inputOf(command), place(command)]);
      const prepared = await stage.prepare(command, input, dataStream.dataStreamId);
      if ('skip' in prepared) return { schemaVersion: 1, tasks: [], dataStream };
      const task = {
        image: stage.image,
        pool: 'execution' as const,
        dependsOn: [],
        wallClockSecondsMax: deadlineSeconds,
        output: outputFolders(dataStream.locations, ['structured'], dataOf(command).attempt, 0),
        own: { ...prepared.own },
      };
      return { schemaVersion: 1, tasks: [task], dataStream };
    },

    async conclude(command, run) {
      const { measurementId, generation, attempt } = dataOf(command);
      const input = await inputOf(command);
      const planned = run.plan.dataStream ?? (await place(command));
      const loss = totalLoss(run.tasks.map((task) => task.result.loss));
      const skipped = run.tasks.length === 0;
      const dataStream = await writeDataStreamManifest(ports.blobs, run, planned, {
        files: skipped ? input.files : run.tasks.flatMap((task) => task.result.files),
        loss: skipped ? NO_LOSS : loss,
        createdAt: lastEndOf(run.tasks, command.time),
        ...(skipped ? { passThroughOf: input.dataStreamId } : {}),
      });
      const end = { place: { measurementId, generation, stage: stage.stage, attempt }, dataStream, run };
      if (!skipped) return stage.end(command, { ...end, outcome: hasLoss(loss) ? 'partial' : 'succeeded' });
      const prepared = await stage.prepare(command, input, planned.dataStreamId);
      if (!('skip' in prepared))
        throw new Error(`${stage.stage} planned nothing although there is work to do`);
      return stage.end(command, { ...end, outcome: 'skipped', reason: prepared.skip });
    },
  };
}

function dataOf<T extends DerivedCommandType>(command: Envelope<T>) {
  return command.data as Envelope<'landfall.measurement.sync.v1'>['data'];
}

function readInput(blobs: BlobStore, input: DataStreamResult): Promise<DataStreamManifest> {
  if (input.manifest === undefined)
    throw new TerminalFailure(
      'not-found',
      `data stream ${input.dataStreamId} has no manifest, so its files are not known; run the stage before again`,
    );
  return readDataStreamManifest(blobs, input.manifest);
}

/** The one table of a role, as a pinned reference; undefined where the data stream has none. */
export function tableOfRole(manifest: DataStreamManifest, role: string): BlobReference | undefined {
  const file = manifest.files.find((candidate) => candidate.table?.role === role);
  return file === undefined ? undefined : referenceOf(file);
}

/** Fields of a success event that every stage has. */
export function endFields({ place, outcome, reason, dataStream }: StageEnd) {
  return { ...place, outcome, ...(reason === undefined ? {} : { reason }), dataStream };
}
