import type { ByteSource } from './byte-source.ts';

/**
 * What every reader promises, whatever the format. A recording is a set of **tables**: one per ROS topic, MDF
 * channel group, TDMS group. A table is read in batches of columns (typed arrays, never an object per row), in
 * the order of the file, with memory bounded by the chunk or block, never by the file.
 */
export interface RecordingReader {
  /** What the file says of itself; complete once the reader is open. */
  readonly summary: RecordingSummary;
  /**
   * The rows of the selected tables, batch by batch. Batches of one table come in file order; batches of several
   * tables come interleaved as the file holds them. `batch` arrays are reused by no later batch.
   */
  read(selection?: Selection): AsyncIterable<TableBatch>;
  /** What was lost so far, opening and reading; final when `read` has ended. Never a silent loss. */
  loss(): Loss;
}

/** Opens one format. `name` is the file's name, used in errors only. */
export type OpenRecording = (source: ByteSource, options: OpenOptions) => Promise<RecordingReader>;

export interface OpenOptions {
  /** The file's name, for errors. */
  readonly name: string;
  readonly decompressors: Decompressors;
  /**
   * Opens the file beside this one whose name has an ending more, undefined where there is none. Asked only by the
   * formats that have such files.
   */
  readonly companion?: (ending: CompanionEnding) => Promise<ByteSource | undefined>;
  /** Called now and then with the bytes of the file walked so far; for progress. */
  readonly onProgress?: (bytesRead: number) => void;
}

/** `_index`: the metadata of a TDMS file in one piece. `-wal`: what SQLite had not yet moved into the database. */
export type CompanionEnding = '_index' | '-wal';

export type Compression = 'lz4-frame' | 'lz4-block' | 'bz2' | 'zstd' | 'deflate';

/**
 * Decompression is handed in, so that readers depend on no library. `sizeBytesMax` is the size the container
 * declares, or the most it may be: an implementation stops there and throws, so that a bomb costs nothing.
 */
export type Decompressors = {
  readonly [K in Compression]: (
    compressed: Uint8Array,
    sizeBytesMax: number,
    /** `whole` when left out: input that is cut off throws. */
    end?: CompressedEnd,
  ) => Uint8Array | Promise<Uint8Array>;
};

/**
 * What becomes of input that is cut off. With `as-far-as-it-goes` the blocks that are whole are decompressed and
 * the rest is left; an algorithm that cannot do so throws.
 */
export type CompressedEnd = 'whole' | 'as-far-as-it-goes';

export type RecordingFormat = 'mdf4' | 'tdms' | 'rosbag' | 'mcap' | 'rosbag2';

export interface RecordingSummary {
  readonly format: RecordingFormat;
  /** The format's own version text, such as `2.0`, `4.11`, `4713`. */
  readonly version: string;
  /** The program that wrote it, where the file says. */
  readonly writer?: string;
  readonly sizeBytes: number;
  /** UTC nanoseconds since 1970 of the first and last row; absent in a recording without rows. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
  readonly tables: readonly TableSummary[];
  /** Free facts of the file (header comments, metadata records), text to text. */
  readonly properties: Readonly<Record<string, string>>;
  readonly attachments: readonly Attachment[];
}

export interface Attachment {
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** @throws {RecordingFormatError} when it is damaged. */
  read(): Promise<Uint8Array>;
}

export interface TableSummary {
  /** Unique in the file: the topic, `group/…`, the acquisition name. What a user types to select it. */
  readonly name: string;
  /** Where the file groups tables (MDF acquisition, TDMS group); equal to `name` where it does not. */
  readonly group: string;
  /** The type the recorder declares: `sensor_msgs/Imu`, `foxglove.CompressedVideo`, `CAN_DataFrame`, or ''. */
  readonly schemaName: string;
  /** `ros1`, `cdr`, `protobuf`, `json`, … for messages; '' where columns are native. */
  readonly encoding: string;
  /** Rows, where the file knows before reading; else undefined. */
  readonly rowCount?: number;
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
  readonly columns: readonly ColumnSchema[];
}

