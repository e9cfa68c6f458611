import { z } from 'zod';
import { RecordingFacts } from '../recording-facts.ts';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobLocation, BlobReference, SensorKind, Vehicle } from '../vocabulary.ts';

/**
 * What the six extraction images are told. A large file has tasks of its own; small ones share, so that `files`
 * holds one or many. Outputs go to `output[sensor]` of the common part, tables named after file and topic.
 */

export const TopicSelection = z.object({
  name: z.string(),
  schemaName: z.string(),
  encoding: z.string(),
  /** The container its output belongs to. */
  sensor: SensorKind,
});
export type TopicSelection = z.infer<typeof TopicSelection>;

export const SelectedFile = z.object({
  location: BlobLocation,
  /** Relative to the measurement's folder; names outputs and errors. */
  path: z.string(),
  sizeBytes: z.int().nonnegative(),
  sha256: z.string(),
  format: RecordingFacts.shape.format,
  /** The topics this task reads, and no others. Never empty but in validation and metadata tasks. */
  topics: z.array(TopicSelection),
});
export type SelectedFile = z.infer<typeof SelectedFile>;

/**
 * Which rows of a topic are kept. Absent fields keep all; of several given, all must hold. Video is never thinned: its
 * frames build on each other.
 */
export const Downsampling = z.object({
  /** Keep the first of every `everyNth` rows. */
  everyNth: z.int().positive().optional(),
  /** Keep the first row of each 1 / `rateHzMax` seconds. */
  rateHzMax: z.number().positive().optional(),
  /**
   * Keep a row when the vehicle has come at least this far since the last kept one, by the positions in the same
   * file. Where and when there are none, rows are kept.
   */
  distanceMetresMin: z.number().positive().optional(),
  /** Inside these times, both inclusive, every row is kept; the fields above hold outside them. */
  keepRanges: z
    .array(z.object({ from: z.iso.datetime({ offset: true }), to: z.iso.datetime({ offset: true }) }))
    .optional(),
});
export type Downsampling = z.infer<typeof Downsampling>;

/** `facts.downsampling` in a result: what was achieved, per file and topic with a rule. */
export const DownsamplingReport = z.object({
  topic: z.string(),
  rowsSeen: z.int().nonnegative(),
  rowsKept: z.int().nonnegative(),
  /** Kept of seen, 0 to 1. */
  ratio: z.number().min(0).max(1),
});
export type DownsamplingReport = z.infer<typeof DownsamplingReport>;

const ExtractTask = TaskConfiguration.extend({
  files: z.array(SelectedFile).min(1),
  vehicle: Vehicle,
});

/** `landfall/extract-validation`: whether data can be extracted at all; all other tasks wait for it. */
export const ExtractValidationTask = ExtractTask;
export type ExtractValidationTask = z.infer<typeof ExtractValidationTask>;

/** `landfall/extract-metadata`: what the files say of themselves, as a document and a table in `structured`. */
export const ExtractMetadataTask = ExtractTask;
export type ExtractMetadataTask = z.infer<typeof ExtractMetadataTask>;

/** `landfall/extract-structured`: topics with plain values, one table each, in their sensor's container. */
export const ExtractStructuredTask = ExtractTask.extend({
  /** Per topic name; `*` is for topics without an entry of their own. */
  downsampling: z.record(z.string(), Downsampling),
});
export type ExtractStructuredTask = z.infer<typeof ExtractStructuredTask>;

/** `landfall/extract-camera`: images in tar shards, video as elementary streams, each with an index table, in `camera`. */
export const ExtractCameraTask = ExtractTask.extend({
  downsampling: z.record(z.string(), Downsampling),
  /** A shard is closed before it grows beyond this. */
  shardSizeBytesMax: z.int().positive(),
});
export type ExtractCameraTask = z.infer<typeof ExtractCameraTask>;

/** `landfall/extract-lidar`: one table of scans and one of points per topic, and PCD files in tar shards, in `lidar`. */
export const ExtractLidarTask = ExtractTask.extend({
  downsampling: z.record(z.string(), Downsampling),
  /** Whether each scan also becomes a PCD file. */
  pcd: z.boolean(),
  shardSizeBytesMax: z.int().positive(),
});
export type ExtractLidarTask = z.infer<typeof ExtractLidarTask>;

/** `landfall/extract-can`: raw frames per topic and bus, and one table per decoded message, in `can`. */
export const ExtractCanTask = ExtractTask.extend({
  /** DBC file per bus name, from the vehicle's configuration at the time of the recording. */
  dbc: z.record(z.string(), BlobReference),
  downsampling: z.record(z.string(), Downsampling),
});
export type ExtractCanTask = z.infer<typeof ExtractCanTask>;
