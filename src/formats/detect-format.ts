import type { ByteSource } from './byte-source.ts';
import { type RecordingFormat, RecordingFormatError } from './recording-reader.ts';

/** Bytes that decide the format of a file; fewer when the file has fewer. */
export const DETECTION_BYTES = 64;

const ZSTD_MAGIC = '(\xb5/\xfd';

/**
 * The format of a recording by its first bytes; its name's ending decides only for what bytes cannot tell (a
 * compressed file of a ROS 2 bag, an empty one whose content is in its log). @throws {RecordingFormatError} naming what the file is instead, and what to do.
 */
export async function detectFormat(source: ByteSource, name: string): Promise<RecordingFormat> {
  return formatOf(await source.read(0, Math.min(DETECTION_BYTES, source.sizeBytes)), name);
}

/** As `detectFormat`, for the first `DETECTION_BYTES` of a file. */
export function formatOf(front: Uint8Array, name: string): RecordingFormat {
  // One character per byte; TextDecoder's latin1 is windows-1252 and changes some of them.
  const text = String.fromCharCode(...front.subarray(0, DETECTION_BYTES));
  if (text.startsWith('#ROSBAG V2.0') || text.startsWith('#ROSBAG V1') || text.startsWith('#ROSRECORD')) {
    return 'rosbag';
  }
  if (text.startsWith('\x89MCAP')) return 'mcap';
  if (text.startsWith('MDF     ') || text.startsWith('UnFinMF ')) return mdfFormat(text, name);
  if (text.startsWith('TDSm')) return 'tdms';
  if (text.startsWith('SQLite format 3\0')) return 'rosbag2';
  // Until SQLite first moves it there, the whole database lies in the log beside it.
  if (front.length === 0 && /\.db3$/i.test(name)) return 'rosbag2';
  if (text.startsWith(ZSTD_MAGIC) && /\.db3\.zstd$/i.test(name)) return 'rosbag2';
  if (text.startsWith(ZSTD_MAGIC) && /\.mcap\.zstd$/i.test(name)) return 'mcap';
  throw new RecordingFormatError(name, 'unknown', whatElse(text, front.length));
}

/** The version is text in bytes 8 to 16; MDF 3 and older have another structure (ASAM MDF 3.3, IDBLOCK). */
function mdfFormat(text: string, name: string): RecordingFormat {
  const version = text.slice(8, 16).replace(/[\0 ]+$/, '');
  if (/^4\./.test(version)) return 'mdf4';
  const what = `it is MDF of version ${version || 'unknown'}; only 4 is read. Convert it to 4.10 or later first`;
  throw new RecordingFormatError(name, 'mdf4', what);
}

const OTHERS: readonly (readonly [string, string])[] = [
  ['TDSh', 'it is a TDMS index; give the .tdms file beside it'],
  [ZSTD_MAGIC, 'it is compressed with zstd; decompress it first'],
  ['\x1f\x8b', 'it is compressed with gzip; decompress it first'],
  ['BZh', 'it is compressed with bzip2; decompress it first'],
  ['\x04"M\x18', 'it is compressed with lz4; decompress it first'],
  ['PK\x03\x04', 'it is a ZIP archive; unpack it first'],
  ['PAR1', 'it is a Parquet file, not a recording'],
];

function whatElse(text: string, lengthBytes: number): string {
  if (lengthBytes === 0) return 'it is empty';
  if (/^\0+$/.test(text)) return 'it begins with zeros: it was not written, or not copied to its end';
  const other = OTHERS.find(([magic]) => text.startsWith(magic));
  const known = 'ROS bag 2.0, MCAP, MDF 4, TDMS, ROS 2 bag in SQLite';
  return other?.[1] ?? `its first bytes are none of a known recording (${known})`;
}
