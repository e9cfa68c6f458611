import type { LedgerFile } from '../block-ledger.ts';
import type { FailureCode } from '../failures.ts';
import { groupFiles } from '../file-groups.ts';
import { MANIFEST_FILE_NAME, type Manifest } from '../manifest.ts';
import type { DataOf } from '../messages.ts';
import type { RecordingFacts } from '../recording-facts.ts';
import { definitionOf } from '../stage-graph.ts';
import { hasLoss, type StagePlan } from '../stage-plan.ts';
import type { FileFinding, ValidateTask } from '../tasks/validate-task.ts';
import type { Reason, Recording } from '../vocabulary.ts';

/** Whether a recording is what its manifest says: what is to be looked at, and what the findings mean. */

type FileToValidate = ValidateTask['files'][number];
export type QualitySummary = DataOf<'landfall.measurement.validated.v1'>['quality'];

const GROUP = { sizeBytesTarget: 1024 ** 3, filesMax: 200 };

/**
 * One task per gigabyte of small files, or per larger file. The manifest itself is looked at like any other file:
 * it is copied with them. Files are pinned to the version that lies in Landing now; one that is not there has no
 * version, and the task says so.
 */
export function planValidation(facts: {
  readonly recording: Recording;
  readonly manifest: Manifest;
  /** eTag per path, of what lies in the folder. */
  readonly landedETags: ReadonlyMap<string, string>;
}): StagePlan {
  const { recording, manifest, landedETags } = facts;
  const { sha256, sizeBytes } = recording.manifest;
  const files = [
    { path: MANIFEST_FILE_NAME, sizeBytes, sha256, format: 'other' as const },
    ...manifest.files,
  ];
  const pinned = files.map((file): FileToValidate => {
    const { path, sizeBytes: size, sha256: sha, format } = file;
    const { md5, crc64 } = 'md5' in file || 'crc64' in file ? file : {};
    return {
      path,
      sizeBytes: size,
      eTag: landedETags.get(path) ?? '',
      ...(sha === undefined ? {} : { sha256: sha }),
      ...(md5 === undefined ? {} : { md5 }),
      ...(crc64 === undefined ? {} : { crc64 }),
      ...(format === undefined ? {} : { format }),
    };
  });
  return {
    schemaVersion: 1,
    tasks: groupFiles(pinned, GROUP).map((group) => ({
      image: 'landfall/validate',
      pool: 'execution',
      dependsOn: [],
      wallClockSecondsMax: definitionOf('validate').deadlineSeconds,
      output: {},
      own: { folder: recording.folder, files: group },
    })),
  };
}

export type ValidationJudgement =
  | {
      readonly verdict: 'validated';
      readonly files: readonly LedgerFile[];
      readonly quality: QualitySummary;
      /** Present when records were lost. */
      readonly partialReason?: Reason;
    }
  | { readonly verdict: 'rejected'; readonly reason: Reason };

const DETAILS_MAX = 20;
const WARNINGS_MAX = 50;

/** Rejects what is corrupt, not what it says, or short of what the manifest expects; counts the rest. */
export function judgeValidation(
  manifest: Manifest,
  vin: string,
  findings: readonly FileFinding[],
): ValidationJudgement {
  const problems = findings.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  const [first] = problems;
  if (first !== undefined) {
    const message = `${problems.length} of ${findings.length} files are not what the manifest says; correct them, or the manifest, and upload the measurement again`;
    return rejected(
      first.code,
      message,
      problems.map((problem) => problem.message),
    );
  }
  const files = findings.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger]));
  const quality = qualityOf(vin, files);
  const missing = expectationsMissed(manifest, files, quality);
  if (missing.length > 0) {
    const message =
      'the recording is readable but misses what the manifest expects; check the logger, or correct "expected" in the manifest, and upload it again';
    return rejected('quality-insufficient', message, missing);
  }
  const losses = files.filter((file) => file.recording !== undefined && hasLoss(file.recording.loss));
  if (losses.length === 0) return { verdict: 'validated', files, quality };
  const message = `${losses.length} of ${files.length} files are damaged; ${quality.lostRecordCount} records are known to be lost`;
  const details = losses.flatMap((file) =>
    (file.recording?.loss.reasons ?? []).map((reason) => `${file.path}: ${reason}`.slice(0, 2000)),
  );
  const partialReason = { code: 'file-unreadable', message, details: details.slice(0, DETAILS_MAX) };
  return { verdict: 'validated', files, quality, partialReason };
}

