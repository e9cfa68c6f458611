import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from '#domain/documents.ts';
import { isFailure, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { TableReader } from '#domain/ports/table-reader.ts';
import type { TableWriter } from '#domain/ports/table-writer.ts';
import type { Span, Telemetry } from '#domain/ports/telemetry.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { report } from '#domain/reported-events.ts';
import { outputOf, TaskResult } from '#domain/result-manifest.ts';
import { below } from '#domain/stage-plan.ts';
import type { TaskConfiguration } from '#domain/task-configuration.ts';
import { type BlobLocation, type BlobReference, blobNameOf, type Reason } from '#domain/vocabulary.ts';
import { type Decompressors, RecordingFormatError } from '#formats/recording-reader.ts';
import { formatOf, openRecording } from './open-recording.ts';
import type { OutputFacts, TaskDefinition, TaskReporter, TaskTools, TaskWork } from './task-tools.ts';

/** What a task process is made of. */
export interface TaskEnvironment {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly reporter: TaskReporter;
  readonly tableWriter: TableWriter;
  readonly tableReader: TableReader;
  readonly decompressors: Decompressors;
  /** Local folder below which each task gets its own. */
  readonly scratchRoot: string;
}

/**
 * Exit codes of task processes. Batch runs a task again after any but 0, unless it is told that 2 is final; a task
 * that is run again after a final failure ends with the same failure at once.
 */
export const TaskExit = { done: 0, retryable: 1, terminal: 2 } as const;
export type TaskExit = (typeof TaskExit)[keyof typeof TaskExit];

const CONFIGURATION_SIZE_BYTES_MAX = 256 * 1024 * 1024;
const PROGRESS_INTERVAL_MS = 5_000;

/**
 * One run of a task: reads its configuration, works, writes the result manifest last, reports. A run that finds the
 * result of an earlier one (a node was lost after the work was done) reports that and does nothing else.
 */
export async function executeTask<Configuration extends TaskConfiguration>(
  definition: TaskDefinition<Configuration>,
  configurationLocation: BlobLocation,
  environment: TaskEnvironment,
): Promise<TaskExit> {
  const { blobs } = environment;
  const bytes = await blobs.read(configurationLocation, CONFIGURATION_SIZE_BYTES_MAX);
  const configuration = parseDocument(bytes, definition.configuration, configurationLocation.path);
  if (configuration.image !== definition.image) {
    throw new TerminalFailure(
      'not-allowed',
      `task ${configuration.taskId} is for ${configuration.image}, but this is ${definition.image}; correct the pool's images`,
    );
  }
  const earlier = await earlierResult(blobs, configuration.result);
  if (earlier !== undefined) return reportResult(environment, earlier.result, earlier.reference);
  return environment.telemetry.span(
    `task ${definition.image}`,
    {
      kind: 'consumer',
      ...(configuration.traceparent === undefined ? {} : { parent: configuration.traceparent }),
      attributes: attributesOf(configuration),
    },
    (span) => workAndReport(definition, configuration, environment, span),
  );
}

async function workAndReport<Configuration extends TaskConfiguration>(
  definition: TaskDefinition<Configuration>,
  configuration: Configuration,
  environment: TaskEnvironment,
  span: Span,
): Promise<TaskExit> {
  const { blobs, clock, telemetry } = environment;
  const startedAt = clock.now();
  const scratchFolder = await newScratchFolder(environment.scratchRoot);
  let work: TaskWork;
  try {
    work = await definition.work(configuration, toolsOf(configuration, environment, span, scratchFolder));
  } catch (error) {
    const failed = failedResult(configuration, error, startedAt, clock.now());
    const { code = '', message = '' } = failed.result.reason ?? {};
    report(telemetry, 'task.failed', { ...attributesOf(configuration), code, message }, {});
    const reference = await writeResult(blobs, configuration.result, failed.result);
    return failed.retryable ? TaskExit.retryable : reportResult(environment, failed.result, reference);
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
  const endedAt = clock.now();
  const result: TaskResult = {
    ...identityOf(configuration),
    outcome: work.outcome,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    files: [...work.files],
    loss: work.loss,
    timingsMs: { ...work.timingsMs, total: endedAt.getTime() - startedAt.getTime() },
    facts: { ...work.facts },
  };
  const reference = await writeResult(blobs, configuration.result, result);
  const total = endedAt.getTime() - startedAt.getTime();
  const numbers = { total, ...outputOf(result.files), lostRecords: result.loss.records };
  report(telemetry, 'task.ended', attributesOf(configuration), numbers, result.timingsMs);
  return reportResult(environment, result, reference);
}

/** An earlier run's final word: a good end, or a failure that no retry can help. */
async function earlierResult(
  blobs: BlobStore,
  location: BlobLocation,
): Promise<{ readonly result: TaskResult; readonly reference: BlobReference } | undefined> {
  if ((await blobs.head(location)) === undefined) return undefined;
  const bytes = await blobs.read(location, CONFIGURATION_SIZE_BYTES_MAX);
  const result = parseDocument(bytes, TaskResult, location.path);
  if (result.facts['retryable'] === true) return undefined;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { result, reference: { ...location, sha256, sizeBytes: bytes.length } };
}

async function reportResult(
  environment: TaskEnvironment,
  result: TaskResult,
  reference: BlobReference,
): Promise<TaskExit> {
  const { outcome, reason } = result;
  try {
    await environment.reporter.report(result.taskId, {
      outcome,
      ...(reason === undefined ? {} : { reason: { code: reason.code, message: reason.message } }),
      result: reference,
    });
  } catch (error) {
    if (!(error instanceof RetryableFailure)) throw error;
    // The result lies there: the poller finds it.
    environment.telemetry.event('task.report-failed', { taskId: result.taskId, message: error.message });
  }
  return outcome === 'failed' ? TaskExit.terminal : TaskExit.done;
}

async function writeResult(
  blobs: BlobStore,
  location: BlobLocation,
  result: TaskResult,
): Promise<BlobReference> {
  const content = new TextEncoder().encode(JSON.stringify(result));
  const { sha256 } = await blobs.write(location, content, { contentType: 'application/json' });
  return { ...location, sha256, sizeBytes: content.length };
}

function failedResult(
  configuration: TaskConfiguration,
  error: unknown,
  startedAt: Date,
  endedAt: Date,
): { readonly result: TaskResult; readonly retryable: boolean } {
  const retryable = !(error instanceof TerminalFailure || error instanceof RecordingFormatError);
  const result: TaskResult = {
    ...identityOf(configuration),
    outcome: 'failed',
    reason: reasonOf(error),
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    files: [],
    loss: NO_LOSS,
    timingsMs: { total: endedAt.getTime() - startedAt.getTime() },
    facts: { retryable },
  };
  return { result, retryable };
}

function reasonOf(error: unknown): Reason {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 2000) || 'no message';
  if (isFailure(error)) return { code: error.code, message, details: error.details.slice(0, 20) };
  if (error instanceof RecordingFormatError) return { code: 'file-unreadable', message };
  return { code: 'task-failed', message };
}

function identityOf(configuration: TaskConfiguration) {
  const { schemaVersion, taskId, stageRunId, measurementId, generation, stage, attempt, image } =
    configuration;
  return { schemaVersion, taskId, stageRunId, measurementId, generation, stage, attempt, image };
}

function attributesOf(configuration: TaskConfiguration) {
  const { taskId, measurementId, stage, attempt, image } = configuration;
  return { taskId, measurementId, stage, attempt, image };
}

async function newScratchFolder(root: string): Promise<string> {
  await mkdir(root, { recursive: true });
  return mkdtemp(join(root, 'task-'));
}

function toolsOf(
  configuration: TaskConfiguration,
  environment: TaskEnvironment,
  span: Span,
  scratchFolder: string,
): TaskTools {
  const { blobs, clock, telemetry, tableWriter, tableReader, decompressors } = environment;
  const upload = async (localPath: string, folder: BlobLocation, name: string, about: OutputFacts) => {
    const location = below(folder, name);
    const [sha256, { sizeBytes }] = await Promise.all([
      sha256Of(localPath),
      blobs.uploadFile(localPath, location, { contentType: about.mediaType }),
    ]);
    return { ...location, sizeBytes, sha256, ...about };
  };
  const openAt: TaskTools['openRecordingAt'] = (source, location, name) =>
    openRecording(source, {
      name,
      decompressors,
      scratchFolder,
      companion: async (ending) => {
        const beside = { ...location, path: location.path + ending };
        return (await blobs.head(beside)) === undefined ? undefined : blobs.open(beside);
      },
    });
  let progressAt = clock.now().getTime();
  return {
    blobs,
    clock,
    telemetry,
    span,
    tableWriter,
    tableReader,
    decompressors,
    scratchFolder,
    formatOf,
    openRecordingAt: openAt,
    openStoredRecording: async (location, name) => openAt(await blobs.open(location), location, name),
    download: (reference, localPath) => download(blobs, reference, localPath),
    upload,
    uploadTable: async (table, folder, name, about) => {
      const location = below(folder, name);
      const { sizeBytes } = await blobs.uploadFile(table.localPath, location, {
        contentType: about.mediaType,
      });
      return { ...location, sizeBytes, sha256: table.sha256, rowCount: table.rowCount, ...about };
    },
    writeDocument: async (value, folder, name, about) => {
      const location = below(folder, name);
      const content = new TextEncoder().encode(JSON.stringify(value));
      const mediaType = 'application/json';
      const { sha256 } = await blobs.write(location, content, { contentType: mediaType });
      return { ...location, sizeBytes: content.length, sha256, mediaType, ...about };
    },
    progress: (bytesDone, bytesTotal) => {
      const now = clock.now().getTime();
      if (now - progressAt < PROGRESS_INTERVAL_MS) return;
      progressAt = now;
      telemetry.event('task.progress', attributesOf(configuration), { bytesDone, bytesTotal });
    },
  };
}

const DOWNLOAD_RANGE_BYTES = 8 * 1024 * 1024;

async function download(blobs: BlobStore, reference: BlobReference, localPath: string): Promise<void> {
  const source = await blobs.open(reference);
  const hash = createHash('sha256');
  const file = await open(localPath, 'w');
  try {
    for (let offset = 0; offset < source.sizeBytes; offset += DOWNLOAD_RANGE_BYTES) {
      const bytes = await source.read(offset, Math.min(DOWNLOAD_RANGE_BYTES, source.sizeBytes - offset));
      hash.update(bytes);
      await file.write(bytes);
    }
  } finally {
    await file.close();
  }
  if (hash.digest('hex') !== reference.sha256) {
    throw new TerminalFailure(
      'file-changed',
      `${blobNameOf(reference)} is not what was referred to: its SHA-256 differs`,
    );
  }
}

async function sha256Of(localPath: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(localPath, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
