import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { isZstd } from '#adapters/compression/unpack-zstd.ts';
import type { ByteSource } from '#formats/byte-source.ts';
import { detectFormat, formatOf as formatOfFront } from '#formats/detect-format.ts';
import {
  type Loss,
  LossCounter,
  type OpenOptions,
  type OpenRecording,
  type RecordingFormat,
  RecordingFormatError,
  type RecordingReader,
  type Selection,
  type TableBatch,
} from '#formats/recording-reader.ts';
import type { UnpackedRecording } from './unpacked-recording.ts';

/** Readers are loaded when they are needed: a task reads one format, and starting a process is most of its time. */
const READERS: Readonly<Record<RecordingFormat, () => Promise<OpenRecording>>> = {
  rosbag: async () => (await import('#formats/rosbag/open-rosbag.ts')).openRosbag,
  mcap: async () => (await import('#formats/mcap/open-mcap.ts')).openMcap,
  mdf4: async () => (await import('#formats/mdf4/open.ts')).openMdf4,
  rosbag2: async () => (await import('#formats/rosbag2/open-rosbag2.ts')).openRosbag2,
  tdms: async () => (await import('#formats/tdms/open-tdms.ts')).openTdms,
};

export interface OpenAnyOptions extends OpenOptions {
  /** Where a file that is compressed as a whole is decompressed; the system's folder for such files when absent. */
  readonly scratchFolder?: string;
}

/** A reader, and what it holds of this machine's disk. */
export interface OpenedRecording extends RecordingReader {
  /** Frees the disk; the reader is of no use afterwards. What the recording was read from stays open. */
  close(): Promise<void>;
}

/**
 * The format a file begins like, or undefined for one that is no recording. A version nobody reads counts as its
 * format: opening it says what to do.
 */
export function formatOf(firstBytes: Uint8Array, name: string): RecordingFormat | undefined {
  try {
    return formatOfFront(firstBytes, name);
  } catch (error) {
    if (!(error instanceof RecordingFormatError)) throw error;
    return error.format === 'unknown' ? undefined : error.format;
  }
}

/**
 * Opens a recording by its first bytes. A file that was compressed as a whole (`.db3.zstd`, `.mcap.zstd`: ROS 2 bags
 * recorded with `--compression-mode file`) is read from the disk; no recording itself begins like zstd.
 * @throws {RecordingFormatError} when the file is in no known format, or nothing of it can be read.
 */
export async function openRecording(source: ByteSource, options: OpenAnyOptions): Promise<OpenedRecording> {
  const format = await detectFormat(source, options.name);
  const open = await READERS[format]();
  if (!(await isZstd(source))) {
    return new HeldRecording(await open(source, options), undefined);
  }
  const { unpackRecording } = await import('./unpacked-recording.ts');
  const { name, scratchFolder: folder = tmpdir(), onProgress } = options;
  const unpacked = await unpackRecording(source, { name, format, folder, ...(onProgress && { onProgress }) });
  try {
    const ratio = source.sizeBytes / unpacked.source.sizeBytes;
    const progress = onProgress && {
      onProgress: (bytesRead: number) => onProgress(Math.round(bytesRead * ratio)),
    };
    return new HeldRecording(await open(unpacked.source, { ...options, ...progress }), unpacked);
  } catch (error) {
    await unpacked.source.close();
    throw error;
  }
}

/** A reader and its place on the disk, if any; what could not be decompressed is a loss beside those it finds. */
class HeldRecording implements OpenedRecording {
  readonly summary: RecordingReader['summary'];
  readonly #reader: RecordingReader;
  readonly #unpacked: UnpackedRecording | undefined;

  constructor(reader: RecordingReader, unpacked: UnpackedRecording | undefined) {
    this.summary = reader.summary;
    this.#reader = reader;
    this.#unpacked = unpacked;
  }

  /**
   * Readers are pure and know no event loop; a batch takes them some milliseconds, and many can come out of one block
   * that is in memory. Between two of them the loop turns.
   */
  async *read(selection?: Selection): AsyncGenerator<TableBatch> {
    for await (const batch of this.#reader.read(selection)) {
      yield batch;
      await setImmediate();
    }
  }

  loss(): Loss {
    const lost = this.#unpacked?.lost;
    const found = this.#reader.loss();
    if (lost === undefined) return found;
    const loss = new LossCounter();
    loss.add(found.records, found.bytes + lost.bytes, lost.reason);
    for (const reason of found.reasons) loss.add(0, 0, reason);
    return loss.report();
  }

  async close(): Promise<void> {
    await this.#unpacked?.source.close();
  }
}
