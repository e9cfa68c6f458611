import { z } from 'zod';
import { RecordingFacts } from './recording-facts.ts';

/**
 * Which bytes a file has, block by block, as validation read them. Copies are made from it and measured against it,
 * so that what lies in Raw and Archive is provably what was validated.
 */
export const LedgerFile = z.object({
  /** Relative to the measurement's folder. */
  path: z.string(),
  sizeBytes: z.int().nonnegative(),
  /** The version of the blob in Landing that was read. */
  eTag: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** All blocks have this size but the last, which has the rest. */
  blockSizeBytes: z.int().positive(),
  /** MD5 of each block in order, lower-case hexadecimal. Empty for an empty file. */
  blockMd5s: z.array(z.string().regex(/^[0-9a-f]{32}$/)).max(50_000),
  /** Absent for files that are no recording (the manifest, pictures, notes). */
  recording: RecordingFacts.optional(),
});
export type LedgerFile = z.infer<typeof LedgerFile>;

export const BlockLedger = z.object({
  schemaVersion: z.literal(1),
  measurementId: z.string(),
  generation: z.int().positive(),
  /** In the order of the manifest, which itself comes first. */
  files: z.array(LedgerFile).min(1),
});
export type BlockLedger = z.infer<typeof BlockLedger>;

const MEBIBYTE = 1024 * 1024;
const BLOCK_SIZE_BYTES_MIN = 8 * MEBIBYTE;
/** Most blocks of a block blob (Blob service REST, "Put Block List"). */
const BLOCKS_MAX = 50_000;

/** 8 MiB, or as many whole MiB as it takes to stay within 50,000 blocks. */
export function blockSizeFor(sizeBytes: number): number {
  const needed = Math.ceil(sizeBytes / BLOCKS_MAX / MEBIBYTE) * MEBIBYTE;
  return Math.max(BLOCK_SIZE_BYTES_MIN, needed);
}

export interface LedgerBlock {
  readonly blockId: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly md5: string;
}

/** The blocks of a file, as the copy stages and commits them. */
export function blocksOf(file: LedgerFile): LedgerBlock[] {
  return file.blockMd5s.map((md5, index) => {
    const offset = index * file.blockSizeBytes;
    const sizeBytes = Math.min(file.blockSizeBytes, file.sizeBytes - offset);
    return { blockId: blockIdOf(index, md5), offset, sizeBytes, md5 };
  });
}

export interface PlainBlock {
  readonly blockId: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The blocks of a file nobody has read: pinned by the version of the source alone. */
export function blocksOfVersion(sizeBytes: number, eTag: string): PlainBlock[] {
  const blockSizeBytes = blockSizeFor(sizeBytes);
  const version = eTag.replaceAll(/[^0-9A-Za-z]/g, '').slice(0, 32);
  return Array.from({ length: Math.ceil(sizeBytes / blockSizeBytes) }, (_, index) => {
    const offset = index * blockSizeBytes;
    return {
      blockId: blockIdOf(index, version.padStart(32, '0')),
      offset,
      sizeBytes: Math.min(blockSizeBytes, sizeBytes - offset),
    };
  });
}

/**
 * Position and content in one name, always equally long (Blob service REST, "Put Block": at most 64 bytes before
 * Base64), so that a committed block list tells by itself what was copied.
 */
function blockIdOf(index: number, content: string): string {
  return btoa(`${String(index).padStart(6, '0')}-${content}`);
}

/** Whether a committed block list is exactly these blocks; says what differs. */
export function differenceOf(
  expected: readonly PlainBlock[],
  committed: readonly { readonly blockId: string; readonly sizeBytes: number }[] | undefined,
): string | undefined {
  if (committed === undefined) return 'is not there';
  if (committed.length !== expected.length)
    return `has ${committed.length} blocks, should have ${expected.length}`;
  const index = expected.findIndex(
    (block, position) =>
      committed[position]?.blockId !== block.blockId || committed[position]?.sizeBytes !== block.sizeBytes,
  );
  return index === -1 ? undefined : `differs in block ${index}`;
}