function rejected(code: FailureCode, message: string, details: readonly string[]): ValidationJudgement {
  const listed = details.slice(0, DETAILS_MAX).map((detail) => detail.slice(0, 2000));
  if (details.length > DETAILS_MAX)
    listed[DETAILS_MAX - 1] = `and ${details.length - DETAILS_MAX + 1} further problems`;
  return { verdict: 'rejected', reason: { code, message, details: listed } };
}

function expectationsMissed(
  manifest: Manifest,
  files: readonly LedgerFile[],
  quality: QualitySummary,
): string[] {
  const { topics = [], minDurationSeconds } = manifest.expected ?? {};
  const counts = new Map<string, number>();
  for (const topic of files.flatMap((file) => file.recording?.topics ?? []))
    counts.set(topic.name, (counts.get(topic.name) ?? 0) + topic.messageCount);
  const missed = topics
    .filter((topic) => (counts.get(topic) ?? 0) === 0)
    .map((topic) =>
      counts.has(topic)
        ? `topic ${topic} is expected, but has no messages`
        : `topic ${topic} is expected, but in no file`,
    );
  if (minDurationSeconds !== undefined && quality.durationSeconds < minDurationSeconds)
    missed.push(
      `at least ${minDurationSeconds} s are expected, but the recording lasts ${quality.durationSeconds} s`,
    );
  return missed;
}

/** What the whole recording is like, over all its files. */
export function qualityOf(vin: string, files: readonly LedgerFile[]): QualitySummary {
  const recordings = files.flatMap(({ recording }) => (recording === undefined ? [] : [recording]));
  const startTime = recordings.flatMap((recording) => recording.startTime ?? []).sort()[0];
  const endTime = recordings
    .flatMap((recording) => recording.endTime ?? [])
    .sort()
    .at(-1);
  const topics = recordings.flatMap((recording) => recording.topics);
  const durationSeconds =
    startTime === undefined || endTime === undefined
      ? 0
      : Math.max(0, (new Date(endTime).getTime() - new Date(startTime).getTime()) / 1000);
  return {
    ...(startTime === undefined ? {} : { startTime }),
    ...(endTime === undefined ? {} : { endTime }),
    durationSeconds,
    topicCount: new Set(topics.map((topic) => topic.name)).size,
    messageCount: topics.reduce((sum, topic) => sum + topic.messageCount, 0),
    lostRecordCount: recordings.reduce((sum, recording) => sum + recording.loss.records, 0),
    warnings: warningsOf(vin, files).slice(0, WARNINGS_MAX),
  };
}

const GAP_MS_MIN = 1000;
const GAP_PERIODS_MIN = 10;

function warningsOf(vin: string, files: readonly LedgerFile[]): string[] {
  const warnings: string[] = [];
  if (vin === 'UNKNOWN')
    warnings.push('the vehicle is UNKNOWN: no vehicle configuration (DBC, topic map) applies');
  if (files.every((file) => file.recording === undefined))
    warnings.push('no file is a recording in a known format: nothing can be extracted');
  for (const file of files) {
    if (file.recording !== undefined) warnings.push(...recordingWarnings(file.path, file.recording));
  }
  return warnings.map((warning) => warning.slice(0, 500));
}

function recordingWarnings(path: string, recording: RecordingFacts): string[] {
  const warnings: string[] = [];
  const { loss } = recording;
  if (hasLoss(loss)) warnings.push(`${path}: ${loss.records} records and ${loss.bytes} bytes are lost`);
  for (const topic of recording.topics) {
    const { name, gapMsMax = 0, rateHz = 0, messageCount, outOfOrderCount } = topic;
    if (messageCount === 0) warnings.push(`${path}: topic ${name} has no messages`);
    if (gapMsMax >= GAP_MS_MIN && rateHz > 0 && gapMsMax * rateHz >= GAP_PERIODS_MIN * 1000)
      warnings.push(
        `${path}: topic ${name} is silent for ${(gapMsMax / 1000).toFixed(1)} s at ${rateHz.toFixed(1)} Hz`,
      );
    if (outOfOrderCount > 0)
      warnings.push(`${path}: topic ${name} has ${outOfOrderCount} messages earlier than the one before`);
  }
  return warnings;
}
