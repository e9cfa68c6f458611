import { createHash } from 'node:crypto';
import type { TaskDefinition, TaskTools, TaskWork } from '#composition/task-tools.ts';
import {
  BlockLedger,
  blocksOf,
  blocksOfVersion,
  differenceOf,
  type LedgerFile,
  type PlainBlock,
} from '#domain/block-ledger.ts';
import { parseDocument } from '#domain/documents.ts';
import { Conflict, isOvertaken, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { LandedVersions, storedVersions } from '#domain/landed-versions.ts';
import { MANIFEST_FILE_NAME } from '#domain/manifest.ts';
import type { BlobProperties, BlobStore } from '#domain/ports/blob-store.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { below } from '#domain/stage-plan.ts';
import { type CopyFacts, CopyTask } from '#domain/tasks/copy-task.ts';
import type { BlobLocation, BlobReference } from '#domain/vocabulary.ts';

/** Requests at once: files times blocks of one file. The bytes go from account to account; this process waits. */
const FILES_AT_ONCE = 8;
const BLOCKS_AT_ONCE = 4;
const KEPT_MAX = 20;
const READ_BYTES = 8 * 1024 * 1024;

/** One file to be moved, and the blocks it consists of. */
interface Piece {
  readonly path: string;
  readonly sizeBytes: number;
  readonly eTag: string;
  readonly blocks: readonly PlainBlock[];
  readonly sha256?: string;
}

export const copyFiles: TaskDefinition<CopyTask> = {
  image: 'landfall/copy',
  configuration: CopyTask,
  work: async ({ work }, tools): Promise<TaskWork> => {
    const facts = await actOn(work, tools);
    return { outcome: 'succeeded', files: [], loss: NO_LOSS, facts };
  },
};

async function actOn(work: CopyTask['work'], tools: TaskTools): Promise<CopyFacts> {
  const { blobs } = tools;
  switch (work.action) {
    case 'copy': {
      const listed = new Set((await storedVersions(blobs, work.target)).map(({ path }) => path));
      const pieces = await ledgerPieces(blobs, work.ledger);
      return copyPieces(tools, work.source, work.target, pieces, { ...LEDGER_MANNER, listed });
    }
    case 'remove':
      return removeVerified(tools, work.source, work.copies, await ledgerPieces(blobs, work.ledger));
    case 'copy-versions': {
      const { source, target, versions, except, keepExisting } = work;
      const pieces = await versionPieces(blobs, source, versions, except);
      return copyPieces(tools, source, target, pieces, { keepExisting, leaveChanged: true });
    }
    case 'remove-versions': {
      const pieces = await versionPieces(blobs, work.source, work.versions);
      const removal = () => removeCopied(tools, work.source, work.copy, pieces);
      return work.unlessCorrected
        ? unlessCorrected(tools, work.source, work.copy, pieces, removal)
        : removal();
    }
    case 'remove-duplicate':
      return removeDuplicate(tools, work, await ledgerPieces(blobs, work.ledger));
  }
}

/** The versions that were noted, or else those that lie in the folder. */
async function versionPieces(
  blobs: BlobStore,
  folder: BlobLocation,
  versions: BlobReference | undefined,
  except: readonly string[] = [],
): Promise<Piece[]> {
  const files =
    versions === undefined
      ? await storedVersions(blobs, folder)
      : parseDocument(await blobs.readPinned(versions), LandedVersions, versions.path).files;
  return files
    .filter(({ path }) => !except.includes(path))
    .map((file) => ({ ...file, blocks: blocksOfVersion(file.sizeBytes, file.eTag) }));
}

async function ledgerPieces(blobs: BlobStore, reference: BlobReference): Promise<Piece[]> {
  const { files } = parseDocument(await blobs.readPinned(reference), BlockLedger, reference.path);
  return files.map((file: LedgerFile) => ({ ...file, blocks: blocksOf(file) }));
}

interface CopyManner {
  /** Whether other bytes that lie in the target stay as they are. */
  readonly keepExisting: boolean;
  /** Whether a source that is another version by now is left alone; else it is a failure. */
  readonly leaveChanged: boolean;
  /**
   * What lies in the target, asked once for all files. Then an accepted commit is enough here: nothing leaves Landing
   * before the removing task has read the block list of every file of every copy.
   */
  readonly listed?: ReadonlySet<string>;
}

const LEDGER_MANNER: CopyManner = { keepExisting: false, leaveChanged: false };

type CopyEnd = 'copied' | 'unchanged' | 'kept' | 'left';

async function copyPieces(
  tools: TaskTools,
  source: BlobLocation,
  target: BlobLocation,
  pieces: readonly Piece[],
  manner: CopyManner,
): Promise<CopyFacts> {
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0);
  let bytesDone = 0;
  const ends = await inParallel(pieces, FILES_AT_ONCE, async (piece) => {
    const end = await copyPiece(tools.blobs, source, target, piece, manner);
    bytesDone += piece.sizeBytes;
    tools.progress(bytesDone, sizeBytes);
    return end;
  });
  const moved = pieces.filter((_, index) => ends[index] !== 'left');
  return {
    fileCount: moved.length,
    sizeBytes: moved.reduce((sum, piece) => sum + piece.sizeBytes, 0),
    unchangedCount: ends.filter((end) => end === 'unchanged').length,
    kept: pathsWhere(pieces, ends, ['kept', 'left']),
  };
}

