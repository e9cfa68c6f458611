import type { VariableValues } from '../recording-reader.ts';
import type { NumberValues } from './field-values.ts';

/** A recording to be written as MDF 4.11. */
export interface WrittenRecording {
  readonly startTimeNs: bigint;
  readonly timeZoneMinutes?: number;
  readonly daylightSavingMinutes?: number;
  readonly comment?: string;
  /** Common properties of the header, such as `author`, `VIN`. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly groups: readonly WrittenGroup[];
  readonly attachments?: readonly {
    readonly name: string;
    readonly mediaType: string;
    readonly bytes: Uint8Array;
  }[];
}

export interface WrittenGroup {
  readonly name: string;
  readonly comment?: string;
  /** UTC nanoseconds of each row, not before the recording's start. */
  readonly timestampsNs: BigInt64Array;
  readonly channels: readonly WrittenChannel[];
  /** The bus and structure of a group of frames: `{ name: 'CAN1', structure: 'CAN_DataFrame' }`. */
  readonly bus?: { readonly name: string; readonly structure: string };
}

export interface WrittenChannel {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  /** As many values as the group has rows; bytes and texts are stored with their own length each. */
  readonly values: NumberValues | VariableValues;
  /** What variable values are; absent for numbers. */
  readonly kind?: 'bytes' | 'string';
  /** physical = raw * factor + offset. */
  readonly linear?: { readonly factor: number; readonly offset: number };
  /** Raw value to text. */
  readonly choices?: Readonly<Record<number, string>>;
}

export interface WriteOptions {
  /** Data is compressed with this (zlib stream), transposed, in blocks of at most 4 MiB; absent = plain. */
  readonly deflate?: (bytes: Uint8Array) => Uint8Array;
}
