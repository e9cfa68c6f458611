import type { GoneFile, LandedFile, LandingFolder, LandingStore } from '#domain/ports/landing-store.ts';

interface Partition {
  folder: LandingFolder | undefined;
  readonly files: Map<string, LandedFile | GoneFile>;
}

/** The container `landing`, in memory. */
export class MemoryLandingStore implements LandingStore {
  readonly #partitions = new Map<string, Partition>();
  #etagCount = 0;
  /** Files handed out by `files`: what whole-folder comparisons cost. */
  filesRead = 0;

  async folder(folder: string): Promise<LandingFolder | undefined> {
    return this.#partitions.get(folder)?.folder;
  }

  async createFolder(folder: Omit<LandingFolder, 'etag'>): Promise<LandingFolder> {
    const partition = this.#partition(folder.folder);
    partition.folder ??= this.#stamped(folder);
    return partition.folder;
  }

  async replaceFolder(folder: LandingFolder): Promise<LandingFolder | undefined> {
    const partition = this.#partition(folder.folder);
    if (partition.folder?.etag !== folder.etag) return undefined;
    partition.folder = this.#stamped(folder);
    return partition.folder;
  }

  async file(folder: string, path: string): Promise<LandedFile | undefined> {
    const file = this.#partitions.get(folder)?.files.get(path);
    return file === undefined || 'gone' in file ? undefined : file;
  }

  async recordFile(
    folder: string,
    file: LandedFile | GoneFile,
  ): Promise<{ readonly changed: boolean; readonly before?: LandedFile | GoneFile }> {
    const { files } = this.#partition(folder);
    const before = files.get(file.path);
    if (before === undefined) {
      files.set(file.path, file);
      return { changed: !('gone' in file) };
    }
    if (Date.parse(before.seenAt) > Date.parse(file.seenAt) || isSame(before, file)) {
      return { changed: false, before };
    }
    files.set(file.path, file);
    return { changed: true, before };
  }

  async *files(folder: string): AsyncIterable<LandedFile> {
    for (const file of [...(this.#partitions.get(folder)?.files.values() ?? [])]) {
      if ('gone' in file) continue;
      this.filesRead++;
      yield file;
    }
  }

  async progress(
    folder: string,
  ): Promise<{ readonly fileCount: number; readonly sizeBytes: number; readonly lastArrivalAt?: string }> {
    const files = [...(this.#partitions.get(folder)?.files.values() ?? [])].filter(
      (file): file is LandedFile => !('gone' in file),
    );
    const lastArrivalAt = files
      .map((file) => file.lastModified)
      .toSorted((a, b) => Date.parse(a) - Date.parse(b))
      .at(-1);
    return {
      fileCount: files.length,
      sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
      ...(lastArrivalAt === undefined ? {} : { lastArrivalAt }),
    };
  }

  async due(now: Date, limit: number): Promise<readonly LandingFolder[]> {
    return this.#folders()
      .filter((folder) => folder.lookAt !== undefined && new Date(folder.lookAt) <= now)
      .toSorted((a, b) => Date.parse(a.lookAt ?? '') - Date.parse(b.lookAt ?? ''))
      .slice(0, limit);
  }

  async waiting(limit: number): Promise<readonly LandingFolder[]> {
    return this.#folders()
      .filter((folder) => folder.announced?.as !== 'received')
      .slice(0, limit);
  }

  #partition(folder: string): Partition {
    const known = this.#partitions.get(folder);
    if (known !== undefined) return known;
    const partition: Partition = { folder: undefined, files: new Map() };
    this.#partitions.set(folder, partition);
    return partition;
  }

  #folders(): LandingFolder[] {
    return [...this.#partitions.values()].flatMap(({ folder }) => (folder === undefined ? [] : [folder]));
  }

  #stamped(folder: Omit<LandingFolder, 'etag'>): LandingFolder {
    return { ...folder, etag: `etag-${++this.#etagCount}` };
  }
}

function isSame(before: LandedFile | GoneFile, after: LandedFile | GoneFile): boolean {
  if ('gone' in before || 'gone' in after) return 'gone' in before && 'gone' in after;
  return before.eTag === after.eTag && before.sizeBytes === after.sizeBytes;
}
