import type { ByteSource } from '#formats/byte-source.ts';
import { detectFormat, formatOf as formatOfFront } from '#formats/detect-format.ts';
import {
  type OpenOptions,
  type OpenRecording,
  type RecordingFormat,
  RecordingFormatError,
  type RecordingReader,
} from '#formats/recording-reader.ts';
import { uncompressed } from '#formats/uncompressed.ts';

/** Readers are loaded when they are needed: a task reads one format, and starting a process is most of its time. */
const READERS: Readonly<Record<RecordingFormat, () => Promise<OpenRecording>>> = {
  rosbag: async () => (await import('#formats/rosbag/open-rosbag.ts')).openRosbag,
  mcap: async () => (await import('#formats/mcap/open-mcap.ts')).openMcap,
  mdf4: async () => (await import('#formats/mdf4/open.ts')).openMdf4,
  rosbag2: async () => (await import('#formats/rosbag2/open-rosbag2.ts')).openRosbag2,
  tdms: async () => (await import('#formats/tdms/open-tdms.ts')).openTdms,
};

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

/** @throws {RecordingFormatError} when the file is in no known format, or nothing of it can be read. */
export async function openRecording(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const format = await detectFormat(source, options.name);
  const open = await READERS[format]();
  return open(await uncompressed(source, format, options), options);
}