export type ScalarType =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64'
  /** UTC nanoseconds since 1970. */
  | 'timestamp'
  /** Nanoseconds. */
  | 'duration'
  | 'string'
  | 'bytes';

export type ColumnType = ScalarType | ListType;

export interface ListType {
  readonly list: ColumnType;
}

export interface ColumnSchema {
  /** Nested fields are flattened with dots: `pose.position.x`. Lists stay lists; a list of messages becomes one list per leaf. */
  readonly name: string;
  readonly type: ColumnType;
  readonly unit?: string;
  readonly description?: string;
  /** Raw value to label, where the source declares labels (DBC `VAL_`, MDF value-to-text). */
  readonly choices?: Readonly<Record<string, string>>;
  /** Where the values come from and how they were converted, for the table's metadata. */
  readonly source?: string;
}

/** Values of one column of one batch. Its kind follows from the column's type. */
export type ColumnValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | VariableValues
  | ListValues;

/** Strings (UTF-8) and bytes: value i is `bytes[offsets[i] … offsets[i + 1])`. `offsets.length` = rows + 1. */
export interface VariableValues {
  readonly kind: 'variable';
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Lists: list i is `items[offsets[i] … offsets[i + 1])`. `offsets.length` = rows + 1. */
export interface ListValues {
  readonly kind: 'list';
  readonly offsets: Uint32Array;
  readonly items: ColumnValues;
}

export interface ColumnBatch {
  readonly values: ColumnValues;
  /** 1 = value, 0 = null, per row; absent when nothing is null. */
  readonly validity?: Uint8Array;
}

export interface TableBatch {
  readonly table: TableSummary;
  readonly rowCount: number;
  /** UTC nanoseconds since 1970 per row: the recorder's time of the row (ROS receive time, MDF master, TDMS time). */
  readonly timestampsNs: BigInt64Array;
  /** In the order of `table.columns`, or of the selected columns where `Selection.columns` was given. */
  readonly columns: readonly ColumnBatch[];
  readonly columnSchemas: readonly ColumnSchema[];
}

export interface Selection {
  /** Names of tables; absent = all. A name the file does not have is ignored (the caller compares with the summary). */
  readonly tables?: readonly string[];
  /** Names of columns to read; absent = all. Others cost nothing where the format allows it. */
  readonly columns?: readonly string[];
  /** Rows with startTimeNs <= time < endTimeNs. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
}

export interface Loss {
  /** Rows known to be missing or unreadable. */
  readonly records: number;
  /** Bytes skipped because they could not be understood. */
  readonly bytes: number;
  /** Sentences a person can act on: what, where, how much. At most 100; further ones are counted in the last. */
  readonly reasons: readonly string[];
}

/**
 * The file is not what it says, and nothing of it can be read. Damage inside a readable file is never this
 * error but a counted loss.
 */
export class RecordingFormatError extends Error {
  override readonly name = 'RecordingFormatError';
  readonly file: string;
  readonly format: RecordingFormat | 'unknown';
  constructor(file: string, format: RecordingFormat | 'unknown', what: string, options?: ErrorOptions) {
    super(`${file}: ${what}`, options);
    this.file = file;
    this.format = format;
  }
}

const REASONS_MAX = 100;

/** Collects losses while reading. */
export class LossCounter {
  #records = 0;
  #bytes = 0;
  #unlisted = 0;
  readonly #reasons: string[] = [];

  add(records: number, bytes: number, reason: string): void {
    this.#records += records;
    this.#bytes += bytes;
    if (this.#reasons.length < REASONS_MAX - 1) this.#reasons.push(reason);
    else this.#unlisted += 1;
  }

  report(): Loss {
    const reasons =
      this.#unlisted === 0 ? [...this.#reasons] : [...this.#reasons, `and ${this.#unlisted} further losses`];
    return { records: this.#records, bytes: this.#bytes, reasons };
  }
}
