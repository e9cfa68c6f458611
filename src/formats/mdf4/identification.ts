import { type OpenOptions, RecordingFormatError } from '../recording-reader.ts';

/** The first 64 bytes (ASAM MDF 4.1.0, 4.3 "IDBLOCK"). */
export interface Identification {
  /** As written, `4.11`. */
  readonly version: string;
  readonly program: string;
  readonly finalized: boolean;
  /** What the writer had no time to finish; all false in a finalized file. */
  readonly unfinished: UnfinishedParts;
}

export interface UnfinishedParts {
  readonly cycleCounters: boolean;
  readonly lastDataLength: boolean;
  readonly variableLengthCounters: boolean;
  readonly variableLengthOffsets: boolean;
}

export const IDENTIFICATION_BYTES = 64;

/** @throws {RecordingFormatError} unless the bytes begin an MDF file of version 4.00 to 4.xx. */
export function parseIdentification(bytes: Uint8Array, options: OpenOptions): Identification {
  const ascii = (start: number, end: number) =>
    String.fromCharCode(...bytes.subarray(start, end))
      .replaceAll('\0', ' ')
      .trim();
  const magic = ascii(0, 8);
  if (bytes.length < IDENTIFICATION_BYTES || (magic !== 'MDF' && magic !== 'UnFinMF')) {
    throw new RecordingFormatError(
      options.name,
      'unknown',
      'not an MDF file: it does not begin with MDF or UnFinMF',
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = ascii(8, 16);
  const versionNumber = view.getUint16(28, true);
  if (versionNumber < 400 || versionNumber >= 500) {
    throw new RecordingFormatError(
      options.name,
      'mdf4',
      `MDF version ${version || versionNumber} is not read, only 4.00 to 4.30: convert the file to MDF 4`,
    );
  }
  const flags = magic === 'MDF' ? 0 : view.getUint16(60, true);
  return {
    version,
    program: ascii(16, 24),
    finalized: magic === 'MDF',
    unfinished: {
      cycleCounters: (flags & 0x01) !== 0,
      lastDataLength: (flags & 0x04) !== 0,
      variableLengthCounters: (flags & 0x20) !== 0,
      variableLengthOffsets: (flags & 0x40) !== 0,
    },
  };
}
