import { blocksOfVersion } from '#domain/block-ledger.ts';
import { TerminalFailure } from '#domain/failures.ts';
import { inParallel } from '#domain/in-parallel.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { type BlobLocation, type BlobReference, blobNameOf } from '#domain/vocabulary.ts';

/** Blocks of one table, among the tables that are copied beside it. */
const BLOCKS_AT_ONCE = 4;

/**
 * Lets storage copy a blob; the bytes do not come here. A target of the same size is taken for the copy: its name
 * contains the hash of the content, and a blob appears whole or not at all.
 * @throws {TerminalFailure} `not-found`; `file-changed` when the source has another size than was said.
 */
export async function copyOnce(blobs: BlobStore, source: BlobReference, target: BlobLocation): Promise<void> {
  const there = await blobs.head(target);
  if (there?.sizeBytes === source.sizeBytes) return;
  const name = blobNameOf(source);
  const found = await blobs.head(source);
  if (found === undefined) throw new TerminalFailure('not-found', `${name} does not exist.`);
  if (found.sizeBytes !== source.sizeBytes)
    throw new TerminalFailure(
      'file-changed',
      `${name} has ${found.sizeBytes} bytes instead of ${source.sizeBytes}.`,
    );
  const location = { account: source.account, container: source.container, path: source.path };
  const blocks = blocksOfVersion(source.sizeBytes, found.eTag);
  await inParallel(blocks, BLOCKS_AT_ONCE, (block) =>
    blobs.copyBlock({ location, eTag: found.eTag }, target, block),
  );
  try {
    await blobs.commitBlocks(target, blocks, { contentType: 'application/vnd.apache.parquet' });
  } catch (error) {
    // Another process that made the same copy has committed its blocks, and with that dropped ours.
    if (!(error instanceof TerminalFailure) || error.code !== 'copy-unverified') throw error;
    if ((await blobs.head(target))?.sizeBytes !== source.sizeBytes) throw error;
  }
}
