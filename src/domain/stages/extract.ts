import { z } from 'zod';
import { groupFiles } from '../file-groups.ts';
import { type LossReport, NO_LOSS, type RecordingFacts } from '../recording-facts.ts';
import type { DataStreamManifest, ResultFile } from '../result-manifest.ts';
import { definitionOf } from '../stage-graph.ts';
import {
  type EndedTask,
  lossOfTasks,
  outputFolders,
  type PlannedDataStream,
  type PlannedTask,
  totalLoss,
} from '../stage-plan.ts';
import { Downsampling, type SelectedFile, type TopicSelection } from '../tasks/extract-tasks.ts';
import { sensorKindOf } from '../topic-kinds.ts';
import type { BlobReference, SensorKind, Vehicle } from '../vocabulary.ts';

/** Which tasks read which topics of which files, and what their results come to. */

/** What an operator may choose; the same for all measurements until a vehicle's configuration says otherwise. */
export const ExtractionProfile = z.object({
  /** Topics nobody needs. */
  excludedTopics: z.array(z.string()).default([]),
  /** Per topic name, or `*`, for each kind of task. */
  downsampling: z
    .object({
      structured: z.record(z.string(), Downsampling).default({}),
      camera: z.record(z.string(), Downsampling).default({}),
      lidar: z.record(z.string(), Downsampling).default({}),
      can: z.record(z.string(), Downsampling).default({}),
    })
    .prefault({}),
  /** Whether lidar scans also become PCD files. */
  pcd: z.boolean().default(true),
});
export type ExtractionProfile = z.infer<typeof ExtractionProfile>;

export interface ExtractionFacts {
  readonly vehicle: Vehicle;
  readonly attempt: number;
  /** The files of the raw data stream. */
  readonly rawFiles: readonly ResultFile[];
  readonly dataStream: PlannedDataStream;
  readonly profile: ExtractionProfile;
  /** Of the vehicle's configuration when the recording was made. */
  readonly dbc: Readonly<Record<string, BlobReference>>;
  readonly topicMap: Readonly<Record<string, string>>;
}

type TaskKind = 'validation' | 'metadata' | 'structured' | 'camera' | 'lidar' | 'can';

/** Which sensors' topics each kind of task reads. */
const SENSORS_READ: Readonly<Record<Exclude<TaskKind, 'validation' | 'metadata'>, readonly SensorKind[]>> = {
  structured: ['structured', 'gnss', 'imu', 'radar'],
  camera: ['camera'],
  lidar: ['lidar'],
  can: ['can'],
};
const TOPIC_TASKS = ['structured', 'camera', 'lidar', 'can'] as const;

/** Small files share their tasks, a large file has tasks of its own. */
const GROUP = { sizeBytesTarget: 512 * 1024 ** 2, filesMax: 100 };
const SHARD_SIZE_BYTES_MAX = 256 * 1024 ** 2;

/**
 * Per file, or group of small files: validation, and, waiting for it, metadata and one task for each kind of topic
 * that is there. No tasks at all when nothing of the raw data stream is a recording.
 */
export function planExtraction(facts: ExtractionFacts): PlannedTask[] {
  const tasks: PlannedTask[] = [];
  for (const group of groupFiles(facts.rawFiles.filter(isRecording), GROUP)) {
    const validation = tasks.length;
    const add = (kind: TaskKind, files: readonly SelectedFile[]) => {
      if (files.length > 0) tasks.push(taskOf(facts, kind, files, tasks.length, validation));
    };
    const files = group.map((file) => selectedFileOf(facts, file));
    add('validation', files);
    add('metadata', files);
    for (const kind of TOPIC_TASKS) add(kind, filesWith(files, SENSORS_READ[kind]));
  }
  return tasks;
}

function isRecording(file: ResultFile): file is ResultFile & { readonly recording: RecordingFacts } {
  return file.recording !== undefined;
}

function selectedFileOf(
  facts: ExtractionFacts,
  file: ResultFile & { readonly recording: RecordingFacts },
): SelectedFile {
  const { account, container, path, sizeBytes, sha256, sourceFile, recording } = file;
  const topics = recording.topics
    .filter((topic) => topic.messageCount > 0 && !facts.profile.excludedTopics.includes(topic.name))
    .map(
      ({ name, schemaName, encoding }): TopicSelection => ({
        name,
        schemaName,
        encoding,
        sensor: sensorKindOf({ name, schemaName }, facts.topicMap),
      }),
    );
  return {
    location: { account, container, path },
    path: sourceFile ?? path,
    sizeBytes,
    sha256,
    format: recording.format,
    topics,
  };
}

function filesWith(files: readonly SelectedFile[], sensors: readonly SensorKind[]): SelectedFile[] {
  return files
    .map((file) => ({ ...file, topics: file.topics.filter((topic) => sensors.includes(topic.sensor)) }))
    .filter((file) => file.topics.length > 0);
}

function taskOf(
  facts: ExtractionFacts,
  kind: TaskKind,
  files: readonly SelectedFile[],
  taskIndex: number,
  validation: number,
): PlannedTask {
  const { profile, dbc, vehicle } = facts;
  const common = { files, vehicle };
  const own = {
    validation: common,
    metadata: common,
    structured: { ...common, downsampling: profile.downsampling.structured },
    camera: {
      ...common,
      downsampling: profile.downsampling.camera,
      shardSizeBytesMax: SHARD_SIZE_BYTES_MAX,
    },
    lidar: {
      ...common,
      downsampling: profile.downsampling.lidar,
      pcd: profile.pcd,
      shardSizeBytesMax: SHARD_SIZE_BYTES_MAX,
    },
    can: { ...common, downsampling: profile.downsampling.can, dbc },
  }[kind];
  const sensors = kind === 'validation' || kind === 'metadata' ? ['structured' as const] : SENSORS_READ[kind];
  return {
    image: `landfall/extract-${kind}`,
    pool: 'execution',
    dependsOn: kind === 'validation' ? [] : [validation],
    wallClockSecondsMax: definitionOf('extract').deadlineSeconds,
    output: outputFolders(facts.dataStream.locations, sensors, facts.attempt, taskIndex),
    own,
  };
}

/** What the data stream holds, and what of the recording did not make it there. */
export function extractionOutput(
  tasks: readonly EndedTask[],
  raw: DataStreamManifest,
): { readonly files: ResultFile[]; readonly loss: LossReport } {
  return {
    files: tasks.flatMap((task) => task.result.files),
    loss: totalLoss([lossOfTasks(tasks), { ...NO_LOSS, reasons: raw.loss.reasons }]),
  };
}
