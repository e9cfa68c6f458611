import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { LossReport } from '#domain/recording-facts.ts';
import { DataStreamManifest, type ResultFile } from '#domain/result-manifest.ts';
import { below, type EndedTask, type PlannedDataStream, type RunPlace } from '#domain/stage-plan.ts';
import type { BlobReference, DataStreamResult, Stage } from '#domain/vocabulary.ts';
import { readPinnedJson, writeJson } from './run-papers.ts';

/**
 * Writes `attempt-<n>/data-stream.json`, the list of everything in a data stream, into its `structured` container
 * (its only one in Raw). The same input gives the same bytes, so that two handlers that conclude at once agree.
 */
export async function writeDataStreamManifest(
  blobs: BlobStore,
  place: RunPlace,
  dataStream: PlannedDataStream,
  content: {
    readonly files: readonly ResultFile[];
    readonly loss: LossReport;
    /** When the last task ended. */
    readonly createdAt: string;
    readonly passThroughOf?: string;
  },
): Promise<DataStreamResult> {
  const home =
    dataStream.locations.find((location) => location.container === 'structured') ?? dataStream.locations[0];
  if (home === undefined) throw new Error(`data stream ${dataStream.dataStreamId} has no location`);
  const { measurementId, generation, attempt } = place;
  const { dataStreamId, kind, zone, parents, locations } = dataStream;
  const manifest: DataStreamManifest = {
    schemaVersion: 1,
    dataStreamId,
    measurementId,
    generation,
    kind,
    zone,
    parents,
    stage: place.stage as Stage,
    attempt,
    createdAt: content.createdAt,
    files: [...content.files],
    loss: content.loss,
    ...(content.passThroughOf === undefined ? {} : { passThroughOf: content.passThroughOf }),
  };
  const { reference } = await writeJson(blobs, below(home, `attempt-${attempt}/data-stream.json`), manifest);
  return {
    dataStreamId,
    kind,
    zone,
    locations,
    parents,
    manifest: reference,
    fileCount: manifest.files.length,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    rowCount: manifest.files.reduce((sum, file) => sum + (file.rowCount ?? 0), 0),
  };
}

export function readDataStreamManifest(
  blobs: BlobStore,
  reference: BlobReference,
): Promise<DataStreamManifest> {
  return readPinnedJson(blobs, reference, DataStreamManifest);
}

/** When the last task ended; `otherwise` when there was none. */
export function lastEndOf(tasks: readonly EndedTask[], otherwise: string): string {
  return (
    tasks
      .map((task) => task.result.endedAt)
      .sort()
      .at(-1) ?? otherwise
  );
}
