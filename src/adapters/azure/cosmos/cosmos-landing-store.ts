import { createHash } from 'node:crypto';
import type { Container } from '@azure/cosmos';
import { Conflict } from '#domain/failures.ts';
import type { GoneFile, LandedFile, LandingFolder, LandingStore } from '#domain/ports/landing-store.ts';
import {
  type CosmosDatabase,
  collect,
  guardedWrite,
  queryItems,
  readItem,
  type Stored,
} from './cosmos-database.ts';

const FOLDER_ID = 'folder';
const TRIES_MAX = 10;

interface FolderItem {
  readonly id: typeof FOLDER_ID;
  readonly folder: string;
  readonly type: 'folder';
  readonly state: Omit<LandingFolder, 'etag'>;
}

interface FileItem {
  readonly id: string;
  readonly folder: string;
  readonly type: 'file';
  readonly isGone: boolean;
  readonly file: LandedFile | GoneFile;
}

/** Landing's folders: a partition each, with one document for what was decided and one per file. */
export class CosmosLandingStore implements LandingStore {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('landing');
  }

  async folder(folder: string): Promise<LandingFolder | undefined> {
    const item = await readItem<FolderItem>(this.#container, FOLDER_ID, folder);
    return item === undefined ? undefined : folderOf(item);
  }

  async createFolder(folder: Omit<LandingFolder, 'etag'>): Promise<LandingFolder> {
    const item = folderItem(folder);
    const created = await guardedWrite(`Folder ${folder.folder} could not be recorded`, () =>
      this.#container.items.create<FolderItem>(item),
    );
    if (created !== 'conflict') return folderOf(created.resource as FolderItem & Stored);
    const existing = await this.folder(folder.folder);
    if (existing === undefined) throw new Conflict(`Folder ${folder.folder} came and went; look again.`);
    return existing;
  }

  async replaceFolder(folder: LandingFolder): Promise<LandingFolder | undefined> {
    const { etag, ...state } = folder;
    const replaced = await guardedWrite(`Folder ${folder.folder} could not be replaced`, () =>
      this.#container.item(FOLDER_ID, folder.folder).replace<FolderItem>(folderItem(state), {
        accessCondition: { type: 'IfMatch', condition: etag },
      }),
    );
    return replaced === 'conflict' ? undefined : folderOf(replaced.resource as FolderItem & Stored);
  }

  async file(folder: string, path: string): Promise<LandedFile | undefined> {
    const item = await readItem<FileItem>(this.#container, fileIdOf(path), folder);
    return landedOf(item);
  }

  async recordFile(
    folder: string,
    file: LandedFile | GoneFile,
  ): Promise<{ readonly changed: boolean; readonly before?: LandedFile | GoneFile }> {
    const id = fileIdOf(file.path);
    const item: FileItem = { id, folder, type: 'file', isGone: 'gone' in file, file };
    const what = `${folder}/${file.path} could not be recorded`;
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const stored = await readItem<FileItem>(this.#container, id, folder);
      const before = stored?.file;
      if (before !== undefined && (timeOf(before) > timeOf(file) || isSame(before, file)))
        return { changed: false, before };
      const written = await guardedWrite(what, () =>
        stored === undefined
          ? this.#container.items.create(item)
          : this.#container
              .item(id, folder)
              .replace(item, { accessCondition: { type: 'IfMatch', condition: stored._etag } }),
      );
      if (written === 'conflict') continue;
      return before === undefined ? { changed: !item.isGone } : { changed: true, before };
    }
    throw new Conflict(`${what}: others changed it at each of ${TRIES_MAX} tries.`);
  }

  async *files(folder: string): AsyncGenerator<LandedFile> {
    const items = queryItems<FileItem>(
      this.#container,
      { query: "SELECT * FROM c WHERE c.type = 'file' AND c.isGone = false" },
      folder,
    );
    for await (const item of items) yield item.file as LandedFile;
  }

  async progress(
    folder: string,
  ): Promise<{ readonly fileCount: number; readonly sizeBytes: number; readonly lastArrivalAt?: string }> {
    const aggregate = async (expression: string): Promise<unknown> => {
      const query = `SELECT VALUE ${expression} FROM c WHERE c.type = 'file' AND c.isGone = false`;
      return (await collect(queryItems(this.#container, { query }, folder)))[0];
    };
    const [fileCount, sizeBytes, lastArrivalAt] = await Promise.all([
      aggregate('COUNT(1)'),
      aggregate('SUM(c.file.sizeBytes)'),
      aggregate('MAX(c.file.lastModified)'),
    ]);
    return {
      fileCount: Number(fileCount ?? 0),
      sizeBytes: typeof sizeBytes === 'number' ? sizeBytes : 0,
      ...(typeof lastArrivalAt === 'string' ? { lastArrivalAt } : {}),
    };
  }

  async due(now: Date, limit: number): Promise<readonly LandingFolder[]> {
    const items = await collect(
      queryItems<FolderItem & Stored>(this.#container, {
        query: "SELECT * FROM c WHERE c.type = 'folder' AND c.state.lookAt <= @now ORDER BY c.state.lookAt",
        parameters: [{ name: '@now', value: now.toISOString() }],
      }),
      limit,
    );
    return items.map(folderOf);
  }

  async waiting(limit: number): Promise<readonly LandingFolder[]> {
    const items = await collect(
      queryItems<FolderItem & Stored>(this.#container, {
        query: `SELECT * FROM c WHERE c.type = 'folder'
          AND (NOT IS_DEFINED(c.state.announced) OR c.state.announced["as"] != 'received')
          ORDER BY c.state.firstArrivalAt`,
      }),
      limit,
    );
    return items.map(folderOf);
  }
}

function folderItem(state: Omit<LandingFolder, 'etag'>): FolderItem {
  return { id: FOLDER_ID, folder: state.folder, type: 'folder', state };
}

function folderOf(item: FolderItem & Stored): LandingFolder {
  return { ...item.state, etag: item._etag };
}

function landedOf(item: FileItem | undefined): LandedFile | undefined {
  return item === undefined || 'gone' in item.file ? undefined : item.file;
}

function timeOf(file: LandedFile | GoneFile): number {
  return Date.parse(file.seenAt);
}

function isSame(before: LandedFile | GoneFile, after: LandedFile | GoneFile): boolean {
  if ('gone' in before || 'gone' in after) return 'gone' in before && 'gone' in after;
  return before.eTag === after.eTag && before.sizeBytes === after.sizeBytes;
}

/** Paths are longer than ids may be, and have slashes in them. */
function fileIdOf(path: string): string {
  return `file:${createHash('sha256').update(path).digest('hex')}`;
}
