// The durable state: one SQLite file. Writes of one turn of the event loop are one transaction; an answer leaves
// only after its transaction is committed, so a killed process loses nothing that it had acknowledged.
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { JsonObject } from './json.ts';
import { type PropertyPath, propertyPathOf } from './partition-keys.ts';
import { containerResourceId, databaseResourceId } from './resource-ids.ts';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA locking_mode = EXCLUSIVE;
  CREATE TABLE IF NOT EXISTS resources (
    number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, resource_id TEXT NOT NULL,
    body TEXT NOT NULL, lsn INTEGER NOT NULL DEFAULT 0,
    throughput INTEGER NOT NULL DEFAULT 400);
  CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY, container INTEGER NOT NULL, partition_key TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, etag TEXT NOT NULL, ts INTEGER NOT NULL, lsn INTEGER NOT NULL, ttl INTEGER);
  CREATE UNIQUE INDEX IF NOT EXISTS documents_place ON documents (container, partition_key, id);
  CREATE INDEX IF NOT EXISTS documents_scan ON documents (container);
  CREATE INDEX IF NOT EXISTS documents_feed ON documents (container, lsn);
  CREATE TABLE IF NOT EXISTS unique_keys (
    container INTEGER NOT NULL, partition_key TEXT NOT NULL, unique_key TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (container, partition_key, unique_key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;

/** A database, or the part of a container that databases have too. */
export interface Resource {
  readonly number: number;
  /** `dbs/d` or `dbs/d/colls/c`. */
  readonly path: string;
  readonly resourceId: string;
  readonly body: JsonObject;
}

export interface Container extends Resource {
  readonly partitionKeyPaths: readonly PropertyPath[];
  /** One entry per unique key: the paths whose values must differ within a partition. */
  readonly uniqueKeys: readonly (readonly PropertyPath[])[];
  /** Seconds, or -1 when only documents with a `ttl` expire; undefined when nothing does. */
  readonly defaultTtlSeconds: number | undefined;
  /** The log sequence number of the last write. */
  lsn: number;
  /** The log sequence number that the file knows; -1 when that is not known. */
  lsnStored: number;
}

/** A stored document. `body` is its JSON text with the system properties. */
export interface DocumentRow {
  readonly number: number;
  readonly partition_key: string;
  readonly id: string;
  readonly body: string;
  readonly etag: string;
  /** Seconds since 1970. */
  readonly ts: number;
  readonly lsn: number;
  /** The document's own `ttl` in seconds, -1 for never, null when it has none. */
  readonly ttl: number | null;
}

/** Of more documents than these, compared properties are worth an index. */
const INDEX_FROM_DOCUMENTS = 1000;

/** Every index makes writing dearer. */
const MAX_PROPERTY_INDEXES = 4;

/** The property at this path, of plain identifiers, must be this text. */
export interface TextComparison {
  readonly path: readonly string[];
  readonly text: string;
}

/** Containers and documents, in a file or in memory. */
export class Store {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #databases = new Map<string, Resource>();
  readonly #containers = new Map<string, Container>();
  #propertyIndexes = new Set<string>();
  #lastDocumentNumber = 0;
  #inTransaction = false;

  /** `file` is a path or `:memory:`. Throws an Error that names the file when another process holds it. */
  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    try {
      this.#database.exec(SCHEMA);
      this.#database.exec('BEGIN IMMEDIATE; COMMIT');
    } catch (error) {
      this.#database.close();
      if (!(error instanceof Error) || !error.message.includes('locked')) throw error;
      throw new Error(`${file} is in use by another Cosmos DB emulator. Stop it, or choose another --data.`);
    }
    this.#lastDocumentNumber = Number(
      this.#statement(`SELECT value FROM counters WHERE name = 'document'`).get()?.['value'] ?? 0,
    );
    this.#loadResources();
    this.#loadPropertyIndexes();
  }

  #loadPropertyIndexes(): void {
    const rows = this.#statement(
      `SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB 'documents_of_*'`,
    ).all();
    this.#propertyIndexes = new Set(rows.map((row) => String(row['name'])));
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #loadResources(): void {
    const before = new Map([...this.#containers.values()].map(({ number, lsn }) => [number, lsn]));
    this.#databases.clear();
    this.#containers.clear();
    for (const row of this.#statement('SELECT * FROM resources ORDER BY number').all()) {
      const number = Number(row['number']);
      const lsn = Math.max(Number(row['lsn']), before.get(number) ?? 0);
      const body = JSON.parse(String(row['body'])) as JsonObject;
      this.#remember(
        { number, path: String(row['path']), resourceId: String(row['resource_id']), body },
        lsn,
      );
    }
  }

  #remember(resource: Resource, lsn: number): void {
    if (resource.path.split('/').length === 2) this.#databases.set(resource.path, resource);
    else this.#containers.set(resource.path, containerOf(resource, lsn));
  }

  /** True while writes wait for `commit`. */
  get hasUncommittedWrites(): boolean {
    return this.#inTransaction;
  }

  #beginWrite(): void {
    if (this.#inTransaction) return;
    this.#database.exec('BEGIN IMMEDIATE');
    this.#inTransaction = true;
  }

  /** Makes all writes since the last commit durable. When it throws, none of them happened. */
  commit(): void {
    if (!this.#inTransaction) return;
    try {
      const storeLsn = this.#statement('UPDATE resources SET lsn = ? WHERE number = ?');
      for (const container of this.#containers.values()) {
        if (container.lsn === container.lsnStored) continue;
        storeLsn.run(container.lsn, container.number);
        container.lsnStored = container.lsn;
      }
      this.#statement(
        `INSERT INTO counters VALUES ('document', ?) ON CONFLICT DO UPDATE SET value = excluded.value`,
      ).run(this.#lastDocumentNumber);
      this.#database.exec('COMMIT');
      this.#inTransaction = false;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Forgets all writes since the last commit. */
  rollback(): void {
    if (!this.#inTransaction) return;
    this.#inTransaction = false;
    this.#database.exec('ROLLBACK');
    this.#loadResources();
    this.#loadPropertyIndexes();
  }

  /** Runs writes of which either all happen or, when the function throws, none. */
  allOrNothing<Result>(write: () => Result): Result {
    this.#beginWrite();
    this.#database.exec('SAVEPOINT batch');
    try {
      const result = write();
      this.#database.exec('RELEASE batch');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK TO batch; RELEASE batch');
      throw error;
    }
  }

  close(): void {
    this.commit();
    this.#database.close();
  }

  // Databases and containers.

  databases(): Resource[] {
    return [...this.#databases.values()];
  }

  containers(databasePath: string): Container[] {
    return [...this.#containers.values()].filter(({ path }) => path.startsWith(`${databasePath}/`));
  }

  allContainers(): Iterable<Container> {
    return this.#containers.values();
  }

  /** By name, or by resource id as .NET clients address it. */
  database(nameOrId: string): Resource | undefined {
    const named = this.#databases.get(`dbs/${nameOrId}`);
    return named ?? this.databases().find(({ resourceId }) => resourceId === nameOrId);
  }

  container(databasePath: string, nameOrId: string): Container | undefined {
    const named = this.#containers.get(`${databasePath}/colls/${nameOrId}`);
    return named ?? this.containers(databasePath).find(({ resourceId }) => resourceId === nameOrId);
  }

  /** Adds a database, or a container when `databaseNumber` is given. `body` makes the body from the new id. */
  addResource(
    path: string,
    databaseNumber: number | undefined,
    body: (resourceId: string) => JsonObject,
  ): Resource {
    this.#beginWrite();
    const inserted = this.#statement(
      `INSERT INTO resources (path, resource_id, body) VALUES (?, '', '{}')`,
    ).run(path);
    const number = Number(inserted.lastInsertRowid);
    const resourceId =
      databaseNumber === undefined ? databaseResourceId(number) : containerResourceId(databaseNumber, number);
    const resource = { number, path, resourceId, body: body(resourceId) };
    this.#writeResource(resource);
    this.#remember(resource, 0);
    return resource;
  }

  replaceResource(resource: Resource, body: JsonObject): Resource {
    this.#beginWrite();
    const replaced = { ...resource, body };
    this.#writeResource(replaced);
    this.#remember(replaced, this.#containers.get(resource.path)?.lsn ?? 0);
    return replaced;
  }

  #writeResource({ number, resourceId, body }: Resource): void {
    this.#statement('UPDATE resources SET resource_id = ?, body = ? WHERE number = ?').run(
      resourceId,
      JSON.stringify(body),
      number,
    );
  }

  /** Removes a database with its containers, or a container, with all documents. */
  removeResource(resource: Resource): void {
    this.#beginWrite();
    for (const container of this.containers(resource.path)) this.removeResource(container);
    for (const table of ['documents', 'unique_keys']) {
      this.#statement(`DELETE FROM ${table} WHERE container = ?`).run(resource.number);
    }
    this.#statement('DELETE FROM resources WHERE number = ?').run(resource.number);
    this.#databases.delete(resource.path);
    this.#containers.delete(resource.path);
  }

  /** Provisioned throughput in request units per second. */
  throughput(resource: Resource): number {
    const row = this.#statement('SELECT throughput FROM resources WHERE number = ?').get(resource.number);
    return Number(row?.['throughput'] ?? 0);
  }

  setThroughput(resource: Resource, requestUnitsPerSecond: number): void {
    this.#beginWrite();
    const set = this.#statement('UPDATE resources SET throughput = ? WHERE number = ?');
    set.run(requestUnitsPerSecond, resource.number);
  }

  // Documents. Whether one has expired is the caller's business.

  document(container: Container, partitionKey: string, id: string): DocumentRow | undefined {
    return this.#statement(
      'SELECT * FROM documents WHERE container = ? AND partition_key = ? AND id = ?',
    ).get(container.number, partitionKey, id) as DocumentRow | undefined;
  }

  nextDocumentNumber(): number {
    this.#lastDocumentNumber += 1;
    return this.#lastDocumentNumber;
  }

  /** Inserts the document or overwrites the one with its number. */
  putDocument(container: Container, row: DocumentRow): void {
    this.#beginWrite();
    this.#statement(
      `INSERT INTO documents (number, container, partition_key, id, body, etag, ts, lsn, ttl)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET
       body = excluded.body, etag = excluded.etag, ts = excluded.ts, lsn = excluded.lsn, ttl = excluded.ttl`,
    ).run(
      row.number,
      container.number,
      row.partition_key,
      row.id,
      row.body,
      row.etag,
      row.ts,
      row.lsn,
      row.ttl,
    );
  }

  deleteDocument(container: Container, row: DocumentRow): void {
    this.#beginWrite();
    this.#statement('DELETE FROM documents WHERE number = ?').run(row.number);
    this.clearUniqueKeys(container, row.partition_key, row.id);
  }

  /** The id of the document that holds a unique key in a partition. */
  uniqueKeyHolder(container: Container, partitionKey: string, uniqueKey: string): string | undefined {
    const row = this.#statement(
      'SELECT id FROM unique_keys WHERE container = ? AND partition_key = ? AND unique_key = ?',
    ).get(container.number, partitionKey, uniqueKey);
    return row === undefined ? undefined : String(row['id']);
  }

  putUniqueKey(container: Container, partitionKey: string, uniqueKey: string, id: string): void {
    this.#beginWrite();
    this.#statement('INSERT OR REPLACE INTO unique_keys VALUES (?, ?, ?, ?)').run(
      container.number,
      partitionKey,
      uniqueKey,
      id,
    );
  }

  clearUniqueKeys(container: Container, partitionKey: string, id: string): void {
    if (container.uniqueKeys.length === 0) return;
    this.#statement('DELETE FROM unique_keys WHERE container = ? AND partition_key = ? AND id = ?').run(
      container.number,
      partitionKey,
      id,
    );
  }

  /**
   * Documents in the order of their numbers, from behind a number on. Documents that fail one of the comparisons are
   * left out. Properties that are compared over all partitions of many documents are indexed together from then on.
   */
  scan(
    container: Container,
    scope: DocumentScope,
    afterNumber = 0,
    comparisons: readonly TextComparison[] = [],
  ): Iterable<DocumentRow> {
    const { source, condition, values } = scopeCondition(scope);
    const extracts = comparisons.map(({ path }) => `json_extract(body, '$.${path.join('.')}')`);
    if (scope.kind === 'all' && comparisons.length > 0 && this.#lastDocumentNumber > INDEX_FROM_DOCUMENTS) {
      this.#indexProperties(comparisons, extracts);
    }
    const compared = extracts.map((extract) => ` AND ${extract} = ?`).join('');
    return this.#statement(
      `SELECT * FROM ${source} WHERE container = ?${condition}${compared} AND number > ? ORDER BY number`,
    ).iterate(
      container.number,
      ...values,
      ...comparisons.map(({ text }) => text),
      afterNumber,
    ) as Iterable<unknown> as Iterable<DocumentRow>;
  }

  #indexProperties(comparisons: readonly TextComparison[], extracts: readonly string[]): void {
    const name = `documents_of_${comparisons.map(({ path }) => path.join('.')).join('_and_')}`;
    if (this.#propertyIndexes.has(name) || this.#propertyIndexes.size >= MAX_PROPERTY_INDEXES) return;
    this.#beginWrite();
    this.#database.exec(
      `CREATE INDEX IF NOT EXISTS "${name}" ON documents (container, ${extracts.join(', ')})`,
    );
    this.#propertyIndexes.add(name);
  }

  /** Documents in the order of their last write, from behind a log sequence number on. */
  feed(container: Container, scope: DocumentScope, afterLsn: number, sinceTs: number): Iterable<DocumentRow> {
    const { source, condition, values } = scopeCondition(scope);
    return this.#statement(
      `SELECT * FROM ${source} WHERE container = ?${condition} AND lsn > ? AND ts >= ? ORDER BY lsn, number`,
    ).iterate(container.number, ...values, afterLsn, sinceTs) as Iterable<unknown> as Iterable<DocumentRow>;
  }

  /** Documents whose time to live is over. */
  expired(container: Container, nowSeconds: number): DocumentRow[] {
    if (container.defaultTtlSeconds === undefined) return [];
    return this.#statement(
      'SELECT * FROM documents WHERE container = ? AND COALESCE(ttl, ?) > 0 AND ts + COALESCE(ttl, ?) <= ?',
    ).all(
      container.number,
      container.defaultTtlSeconds,
      container.defaultTtlSeconds,
      nowSeconds,
    ) as unknown[] as DocumentRow[];
  }
}

