import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type FileByteSource, openFileByteSource } from '#adapters/file/file-byte-source.ts';
import type { Rosbag2File, Rosbag2Metadata } from '#adapters/file/rosbag2-metadata.ts';
import { ROSBAG2_METADATA_NAME } from '#adapters/file/rosbag2-metadata-name.ts';
import { JoinedRecording, type RecordingPart } from '#formats/joined-recording.ts';
import { type Decompressors, RecordingFormatError, type RecordingReader } from '#formats/recording-reader.ts';
import { type OpenedRecording, openRecording } from './open-recording.ts';

export interface LocalRecording {
  readonly reader: RecordingReader;
  /** Closes the files; the reader is of no use afterwards. */
  close(): Promise<void>;
}

export interface LocalOptions {
  readonly decompressors: Decompressors;
  /** `name` of the file that is being read. */
  readonly onProgress?: (name: string, bytesRead: number, sizeBytes: number) => void;
}

/**
 * Opens a recording on this machine: a file, with the index or log that lies beside it, or the folder of a ROS 2 bag
 * (also by its `metadata.yaml`), whose files become one recording.
 * @throws {RecordingFormatError} when nothing of it can be read; what the operating system says when it is not there.
 */
export async function openLocalRecording(path: string, options: LocalOptions): Promise<LocalRecording> {
  const files = new OpenedFiles(options);
  try {
    const isFolder = (await stat(path)).isDirectory();
    const folder = isFolder ? path : basename(path) === ROSBAG2_METADATA_NAME ? dirname(path) : undefined;
    const reader = folder === undefined ? await files.recording(path) : await bagFolder(folder, files);
    return { reader, close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}

class OpenedFiles {
  readonly #options: LocalOptions;
  readonly #sources: FileByteSource[] = [];
  readonly #readers: OpenedRecording[] = [];

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  async recording(path: string): Promise<RecordingReader> {
    const source = await this.#open(path);
    const { decompressors, onProgress } = this.#options;
    const name = basename(path);
    const reader = await openRecording(source, {
      name,
      decompressors,
      companion: (ending) => this.#openIfThere(path + ending),
      ...(onProgress === undefined
        ? {}
        : { onProgress: (bytesRead: number) => onProgress(name, bytesRead, source.sizeBytes) }),
    });
    this.#readers.push(reader);
    return reader;
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.splice(0)) await reader.close();
    for (const source of this.#sources.splice(0)) await source.close();
  }

  async #open(path: string): Promise<FileByteSource> {
    const source = await openFileByteSource(path);
    this.#sources.push(source);
    return source;
  }

  async #openIfThere(path: string): Promise<FileByteSource | undefined> {
    try {
      return await this.#open(path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function bagFolder(folder: string, files: OpenedFiles): Promise<RecordingReader> {
  const present = await readdir(folder);
  const metadata = present.includes(ROSBAG2_METADATA_NAME) ? await metadataOf(folder) : undefined;
  const parts: RecordingPart[] = [];
  const absent: { reason: string; rowCount: number }[] = [];
  for (const { name, messageCount: rowCount = 0 } of bagFiles(present, metadata)) {
    const found = [name, `${name}.zstd`, name.replace(/\.zstd$/, '')].find((one) => present.includes(one));
    if (found === undefined) {
      absent.push({
        reason: `${name} is listed in ${ROSBAG2_METADATA_NAME} and is not in the folder`,
        rowCount,
      });
      continue;
    }
    try {
      parts.push({ name: found, reader: await files.recording(join(folder, found)) });
    } catch (error) {
      if (!(error instanceof RecordingFormatError)) throw error;
      absent.push({ reason: error.message, rowCount });
    }
  }
  if (parts.length === 0) {
    const reasons = absent.map(({ reason }) => reason).join('; ');
    const what = reasons || `it is a folder without files of a ROS 2 bag; name one of its recording files`;
    throw new RecordingFormatError(basename(folder), 'unknown', what);
  }
  return new JoinedRecording(parts, {
    rowCounts: metadata?.messageCounts ?? new Map(),
    properties: metadata?.properties ?? {},
    absent,
  });
}

async function metadataOf(folder: string): Promise<Rosbag2Metadata> {
  const { parseRosbag2Metadata } = await import('#adapters/file/rosbag2-metadata.ts');
  const parsed = parseRosbag2Metadata(await readFile(join(folder, ROSBAG2_METADATA_NAME), 'utf8'));
  if (parsed.ok) return parsed.metadata;
  throw new RecordingFormatError(basename(folder), 'rosbag2', parsed.problem);
}

/**
 * The files of the bag in their order. A recorder that was killed has written no metadata, or none of its last files:
 * those are there by their names, `<bag>_<number>`.
 */
function bagFiles(present: readonly string[], metadata: Rosbag2Metadata | undefined): Rosbag2File[] {
  const listed = metadata?.files ?? [];
  const known = new Set(listed.map(({ name }) => plainName(name)));
  const bags = new Set(listed.map(({ name }) => bagName(name)));
  const others = present
    .filter((name) => /\.(db3|mcap)(\.zstd)?$/i.test(name) && !known.has(plainName(name)))
    .filter((name) => metadata === undefined || bags.has(bagName(name)))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return [...listed, ...others.map((name) => ({ name }))];
}

function plainName(name: string): string {
  return name.replace(/\.zstd$/, '');
}

function bagName(name: string): string {
  return plainName(name).replace(/_\d+\.(db3|mcap)$/i, '.$1');
}