async function copyPiece(
  blobs: BlobStore,
  sourceFolder: BlobLocation,
  targetFolder: BlobLocation,
  piece: Piece,
  { keepExisting, leaveChanged, listed }: CopyManner,
): Promise<CopyEnd> {
  const target = below(targetFolder, piece.path);
  const isFree = listed !== undefined && !listed.has(piece.path);
  const existing = isFree ? undefined : await blobs.head(target);
  if (existing !== undefined) {
    if ((await differenceAt(blobs, target, piece, existing)) === undefined) return 'unchanged';
    if (keepExisting) return 'kept';
  }
  const source = { location: below(sourceFolder, piece.path), eTag: piece.eTag };
  if (leaveChanged && !(await isStill(blobs, source))) return 'left';
  try {
    await inParallel(piece.blocks, BLOCKS_AT_ONCE, (block) => blobs.copyBlock(source, target, block));
  } catch (error) {
    // Uploaded again, or removed, between the look and the copy: blocks that were staged are never committed.
    if (leaveChanged && isOvertaken(error)) return 'left';
    throw error;
  }
  const isFirst = await commitPiece(blobs, target, piece, keepExisting);
  if (listed !== undefined) return 'copied';
  const difference = await differenceAt(blobs, target, piece);
  if (difference === undefined) return isFirst ? 'copied' : 'unchanged';
  // Uploaded meanwhile: what is brought back never takes the place of what somebody uploads.
  if (keepExisting) return 'kept';
  throw new RetryableFailure(
    'copy-unverified',
    `the copy of ${piece.path} at ${target.account}/${target.container}/${target.path} ${difference}, although it was just committed; somebody else writes there`,
  );
}

/** @returns false when a blob came to lie there before it was committed, and may stay. */
async function commitPiece(
  blobs: BlobStore,
  target: BlobLocation,
  piece: Piece,
  keepExisting: boolean,
): Promise<boolean> {
  const options = {
    ...(piece.sha256 === undefined ? {} : { metadata: { sha256: piece.sha256 } }),
    ...(keepExisting ? { onlyIfAbsent: true } : {}),
  };
  try {
    await blobs.commitBlocks(target, piece.blocks, options);
    return true;
  } catch (error) {
    if (keepExisting && error instanceof Conflict) return false;
    throw error;
  }
}

async function isStill(
  blobs: BlobStore,
  version: { readonly location: BlobLocation; readonly eTag: string },
): Promise<boolean> {
  return (await blobs.head(version.location))?.eTag === version.eTag;
}

/** How a blob differs from the piece, or undefined. An empty block list is also that of a blob put in one go. */
async function differenceAt(
  blobs: BlobStore,
  location: BlobLocation,
  piece: Piece,
  known?: BlobProperties,
): Promise<string | undefined> {
  const difference = differenceOf(piece.blocks, await blobs.committedBlocks(location));
  if (difference !== undefined || piece.blocks.length > 0) return difference;
  const properties = known ?? (await blobs.head(location));
  return properties?.sizeBytes === 0 ? undefined : 'is not empty';
}

