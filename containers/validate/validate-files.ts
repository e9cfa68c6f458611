import type { TaskDefinition, TaskTools, TaskWork } from '#composition/task-tools.ts';
import { blockSizeFor } from '#domain/block-ledger.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { NO_LOSS, type RecordingFacts } from '#domain/recording-facts.ts';
import { below, totalLoss } from '#domain/stage-plan.ts';
import { type FileFinding, type ValidateFacts, ValidateTask } from '#domain/tasks/validate-task.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import type { ByteSource } from '#formats/byte-source.ts';
import { DETECTION_BYTES } from '#formats/detect-format.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import { type Checksums, LedgerSource } from './ledger-source.ts';
import { walkRecording } from './walk-recording.ts';

type FileToValidate = ValidateTask['files'][number];
type Problem = NonNullable<FileFinding['problem']>;

/** Small files mostly wait for storage; several at once hide that. */
const FILES_AT_ONCE = 4;

/** Endings that promise a recording; a file that has one and is none lies about its format. */
const RECORDING_ENDINGS: Readonly<Record<string, string>> = {
  bag: 'ROS bag',
  mf4: 'MDF4',
  mdf: 'MDF4',
  tdms: 'TDMS',
  mcap: 'MCAP',
  db3: 'rosbag2',
};

/** Files that belong to recordings of a format and are none themselves. */
const COMPANIONS: Readonly<Partial<Record<string, RegExp>>> = {
  rosbag2: /(^|\/)metadata\.yaml$|\.db3-(wal|shm)$/i,
  tdms: /\.tdms_index$/i,
};

export const validateFiles: TaskDefinition<ValidateTask> = {
  image: 'landfall/validate',
  configuration: ValidateTask,
  work: async (task, tools): Promise<TaskWork> => {
    const sizeBytes = task.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    let bytesDone = 0;
    const findings = await inParallel(task.files, FILES_AT_ONCE, async (file) => {
      const finding = await validateFile(task, file, tools);
      bytesDone += file.sizeBytes;
      tools.progress(bytesDone, sizeBytes);
      return finding;
    });
    const facts: ValidateFacts = { findings };
    const losses = findings.map(({ ledger }) => ledger?.recording?.loss ?? NO_LOSS);
    return { outcome: 'succeeded', files: [], loss: totalLoss(losses), facts };
  },
};

async function validateFile(
  task: ValidateTask,
  file: FileToValidate,
  tools: TaskTools,
): Promise<FileFinding> {
  const { path } = file;
  const location = below(task.folder, path);
  const properties = file.eTag === '' ? undefined : await tools.blobs.head(location);
  if (properties === undefined) {
    const message = `${path} is in the manifest but not in ${task.folder.path}; upload it`;
    return { path, problem: { code: 'file-missing', message } };
  }
  if (properties.sizeBytes !== file.sizeBytes) {
    const message = `${path} has ${properties.sizeBytes} bytes, the manifest says ${file.sizeBytes}; upload it again, or correct the manifest`;
    return { path, problem: { code: 'file-size-mismatch', message } };
  }
  const isPlanned = properties.eTag === file.eTag;
  const stored = await tools.blobs.open(location, {
    eTag: file.eTag,
    ...(isPlanned ? { sizeBytes: properties.sizeBytes } : {}),
  });
  const blockSizeBytes = blockSizeFor(file.sizeBytes);
  const source = new LedgerSource(stored, {
    blockSizeBytes,
    md5: file.md5 !== undefined,
    crc64: file.crc64 !== undefined,
  });
  const looked = await lookInside(file, location, source, tools);
  const checksums = await source.finish();
  // Wrong bytes explain an unreadable recording, not the other way round.
  const problem = checksumProblem(file, checksums) ?? looked.problem;
  if (problem !== undefined) return { path, problem };
  const { sha256, blockMd5s } = checksums;
  const ledger = {
    path,
    sizeBytes: file.sizeBytes,
    eTag: file.eTag,
    sha256,
    blockSizeBytes,
    blockMd5s: [...blockMd5s],
    ...(looked.recording === undefined ? {} : { recording: looked.recording }),
  };
  return { path, ledger };
}

async function lookInside(
  file: FileToValidate,
  location: BlobLocation,
  source: ByteSource,
  tools: TaskTools,
): Promise<{ readonly recording?: RecordingFacts; readonly problem?: Problem }> {
  const firstBytes = await source.read(0, Math.min(DETECTION_BYTES, source.sizeBytes));
  const found = tools.formatOf(firstBytes, file.path);
  const mismatch = formatProblem(file, found);
  if (mismatch !== undefined) return { problem: mismatch };
  if (found === undefined || file.format === 'other') return {};
  try {
    const reader = await tools.openRecordingAt(source, location, file.path);
    try {
      return { recording: await walkRecording(reader) };
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (!(error instanceof RecordingFormatError)) throw error;
    const message = `${error.message}; record or export it again`;
    return { problem: { code: 'file-unreadable', message } };
  }
}

function formatProblem(file: FileToValidate, found: string | undefined): Problem | undefined {
  const { path, format: declared } = file;
  const promised = RECORDING_ENDINGS[path.split('.').at(-1)?.toLowerCase() ?? ''];
  if (declared === undefined && found === undefined && promised !== undefined) {
    const message = `${path} is named like a ${promised} file but begins like none; correct the file, or declare its format as "other"`;
    return { code: 'file-unreadable', message };
  }
  // A rosbag2 folder holds MCAP or SQLite files; both names are right.
  const isDeclared =
    declared === found ||
    (declared === 'rosbag2' && found === 'mcap') ||
    (found === undefined && declared !== undefined && COMPANIONS[declared]?.test(path) === true);
  if (declared === undefined || declared === 'other' || isDeclared) return undefined;
  const message = `${path} is declared as ${declared} but begins like ${found ?? 'no known recording format'}; correct the file or the manifest`;
  return { code: 'file-unreadable', message };
}

function checksumProblem(file: FileToValidate, checksums: Checksums): Problem | undefined {
  for (const kind of ['sha256', 'md5', 'crc64'] as const) {
    const [expected, actual] = [file[kind], checksums[kind]];
    if (expected === undefined || actual === undefined || expected === actual) continue;
    const message = `${file.path} has ${kind} ${actual}, the manifest says ${expected}; upload it again, or correct the manifest`;
    return { code: 'file-checksum-mismatch', message };
  }
  return undefined;
}
