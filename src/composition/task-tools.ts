import type { z } from 'zod';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { TableReader } from '#domain/ports/table-reader.ts';
import type { TableWriter, WrittenTable } from '#domain/ports/table-writer.ts';
import type { Span, Telemetry } from '#domain/ports/telemetry.ts';
import type { LossReport } from '#domain/recording-facts.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import type { TaskConfiguration } from '#domain/task-configuration.ts';
import type { TaskReportBody } from '#domain/tasks/task-report.ts';
import type { BlobLocation, BlobReference, SensorKind } from '#domain/vocabulary.ts';
import type { ByteSource } from '#formats/byte-source.ts';
import type { Decompressors, RecordingFormat } from '#formats/recording-reader.ts';
import type { OpenedRecording } from './open-recording.ts';

/** What a container hands to `runTask`: which image it is, what it must be told, and what it does. */
export interface TaskDefinition<Configuration extends TaskConfiguration> {
  /** `landfall/<task>`. */
  readonly image: string;
  readonly configuration: z.ZodType<Configuration>;
  /**
   * Throws TerminalFailure when no retry can help (exit code 2), anything else when one may (exit code 1). What it
   * wrote before lies under its attempt's prefix and is of no account.
   */
  readonly work: (configuration: Configuration, tools: TaskTools) => Promise<TaskWork>;
}

/** What the work came to; `runTask` makes the result manifest of it. */
export interface TaskWork {
  /** `empty`: what the task looks for is not there. */
  readonly outcome: 'succeeded' | 'empty';
  readonly files: readonly ResultFile[];
  readonly loss: LossReport;
  /** Milliseconds per part of the work: `read`, `decode`, `write`, `upload`. */
  readonly timingsMs?: Readonly<Record<string, number>>;
  /** What only this kind of task knows; its schema lies beside the configuration's in src/domain/tasks. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** What a task works with. Heavy libraries are loaded at first use. */
export interface TaskTools {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly span: Span;
  readonly tableWriter: TableWriter;
  readonly tableReader: TableReader;
  readonly decompressors: Decompressors;
  /** An empty local folder for this task alone; removed at the end. */
  readonly scratchFolder: string;
  /** The format that bytes begin like (DETECTION_BYTES suffice), or undefined for what is no recording. */
  formatOf(firstBytes: Uint8Array, name: string): RecordingFormat | undefined;
  /**
   * Opens a recording by its first bytes; the index or log that some formats keep beside it is found by `location`.
   * What is compressed as a whole lies decompressed in the scratch folder until the reader is closed. `name` is used in errors.
   * @throws {RecordingFormatError} when it is in no known format, or nothing of it can be read.
   */
  openRecordingAt(source: ByteSource, location: BlobLocation, name: string): Promise<OpenedRecording>;
  /** Opens a recording in storage, pinned to the version it has now. */
  openStoredRecording(location: BlobLocation, name: string): Promise<OpenedRecording>;
  /**
   * Brings a pinned blob into a local file. @throws {TerminalFailure} `not-found`; `file-changed` when its bytes are
   * not those referred to.
   */
  download(reference: BlobReference, localPath: string): Promise<void>;
  /** Sends a local file to `<folder><name>` and says what it is. */
  upload(localPath: string, folder: BlobLocation, name: string, about: OutputFacts): Promise<ResultFile>;
  /** Sends a table that a TableWriter has closed. */
  uploadTable(
    table: WrittenTable,
    folder: BlobLocation,
    name: string,
    about: OutputFacts & Required<Pick<OutputFacts, 'table'>>,
  ): Promise<ResultFile>;
  /** Writes a small JSON document. */
  writeDocument(
    value: unknown,
    folder: BlobLocation,
    name: string,
    about: Omit<OutputFacts, 'mediaType'>,
  ): Promise<ResultFile>;
  /** Says how far the work is, now and then; costs nothing when called often. */
  progress(bytesDone: number, bytesTotal: number): void;
}

export interface OutputFacts {
  readonly mediaType: string;
  readonly sensor: SensorKind;
  readonly sourceFile?: string;
  readonly rowCount?: number;
  readonly table?: NonNullable<ResultFile['table']>;
}

/** The way back: the metadata API, as a task sees it. */
export interface TaskReporter {
  /** @throws {RetryableFailure} when the API did not take it. */
  report(taskId: string, body: TaskReportBody): Promise<void>;
}