/** Removes nothing until every copy of every file is verified once more. */
async function removeVerified(
  tools: TaskTools,
  source: BlobLocation,
  copies: readonly BlobLocation[],
  pieces: readonly Piece[],
): Promise<CopyFacts> {
  for (const copy of copies)
    await verifyCopies(copy, pieces, (location, piece) => differenceAt(tools.blobs, location, piece));
  const removal = () => removePieces(tools, source, pieces);
  return unlessCorrected(tools, source, copies[0]!, pieces, removal);
}

/** @throws {RetryableFailure} `copy-unverified` naming the first file whose copy is not what it should be. */
async function verifyCopies(
  copy: BlobLocation,
  pieces: readonly Piece[],
  differenceOfCopy: (location: BlobLocation, piece: Piece) => Promise<string | undefined>,
): Promise<void> {
  await inParallel(pieces, FILES_AT_ONCE * BLOCKS_AT_ONCE, async (piece) => {
    const location = below(copy, piece.path);
    const difference = await differenceOfCopy(location, piece);
    if (difference !== undefined)
      throw new RetryableFailure(
        'copy-unverified',
        `nothing is removed: ${piece.path} at ${location.account}/${location.container}/${location.path} ${difference}`,
      );
  });
}

/**
 * Removes a recording that came again. Its manifest is the one that is known, but whether its bytes are those that
 * were copied is only known when they have been read. The manifest goes first, and with another manifest there
 * nothing goes: then the folder is on its way to be something else.
 */
async function removeDuplicate(
  tools: TaskTools,
  work: Extract<CopyTask['work'], { action: 'remove-duplicate' }>,
  ledger: readonly Piece[],
): Promise<CopyFacts> {
  const { blobs } = tools;
  const { source } = work;
  await verifyCopies(work.raw, ledger, (location, piece) => differenceAt(blobs, location, piece));
  await verifyCopies(work.archive, ledger, async (location, { sizeBytes }) => {
    const copy = await blobs.head(location);
    if (copy === undefined) return 'is not there';
    return copy.sizeBytes === sizeBytes ? undefined : `has ${copy.sizeBytes} bytes, should have ${sizeBytes}`;
  });
  const known = new Map(ledger.map((piece) => [piece.path, piece]));
  const landed = await versionPieces(blobs, source, work.versions);
  const ends = await inParallel(landed, FILES_AT_ONCE, (piece) =>
    compareBytes(blobs, source, piece, known.get(piece.path)?.sha256),
  );
  const equal = landed.filter((_, index) => ends[index] === 'equal');
  const left = landed.filter((_, index) => ends[index] === 'left').map(({ path }) => path);
  const manifest = equal.filter(({ path }) => path === MANIFEST_FILE_NAME);
  const first = await removePieces(tools, source, manifest);
  if (left.includes(MANIFEST_FILE_NAME) || first.kept.length > 0)
    return { ...first, kept: landed.map(({ path }) => path).slice(0, KEPT_MAX) };
  const rest = await removePieces(
    tools,
    source,
    equal.filter(({ path }) => path !== MANIFEST_FILE_NAME),
  );
  return {
    fileCount: first.fileCount + rest.fileCount,
    sizeBytes: first.sizeBytes + rest.sizeBytes,
    unchangedCount: first.unchangedCount + rest.unchangedCount + ends.filter((end) => end === 'gone').length,
    kept: [...rest.kept, ...left].slice(0, KEPT_MAX),
  };
}

/** @throws {TerminalFailure} `file-checksum-mismatch` when what came again are not the bytes that are known. */
async function compareBytes(
  blobs: BlobStore,
  folder: BlobLocation,
  { path, eTag, sizeBytes }: Piece,
  sha256: string | undefined,
): Promise<'equal' | 'left' | 'gone'> {
  const location = below(folder, path);
  const now = await blobs.head(location);
  if (now === undefined) return 'gone';
  if (now.eTag !== eTag) return 'left';
  const hash = createHash('sha256');
  try {
    const version = await blobs.open(location, { eTag });
    for (let offset = 0; offset < sizeBytes; offset += READ_BYTES)
      hash.update(await version.read(offset, Math.min(READ_BYTES, sizeBytes - offset)));
  } catch (error) {
    // Uploaded again, or removed, while it was read: a new arrival, of which Landing hears.
    if (isOvertaken(error)) return 'left';
    throw error;
  }
  if (hash.digest('hex') === sha256) return 'equal';
  throw new TerminalFailure(
    'file-checksum-mismatch',
    `nothing is removed: ${path} in ${folder.account}/${folder.path} came again under the same manifest, with other bytes than those in Raw; upload it again, or delete the folder`,
  );
}

