import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';
import type { FuzzedFormat } from './formats.ts';
import { mutate, randomOf } from './mutate.ts';

const decompressors = createDecompressors();

/** The damaged file with this number; the same for the same number. */
export function damagedFile(seeds: readonly Uint8Array[], number: number): Buffer {
  const random = randomOf(number);
  return mutate(seeds[random(seeds.length)]!, random);
}

/**
 * Reads a damaged file to its end. It may be refused by name or yield what is left, nothing else: undefined is
 * good, an error is a finding.
 */
export async function attempt({ name, open }: FuzzedFormat, bytes: Uint8Array): Promise<unknown> {
  try {
    const reader = await open(byteSourceOf(bytes), { name: `damaged ${name}`, decompressors });
    for await (const batch of reader.read()) {
      if (batch.columns.length !== batch.columnSchemas.length) throw new Error('columns and schemas differ');
      if (batch.timestampsNs.length !== batch.rowCount) throw new Error('rows and times differ');
    }
    reader.loss();
    return undefined;
  } catch (error) {
    return error instanceof RecordingFormatError ? undefined : error;
  }
}
