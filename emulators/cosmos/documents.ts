// Operations on single documents. One object serves one request; all that a request writes shares one log sequence
// number, so that the change feed never shows half a batch.
import { randomUUID } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { type PropertyPath, partitionKeyOfDocument, valueAt } from './partition-keys.ts';
import { patched } from './patch.ts';
import {
  badRequest,
  CosmosRefusal,
  itemExists,
  itemNotFound,
  preconditionFailed,
  requestTooLarge,
} from './refusal.ts';
import { documentResourceId } from './resource-ids.ts';
import type { Container, DocumentRow, Store } from './store.ts';

/** Source: "Azure Cosmos DB service quotas", per-item limits. */
export const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024;
const MAX_ID_BYTES = 1023;
const MAX_NESTING = 128;
const MAX_TTL_SECONDS = 2_147_483_647;

/** What became of an operation that did not fail. */
export interface DocumentResult {
  readonly status: 200 | 201 | 204 | 304;
  /** The document's JSON text. */
  readonly body?: string;
  readonly etag?: string;
  readonly requestCharge: number;
}

/** The preconditions of an operation, as sent: an etag with its quotes, or `*`. */
export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** Has the document's time to live run out? */
export function isExpired(row: DocumentRow, container: Container, nowMs: number): boolean {
  if (container.defaultTtlSeconds === undefined) return false;
  const ttlSeconds = row.ttl ?? container.defaultTtlSeconds;
  return ttlSeconds > 0 && (row.ts + ttlSeconds) * 1000 <= nowMs;
}

/** About one request unit per KiB read, at least one. */
export function readCharge(sizeBytes: number): number {
  return rounded(Math.max(1, sizeBytes / 1024));
}

/** About five request units per KiB written. */
function writeCharge(sizeBytes: number, writes: 1 | 2): number {
  return rounded(writes * Math.max(5.29, (sizeBytes / 1024) * 5));
}

function rounded(requestUnits: number): number {
  return Math.round(requestUnits * 100) / 100;
}

/** The documents of one container, for the time of one request. */
export class Documents {
  readonly #store: Store;
  readonly #container: Container;
  readonly #nowMs: number;
  #lsn: number | undefined;

  constructor(store: Store, container: Container, nowMs: number) {
    this.#store = store;
    this.#container = container;
    this.#nowMs = nowMs;
  }