/** All documents, one partition, or all partitions whose key text lies in a range. */
export type DocumentScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'partition'; readonly partitionKey: string }
  | { readonly kind: 'range'; readonly from: string; readonly below: string };

interface ScopeCondition {
  readonly source: string;
  readonly condition: string;
  readonly values: readonly string[];
}

/** A partition is small beside its container, so its place is always the better way in than any other index. */
const BY_PLACE = 'documents INDEXED BY documents_place';

function scopeCondition(scope: DocumentScope): ScopeCondition {
  switch (scope.kind) {
    case 'all':
      return { source: 'documents', condition: '', values: [] };
    case 'partition':
      return { source: BY_PLACE, condition: ' AND partition_key = ?', values: [scope.partitionKey] };
    case 'range': {
      const condition = ' AND partition_key >= ? AND partition_key < ?';
      return { source: BY_PLACE, condition, values: [scope.from, scope.below] };
    }
  }
}

interface ContainerBody {
  readonly partitionKey: { readonly paths: readonly string[] };
  readonly uniqueKeyPolicy?: { readonly uniqueKeys?: readonly { readonly paths: readonly string[] }[] };
  readonly defaultTtl?: number;
}

function containerOf(resource: Resource, lsn: number): Container {
  const body = resource.body as JsonObject & ContainerBody;
  return {
    ...resource,
    partitionKeyPaths: body.partitionKey.paths.map(propertyPathOf),
    uniqueKeys: (body.uniqueKeyPolicy?.uniqueKeys ?? []).map(({ paths }) => paths.map(propertyPathOf)),
    defaultTtlSeconds: body.defaultTtl,
    lsn,
    lsnStored: -1,
  };
}
