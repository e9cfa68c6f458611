import { z } from 'zod';

/** The words of Landfall (docs/ARCHITECTURE.md, "Words"), as types and schemas. No synonyms. */

export const STAGES = [
  'validate',
  'register',
  'copy',
  'extract',
  'sync',
  'enrich',
  'scene-detect',
  'share',
] as const;
export const Stage = z.enum(STAGES);
export type Stage = z.infer<typeof Stage>;

/** What custody does with the files of a measurement in Landing, the archive and the error zone. */
export const CUSTODY_WORKS = ['quarantine', 'restore', 'remove-duplicate'] as const;

/** What runs as tasks in Batch: stages, and the works of custody. */
export const TaskedWork = z.enum([...STAGES, ...CUSTODY_WORKS]);
export type TaskedWork = z.infer<typeof TaskedWork>;

export function isCustodyWork(work: string): work is (typeof CUSTODY_WORKS)[number] {
  return (CUSTODY_WORKS as readonly string[]).includes(work);
}

export const ZONES = [
  'landing',
  'raw',
  'extracted',
  'synchronized',
  'enriched',
  'scenes',
  'labeled',
  'archive',
  'error',
] as const;
export const Zone = z.enum(ZONES);
export type Zone = z.infer<typeof Zone>;

/** In zones without a container per kind of sensor: one folder per recording, directly below it. */
export const RECORDINGS_CONTAINER = 'recordings';

export const DataStreamKind = z.enum(['raw', 'extracted', 'synchronized', 'enriched', 'scenes', 'labeled']);
export type DataStreamKind = z.infer<typeof DataStreamKind>;

export const MeasurementState = z.enum([
  'Receiving',
  'Incomplete',
  'Running',
  'Waiting',
  'Shared',
  'Rejected',
  'Failed',
  'Cancelled',
  'Rehydrating',
]);
export type MeasurementState = z.infer<typeof MeasurementState>;

/** States that nothing but an arrival or a person leads out of, and in which no stage runs. */
export const ENDED_STATES: readonly MeasurementState[] = ['Shared', 'Rejected', 'Failed', 'Cancelled'];

export const StageState = z.enum(['Pending', 'Running', 'Succeeded', 'Skipped', 'Failed']);
export type StageState = z.infer<typeof StageState>;

export const DataStreamState = z.enum([
  'Created',
  'StartCopy',
  'CopyComplete',
  'Processing',
  'Completed',
  'PartiallyCompleted',
  'Failed',
  'Superseded',
]);
export type DataStreamState = z.infer<typeof DataStreamState>;

export const SensorKind = z.enum(['camera', 'lidar', 'radar', 'can', 'gnss', 'imu', 'structured']);
export type SensorKind = z.infer<typeof SensorKind>;

/** A place in storage: a blob, or a folder when `path` ends with a slash. Never a URL: hosts are settings. */
export const BlobLocation = z.object({
  account: z.string().min(1),
  container: z.string().min(1),
  path: z.string(),
});
export type BlobLocation = z.infer<typeof BlobLocation>;

/** How messages name it, and how a task is told of its configuration. */
export function blobNameOf({ account, container, path }: BlobLocation): string {
  return `${account}/${container}/${path}`;
}

/** A blob whose content is pinned: a reader refuses any other bytes. */
export const BlobReference = BlobLocation.extend({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().nonnegative(),
});
export type BlobReference = z.infer<typeof BlobReference>;

export const Vehicle = z.object({ vin: z.string().min(1).max(64), model: z.string().max(200).optional() });
export type Vehicle = z.infer<typeof Vehicle>;

/** What is known of a recording once it lies complete in Landing. Travels with every command. */
export const Recording = z.object({
  fleet: z.string().min(1),
  recordingId: z.string().min(1),
  region: z.string().min(1),
  vehicle: Vehicle,
  /** The folder in Landing. */
  folder: BlobLocation,
  /** The manifest, as it was when the folder was complete. */
  manifest: BlobReference,
  fileCount: z.int().positive(),
  sizeBytes: z.int().nonnegative(),
  /** RFC 3339 UTC; from the manifest, until validation knows better. */
  startTime: z.iso.datetime().optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
export type Recording = z.infer<typeof Recording>;

/** Why a thing failed or was left out, for people and programs. `code` is one of domain/failures.ts. */
export const Reason = z.object({
  code: z.string().min(1),
  message: z.string().min(1).max(2000),
  /** Further sentences, one per file or task, at most 20. */
  details: z.array(z.string().max(2000)).max(20).optional(),
});
export type Reason = z.infer<typeof Reason>;

/** What a stage produced: a data stream with its places and the manifest that lists everything in it. */
export const DataStreamResult = z.object({
  dataStreamId: z.string(),
  kind: DataStreamKind,
  zone: Zone,
  /** One per container it uses. */
  locations: z.array(BlobLocation),
  /** Ids of the data streams it was made from. */
  parents: z.array(z.string()),
  /** The result manifest (domain/result-manifest.ts). Absent until there is one. */
  manifest: BlobReference.optional(),
  fileCount: z.int().nonnegative(),
  sizeBytes: z.int().nonnegative(),
  rowCount: z.int().nonnegative(),
});
export type DataStreamResult = z.infer<typeof DataStreamResult>;

export const SceneSummary = z.object({
  sceneId: z.string(),
  type: z.string(),
  startTime: z.iso.datetime(),
  endTime: z.iso.datetime(),
  confidence: z.number().min(0).max(1),
});
export type SceneSummary = z.infer<typeof SceneSummary>;
