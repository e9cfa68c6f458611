import { type DataStreamManifest, type ResultFile, referenceOf } from '../result-manifest.ts';
import { FRAME_INDEX_ROLE } from '../table-columns.ts';
import type { BlobReference } from '../vocabulary.ts';

/** What a labeling package is made from: every camera's frame index with its shards, and the table of scenes. */
export function planPackage(
  extracted: DataStreamManifest | undefined,
  scenes: DataStreamManifest,
): {
  readonly frameIndexes: readonly {
    readonly sensor: string;
    readonly index: BlobReference;
    readonly shards: Readonly<Record<string, BlobReference>>;
  }[];
  readonly scenes?: BlobReference;
} {
  const files = extracted?.files ?? [];
  const indexes = files.filter((file) => file.table?.role === FRAME_INDEX_ROLE && (file.rowCount ?? 0) > 0);
  const table = scenes.files.find((file) => file.table?.role === 'scenes');
  return {
    frameIndexes: indexes.map((index) => ({
      sensor: index.table?.name ?? index.path,
      index: referenceOf(index),
      shards: Object.fromEntries(
        files
          .filter((file) => file.mediaType === 'application/x-tar' && inFolderOf(file, index))
          .map((shard) => [nameOf(shard), referenceOf(shard)]),
      ),
    })),
    ...(table === undefined ? {} : { scenes: referenceOf(table) }),
  };
}

function inFolderOf(file: ResultFile, other: ResultFile): boolean {
  const folder = (path: string) => path.slice(0, path.lastIndexOf('/') + 1);
  return (
    file.account === other.account &&
    file.container === other.container &&
    folder(file.path) === folder(other.path)
  );
}

function nameOf(file: ResultFile): string {
  return file.path.slice(file.path.lastIndexOf('/') + 1);
}