  #nextLsn(): number {
    if (this.#lsn === undefined) {
      this.#container.lsn += 1;
      this.#lsn = this.#container.lsn;
    }
    return this.#lsn;
  }

  /** The document if it is there and has not expired; an expired one is removed. */
  #find(partitionKey: string, id: string): DocumentRow | undefined {
    const row = this.#store.document(this.#container, partitionKey, id);
    if (row === undefined || !isExpired(row, this.#container, this.#nowMs)) return row;
    this.#store.deleteDocument(this.#container, row);
    return undefined;
  }

  #existing(partitionKey: string, id: string, { ifMatch }: Conditions): DocumentRow {
    const row = this.#find(partitionKey, id);
    if (row === undefined) throw itemNotFound();
    if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== row.etag) throw preconditionFailed();
    return row;
  }

  read(partitionKey: string, id: string, conditions: Conditions): DocumentResult {
    const row = this.#existing(partitionKey, id, {});
    const { ifNoneMatch } = conditions;
    if (ifNoneMatch === row.etag || ifNoneMatch === '*') {
      return { status: 304, etag: row.etag, requestCharge: 1 };
    }
    return { status: 200, body: row.body, etag: row.etag, requestCharge: readCharge(row.body.length) };
  }

  create(partitionKey: string | undefined, body: Json): DocumentResult {
    const { document, key } = this.#checked(partitionKey, body);
    if (this.#find(key, document.id) !== undefined) throw itemExists();
    return this.#write(key, document, undefined);
  }

  /** Creates or overwrites. `ifMatch` only matters when the document is there. */
  upsert(partitionKey: string | undefined, body: Json, { ifMatch }: Conditions): DocumentResult {
    const { document, key } = this.#checked(partitionKey, body);
    const row = this.#find(key, document.id);
    if (row !== undefined && ifMatch !== undefined && ifMatch !== '*' && ifMatch !== row.etag) {
      throw preconditionFailed();
    }
    return this.#write(key, document, row);
  }

  replace(partitionKey: string, id: string, body: Json, conditions: Conditions): DocumentResult {
    const row = this.#existing(partitionKey, id, conditions);
    const { document, key } = this.#checked(partitionKey, body);
    if (document.id !== id) {
      throw badRequest(`The id '${document.id}' in the body is not the id '${id}' that is replaced.`);
    }
    return this.#write(key, document, row);
  }

  patch(partitionKey: string, id: string, patch: Json, conditions: Conditions): DocumentResult {
    const row = this.#existing(partitionKey, id, conditions);
    const changed = patched(JSON.parse(row.body) as JsonObject, patch, this.#nowMs);
    if (partitionKeyOfDocument(changed, this.#container.partitionKeyPaths) !== row.partition_key) {
      throw badRequest('A patch cannot change the partition key.');
    }
    return this.#write(row.partition_key, this.#checked(row.partition_key, changed).document, row);
  }

  delete(partitionKey: string, id: string, conditions: Conditions): DocumentResult {
    const row = this.#existing(partitionKey, id, conditions);
    this.#store.deleteDocument(this.#container, row);
    this.#nextLsn();
    return { status: 204, requestCharge: writeCharge(row.body.length, 1) };
  }

  /** The document without system properties, and its partition key. Throws 400 when it cannot be stored. */
  #checked(partitionKey: string | undefined, body: Json): { document: StorableDocument; key: string } {
    if (!isJsonObject(body)) throw badRequest('The input content is invalid: a document is a JSON object.');
    if (isDeeperThan(body, MAX_NESTING)) {
      throw badRequest(`The document is nested deeper than ${MAX_NESTING} levels.`);
    }
    const document = withoutSystemProperties(body);
    checkId(document['id']);
    checkTtl(document['ttl'], this.#container);
    const key = partitionKeyOfDocument(document, this.#container.partitionKeyPaths);
    if (partitionKey !== undefined && partitionKey !== key) {
      throw badRequest(
        "PartitionKey extracted from document doesn't match the one specified in the header. Learn more: https://aka.ms/CosmosDB/sql/errors/wrong-pk-value",
        1001,
      );
    }
    return { document: document as StorableDocument, key };
  }

  #write(key: string, document: StorableDocument, old: DocumentRow | undefined): DocumentResult {
    const text = JSON.stringify(document);
    if (Buffer.byteLength(text) > MAX_DOCUMENT_BYTES) throw requestTooLarge();
    const uniqueKeys = this.#freeUniqueKeys(key, document);
    const etag = `"${randomUUID()}"`;
    const ts = Math.floor(this.#nowMs / 1000);
    const number = old?.number ?? this.#store.nextDocumentNumber();
    const resourceId = documentResourceId(this.#container.resourceId, number);
    const self = `${this.#container.path}/docs/${resourceId}/`;
    const system = `"_rid":"${resourceId}","_self":${JSON.stringify(self)},"_etag":${JSON.stringify(etag)},"_attachments":"attachments/","_ts":${ts}}`;
    const body = `${text.slice(0, -1)},${system}`;
    const ttl = typeof document.ttl === 'number' ? document.ttl : null;
    this.#store.clearUniqueKeys(this.#container, key, document.id);
    for (const uniqueKey of uniqueKeys) {
      this.#store.putUniqueKey(this.#container, key, uniqueKey, document.id);
    }
    const lsn = this.#nextLsn();
    this.#store.putDocument(this.#container, {
      number,
      partition_key: key,
      id: document.id,
      body,
      etag,
      ts,
      lsn,
      ttl,
    });
    const requestCharge = writeCharge(body.length, old === undefined ? 1 : 2);
    return { status: old === undefined ? 201 : 200, body, etag, requestCharge };
  }

  /** The document's unique keys as texts. Throws 409 when another document of the partition holds one of them. */
  #freeUniqueKeys(key: string, document: StorableDocument): string[] {
    return this.#container.uniqueKeys.map((paths, index) => {
      const uniqueKey = uniqueKeyText(index, paths, document);
      const holder = this.#store.uniqueKeyHolder(this.#container, key, uniqueKey);
      if (holder !== undefined && holder !== document.id && this.#find(key, holder) !== undefined) {
        throw new CosmosRefusal(409, 'Unique index constraint violation.');
      }
      return uniqueKey;
    });
  }
}

type StorableDocument = JsonObject & { readonly id: string; readonly ttl?: Json };

/** An absent value counts as null. Source: "Unique key constraints in Azure Cosmos DB". */
function uniqueKeyText(index: number, paths: readonly PropertyPath[], document: JsonObject): string {
  return JSON.stringify([index, ...paths.map((path) => valueAt(document, path) ?? null)]);
}

function withoutSystemProperties(document: JsonObject): JsonObject {
  if (document['_rid'] === undefined && document['_etag'] === undefined && document['_ts'] === undefined) {
    return document;
  }
  const { _rid, _self, _etag, _ts, _attachments, _lsn, ...own } = document;
  return own;
}

function isDeeperThan(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part: Json) => isDeeperThan(part, levels - 1));
}

function checkId(id: Json | undefined): void {
  if (typeof id !== 'string' || id === '') {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  if (/[/\\?#]/.test(id)) throw badRequest(`The id '${id}' contains one of the characters / \\ ? #.`);
  if (Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw badRequest(`The id is longer than ${MAX_ID_BYTES} bytes: '${id.slice(0, 40)}…'.`);
  }
}

function checkTtl(ttl: Json | undefined, container: Container): void {
  if (ttl === undefined || container.defaultTtlSeconds === undefined) return;
  const valid = Number.isInteger(ttl) && (ttl === -1 || (Number(ttl) > 0 && Number(ttl) <= MAX_TTL_SECONDS));
  if (!valid) {
    throw badRequest(
      `The input ttl '${JSON.stringify(ttl)}' is invalid. Ensure to provide a nonzero positive integer less than or equal to '${MAX_TTL_SECONDS}' or -1.`,
    );
  }
}
