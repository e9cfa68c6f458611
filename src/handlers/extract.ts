import { TerminalFailure } from '#domain/failures.ts';
import { dataStreamIdOf } from '#domain/identity.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { VehicleStore } from '#domain/ports/vehicle-store.ts';
import type { DataStreamManifest } from '#domain/result-manifest.ts';
import { hasLoss, type PlannedDataStream } from '#domain/stage-plan.ts';
import { type ExtractionProfile, extractionOutput, planExtraction } from '#domain/stages/extract.ts';
import { SensorKind } from '#domain/vocabulary.ts';
import type { BatchStage } from './batch-stage.ts';
import { lastEndOf, readDataStreamManifest, writeDataStreamManifest } from './data-stream-manifest.ts';
import { type PlacingPorts, placeDataStream } from './placing.ts';
import { stageEvent } from './stage-messages.ts';

export interface ExtractPorts extends PlacingPorts {
  readonly blobs: BlobStore;
  readonly vehicles: VehicleStore;
  readonly profile: ExtractionProfile;
}

type ExtractCommand = Envelope<'landfall.measurement.extract.v1'>;

/** Reads the topics of every raw file into tables and frames. */
export function extractStage(ports: ExtractPorts): BatchStage<'landfall.measurement.extract.v1'> {
  return {
    work: 'extract',
    command: 'landfall.measurement.extract.v1',

    async plan(command) {
      const { recording, attempt } = command.data;
      const recordedAt = new Date(recording.startTime ?? command.time);
      const [raw, dataStream, configuration] = await Promise.all([
        readRaw(ports.blobs, command),
        placeExtracted(ports, command),
        ports.vehicles.configuration(recording.vehicle.vin, recordedAt),
      ]);
      const tasks = planExtraction({
        vehicle: recording.vehicle,
        attempt,
        rawFiles: raw.files,
        dataStream,
        profile: ports.profile,
        dbc: configuration?.dbc ?? {},
        topicMap: configuration?.topicMap ?? {},
      });
      return { schemaVersion: 1, tasks, dataStream };
    },

    async conclude(command, run) {
      const { measurementId, generation, stage, attempt } = command.data;
      const raw = await readRaw(ports.blobs, command);
      const { files, loss } = extractionOutput(run.tasks, raw);
      const placed = run.plan.dataStream ?? (await placeExtracted(ports, command));
      const used = new Set(['structured', ...files.map((file) => file.container)]);
      const planned = {
        ...placed,
        locations: placed.locations.filter((location) => used.has(location.container)),
      };
      const dataStream = await writeDataStreamManifest(ports.blobs, run, planned, {
        files,
        loss,
        createdAt: lastEndOf(run.tasks, command.time),
      });
      const place = { measurementId, generation, stage, attempt };
      if (run.tasks.length === 0) {
        const message = `none of the ${raw.files.length} raw files is a recording in a known format, so there is nothing to extract`;
        const reason = { code: 'file-unreadable', message };
        const skipped = { ...place, outcome: 'skipped' as const, reason, dataStream };
        return [stageEvent('landfall.extraction.completed.v1', skipped)];
      }
      const outcome = hasLoss(loss) ? 'partial' : 'succeeded';
      const message = `${loss.records} records and ${loss.bytes} bytes of the raw files could not be read`;
      const reason = {
        code: 'file-unreadable',
        message,
        details: loss.reasons.slice(0, 20).map((text) => text.slice(0, 2000)),
      };
      return [
        stageEvent('landfall.extraction.completed.v1', {
          ...place,
          outcome,
          ...(outcome === 'partial' ? { reason } : {}),
          dataStream,
        }),
      ];
    },
  };
}

function readRaw(blobs: BlobStore, command: ExtractCommand): Promise<DataStreamManifest> {
  const { input } = command.data;
  if (input.manifest === undefined)
    throw new TerminalFailure(
      'not-found',
      `data stream ${input.dataStreamId} has no manifest, so its files are not known; run copy again`,
    );
  return readDataStreamManifest(blobs, input.manifest);
}

function placeExtracted(ports: ExtractPorts, command: ExtractCommand): Promise<PlannedDataStream> {
  const { measurementId, generation, recording, input } = command.data;
  return placeDataStream(
    ports,
    { measurementId, recording, commandTime: command.time },
    {
      dataStreamId: dataStreamIdOf(measurementId, generation, 'extracted'),
      kind: 'extracted',
      zone: 'extracted',
      containers: SensorKind.options,
      parents: [input.dataStreamId],
    },
  );
}