/**
 * A folder that somebody is correcting stays whole: with another version of one of its files there, nothing leaves
 * it. One may come while the files are removed, so it is looked for once more afterwards, and what was removed comes
 * back. A correction that is whole when Landing looks is therefore whole in the end, whoever was first: as long as
 * all files were there, so was the corrected one, and the look after the removal finds it.
 */
async function unlessCorrected(
  tools: TaskTools,
  folder: BlobLocation,
  copy: BlobLocation,
  pieces: readonly Piece[],
  removal: () => Promise<CopyFacts>,
): Promise<CopyFacts> {
  const { blobs } = tools;
  const isBeforehand = await isCorrected(blobs, folder, pieces);
  const removed = isBeforehand ? undefined : await removal();
  if (removed !== undefined && !(await isCorrected(blobs, folder, pieces))) return removed;
  const paths = new Set(pieces.map(({ path }) => path));
  const copies = (await versionPieces(blobs, copy, undefined)).filter(({ path }) => paths.has(path));
  await copyPieces(tools, copy, folder, copies, { keepExisting: true, leaveChanged: true });
  return { fileCount: 0, sizeBytes: 0, unchangedCount: 0, kept: [...paths].slice(0, KEPT_MAX) };
}

/** Whether one of the files is there, but as another version. One that is gone is no correction. */
async function isCorrected(
  blobs: BlobStore,
  folder: BlobLocation,
  pieces: readonly Piece[],
): Promise<boolean> {
  const eTags = new Map(pieces.map(({ path, eTag }) => [path, eTag]));
  const stored = await storedVersions(blobs, folder);
  return stored.some(({ path, eTag }) => eTags.has(path) && eTags.get(path) !== eTag);
}

/** Removes the files that have an equal copy, and leaves the others. */
async function removeCopied(
  tools: TaskTools,
  source: BlobLocation,
  copy: BlobLocation,
  pieces: readonly Piece[],
): Promise<CopyFacts> {
  const differences = await inParallel(pieces, FILES_AT_ONCE * BLOCKS_AT_ONCE, (piece) =>
    differenceAt(tools.blobs, below(copy, piece.path), piece),
  );
  const facts = await removePieces(
    tools,
    source,
    pieces.filter((_, index) => differences[index] === undefined),
  );
  const uncopied = pieces.filter((_, index) => differences[index] !== undefined).map((piece) => piece.path);
  return { ...facts, kept: [...facts.kept, ...uncopied].slice(0, KEPT_MAX) };
}

async function removePieces(
  tools: TaskTools,
  source: BlobLocation,
  pieces: readonly Piece[],
): Promise<CopyFacts> {
  const ends = await inParallel(pieces, FILES_AT_ONCE * BLOCKS_AT_ONCE, async ({ path, eTag }) => {
    try {
      return (await tools.blobs.remove(below(source, path), { eTag })) ? 'removed' : 'unchanged';
    } catch (error) {
      // Another version was uploaded meanwhile: it is somebody's, and the landing handler has seen it.
      if (error instanceof Conflict) return 'kept';
      throw error;
    }
  });
  return {
    fileCount: ends.filter((end) => end === 'removed').length,
    sizeBytes: pieces.reduce(
      (sum, piece, index) => sum + (ends[index] === 'removed' ? piece.sizeBytes : 0),
      0,
    ),
    unchangedCount: ends.filter((end) => end === 'unchanged').length,
    kept: pathsWhere(pieces, ends, ['kept']),
  };
}

function pathsWhere(pieces: readonly Piece[], ends: readonly string[], wanted: readonly string[]): string[] {
  return pieces
    .filter((_, index) => wanted.includes(ends[index] ?? ''))
    .map((piece) => piece.path)
    .slice(0, KEPT_MAX);
}
