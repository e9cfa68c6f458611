import type { ByteSource } from '#formats/byte-source.ts';
import {
  type OpenOptions,
  type OpenRecording,
  type RecordingFormat,
  RecordingFormatError,
  type RecordingReader,
} from '#formats/recording-reader.ts';

/** Which reader a file gets: its first bytes decide, never its name. Readers are loaded when they are needed. */
interface Opener {
  readonly format: RecordingFormat;
  /** The first bytes of every file of the format. */
  readonly magics: readonly string[];
  readonly load: () => Promise<OpenRecording>;
}

const OPENERS: readonly Opener[] = [
  {
    format: 'rosbag',
    magics: ['#ROSBAG V2.0\n'],
    load: async () => (await import('#formats/rosbag/open-rosbag.ts')).openRosbag,
  },
  {
    format: 'mcap',
    magics: ['\x89MCAP0\r\n'],
    load: async () => (await import('#formats/mcap/open-mcap.ts')).openMcap,
  },
  {
    format: 'mdf4',
    magics: ['MDF ', 'UnFinMF '],
    load: async () => (await import('#formats/mdf4/open.ts')).openMdf4,
  },
];

const MAGIC_BYTES_MAX = 16;

/** The format a file begins like, or undefined for one that is no recording. */
export function formatOf(firstBytes: Uint8Array): RecordingFormat | undefined {
  return openerOf(firstBytes)?.format;
}

/** @throws {RecordingFormatError} when the file is in no known format, or nothing of it can be read. */
export async function openRecording(source: ByteSource, options: OpenOptions): Promise<RecordingReader> {
  const firstBytes = await source.read(0, Math.min(MAGIC_BYTES_MAX, source.sizeBytes));
  const opener = openerOf(firstBytes);
  if (opener === undefined) {
    const formats = OPENERS.map((candidate) => candidate.format).join(', ');
    throw new RecordingFormatError(
      options.name,
      'unknown',
      `its first bytes are those of no known recording format (${formats})`,
    );
  }
  const open = await opener.load();
  return open(source, options);
}

function openerOf(firstBytes: Uint8Array): Opener | undefined {
  return OPENERS.find((opener) =>
    opener.magics.some((magic) =>
      Array.from(magic).every((character, index) => firstBytes[index] === character.charCodeAt(0)),
    ),
  );
}
