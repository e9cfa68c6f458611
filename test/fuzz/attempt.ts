import { RecordingFormatError } from '#formats/recording-reader.ts';
import type { FuzzedFormat } from './formats.ts';
import { mutate, randomOf } from './mutate.ts';

/** The damaged file with this number; the same for the same number. */
export function damagedFile(seeds: readonly Uint8Array[], number: number): Buffer {
  const random = randomOf(number);
  return mutate(seeds[random(seeds.length)]!, random);
}

/**
 * Reads a damaged file to its end. It may be refused by name or yield what is left, nothing else: undefined is
 * good, an error is a finding.
 */
export async function attempt(format: FuzzedFormat, bytes: Uint8Array): Promise<unknown> {
  try {
    await format.read(bytes);
    return undefined;
  } catch (error) {
    return error instanceof RecordingFormatError ? undefined : error;
  }
}
