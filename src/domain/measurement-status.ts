import { z } from 'zod';
import {
  BlobLocation,
  BlobReference,
  DataStreamState,
  MeasurementState,
  Reason,
  SceneSummary,
  Stage,
  StageState,
} from './vocabulary.ts';

const LastRefusal = z.object({
  request: z.string(),
  actor: z.string(),
  reason: Reason,
  at: z.iso.datetime(),
});

/** What people and programs see of one measurement. The same for the metadata API and the command line. */
export const MeasurementStatus = z.object({
  measurementId: z.string(),
  fleet: z.string(),
  recordingId: z.string().optional(),
  vehicle: z.object({ vin: z.string() }),
  generation: z.int(),
  state: MeasurementState,
  reason: Reason.optional(),
  /** The last request that was turned down or came to nothing. */
  lastRefusal: LastRefusal.optional(),
  stages: z.array(
    z.object({
      stage: Stage,
      state: StageState,
      attempt: z.int(),
      startedAt: z.iso.datetime().optional(),
      endedAt: z.iso.datetime().optional(),
      reason: Reason.optional(),
    }),
  ),
  dataStreams: z.array(
    z.object({
      dataStreamId: z.string(),
      kind: z.string(),
      zone: z.string(),
      state: DataStreamState,
      generation: z.int(),
      locations: z.array(BlobLocation),
      parents: z.array(z.string()),
      fileCount: z.int(),
      sizeBytes: z.int(),
      rowCount: z.int(),
      /** The first 1,000; all of them are in the manifest. */
      files: z.array(
        BlobLocation.extend({ sizeBytes: z.int(), rows: z.int().optional(), table: z.string().optional() }),
      ),
      manifest: BlobReference.optional(),
    }),
  ),
  /** The first 1,000 by time; all of them are in the scenes data stream. */
  scenes: z.array(SceneSummary),
  shares: z.array(z.object({ shareId: z.string(), partner: z.string(), expiresAt: z.string() })),
  updatedAt: z.string().optional(),
});
export type MeasurementStatus = z.infer<typeof MeasurementStatus>;

/** The fields of the saga's documents (src/saga/documents.ts) that a status is made of. */
export const MeasurementFields = z.object({
  fleet: z.string(),
  recordingId: z.string().optional(),
  vin: z.string().optional(),
  generation: z.int(),
  state: MeasurementState,
  reason: Reason.optional(),
  lastRefusal: LastRefusal.optional(),
  stages: z.record(
    Stage,
    z.object({
      state: StageState,
      attempt: z.int(),
      startedAt: z.iso.datetime().optional(),
      endedAt: z.iso.datetime().optional(),
      reason: Reason.optional(),
    }),
  ),
  updatedAt: z.string().optional(),
});

/** Which attempt of which generation each stage of a measurement is at. */
export const StageAttempts = z.object({
  stages: z.partialRecord(Stage, z.object({ state: StageState, generation: z.int(), attempt: z.int() })),
});

export const DataStreamFields = z.object({
  dataStreamId: z.string(),
  dataStreamKind: z.string(),
  zone: z.string(),
  state: DataStreamState,
  generation: z.int(),
  locations: z.array(BlobLocation),
  parents: z.array(z.string()),
  manifest: BlobReference.optional(),
  fileCount: z.int().default(0),
  sizeBytes: z.int().default(0),
  rowCount: z.int().default(0),
});

export const ShareFields = z.object({ shareId: z.string(), partner: z.string(), expiresAt: z.string() });

/** From the recording itself, or a data stream, to the data stream made of it. */
export const LineageEdge = z.object({
  from: z.string(),
  to: z.string(),
  stage: z.string().optional(),
  generation: z.int().optional(),
});

export const Lineage = z.object({ measurementId: z.string(), edges: z.array(LineageEdge) });
export type Lineage = z.infer<typeof Lineage>;

/** One line of a list of measurements. */
export const MeasurementLine = z.object({
  measurementId: z.string(),
  fleet: z.string(),
  recordingId: z.string().optional(),
  vin: z.string().optional(),
  generation: z.int(),
  state: MeasurementState,
  stage: Stage.optional(),
  reason: Reason.optional(),
  updatedAt: z.string().optional(),
});
export type MeasurementLine = z.infer<typeof MeasurementLine>;
