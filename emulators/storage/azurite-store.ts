// Azurite keeps its metadata in LokiJS collections in memory. As Azurite asks them, a request costs the more the more
// blobs an account holds, and a delete sorts every index of all blobs anew; a folder of 10,000 files would take hours.
// Here the same collections answer by the blob's name, give up one document at a time, and are saved less often the
// longer a save takes. What they hold, and its file, stay Azurite's own.

type Query = Readonly<Record<string, unknown>>;

interface ResultSet {
  find(query?: Query, firstOnly?: boolean): ResultSet;
}

/** The part of a LokiJS collection that is looked at here. */
export interface BlobCollection {
  chain(): ResultSet;
  find(query: Query): readonly object[];
  findAndRemove(query: Query): void;
  /** Keeps the indexes as they are but for this document, unlike the removal of a result set. */
  remove(document: object): void;
}

/** The part of a LokiJS database that is looked at here. */
export interface BlobDatabase {
  getCollection(name: string): BlobCollection | null;
  autosaveDisable(): void;
  autosaveDirty(): boolean;
  saveDatabase(saved: (error?: Error) => void): void;
}

const BLOBS = '$BLOBS_COLLECTION$';
const BLOCKS = '$BLOCKS_COLLECTION$';
const EXTENTS = '$EXTENTS_COLLECTION$';

const SAVE_MS_MIN = 5_000;
/** Saving takes at most this share of the time. */
const SAVE_SHARE = 0.05;

/** Makes the collections of blobs, uncommitted blocks and extents, where the database has them, fit for many thousands. */
export function indexByName(database: BlobDatabase): void {
  for (const [name, mostSelective] of [
    [BLOBS, 'name'],
    [BLOCKS, 'blobName'],
    [EXTENTS, 'id'],
  ] as const) {
    const collection = database.getCollection(name);
    if (collection !== null) askFirstBy(collection, mostSelective);
  }
}

/** LokiJS uses the index of a query's first property alone, and Azurite's first is the account. */
function askFirstBy(collection: BlobCollection, property: string): void {
  const chain = collection.chain.bind(collection);
  collection.chain = () => {
    const results = chain();
    const find = results.find.bind(results);
    results.find = (query, firstOnly) => find(withFirst(query, property), firstOnly);
    return results;
  };
  collection.findAndRemove = (query) => {
    for (const document of collection.find(query)) collection.remove(document);
  };
}

function withFirst(query: Query | undefined, property: string): Query | undefined {
  const value = query?.[property];
  return typeof value === 'string' ? { [property]: value, ...query } : query;
}

/** Saves what changed, every five seconds or, where a save takes long, less often. @returns what stops it. */
export function saveNowAndThen(database: BlobDatabase): () => void {
  database.autosaveDisable();
  let timer: NodeJS.Timeout;
  const wait = (ms: number): void => {
    timer = setTimeout(save, ms);
    timer.unref();
  };
  const save = (): void => {
    if (!database.autosaveDirty()) {
      wait(SAVE_MS_MIN);
      return;
    }
    const startedMs = performance.now();
    database.saveDatabase((error) => {
      if (error) console.error('storage: could not save the metadata:', error);
      wait(Math.max(SAVE_MS_MIN, (performance.now() - startedMs) / SAVE_SHARE));
    });
  };
  wait(SAVE_MS_MIN);
  return () => clearTimeout(timer);
}
