// From a request to an operation: routes, addressing and what all answers have in common.
import {
  type Answer,
  type CosmosRequest,
  headerOf,
  isFlagSet,
  MAX_RESPONSE_BYTES,
  maxItemCount,
} from './answer.ts';
import { answerBatch } from './batch.ts';
import {
  answerAccount,
  answerPartitionKeyRanges,
  answerResource,
  answerResources,
  methodRefusal,
} from './catalogue.ts';
import { answerChangeFeed } from './change-feed.ts';
import { type DocumentResult, Documents, readCharge } from './documents.ts';
import type { Json } from './json.ts';
import { answerOffers } from './offers.ts';
import { partitionKeyOfHeader } from './partition-keys.ts';
import { answerPlan, answerQuery, isQuery } from './queries.ts';
import { badRequest, CosmosRefusal } from './refusal.ts';
import { isVisible, scopeOf } from './scope.ts';
import type { Container, Resource, Store } from './store.ts';

/** Executes a request that is authorized. Throws CosmosRefusal, QueryRefusal or SyntaxError (body is not JSON). */
export function execute(store: Store, request: CosmosRequest): Answer {
  const [kind, databaseName, collections, containerName, resources, documentId, ...more] = request.segments;
  if (kind === undefined && request.method === 'GET') return answerAccount(request);
  if (kind === 'offers') return answerOffers(store, request);
  if (kind !== 'dbs' || more.length > 0) throw unknownRoute(request);
  if (databaseName === undefined) return answerResources(store, undefined, request);
  const database = store.database(databaseName);
  if (collections === undefined) return answerResource(store, found(database, request), request);
  if (collections !== 'colls') throw unknownRoute(request);
  const owner = ownerOf(database);
  if (containerName === undefined) return answerResources(store, owner, request);
  const container = store.container(owner.path, containerName);
  if (resources === undefined) return answerResource(store, found(container, request), request);
  return executeInContainer(store, ownerOf(container), request, resources, documentId);
}

function executeInContainer(
  store: Store,
  container: Container,
  request: CosmosRequest,
  resources: string,
  documentId: string | undefined,
): Answer {
  const withSession = (answer: Answer): Answer => ({
    ...answer,
    headers: {
      'x-ms-session-token': `0:-1#${container.lsn}`,
      lsn: String(container.lsn),
      ...answer.headers,
    },
  });
  if (resources === 'pkranges') return answerPartitionKeyRanges(container, request);
  if (resources !== 'docs') throw unknownRoute(request);
  if (documentId !== undefined) {
    const documents = new Documents(store, container, request.nowMs);
    return withSession(documentAnswer(onDocument(documents, documentId, request), request));
  }
  checkPartitionKeyRange(request);
  if (request.method === 'GET') return withSession(readFeed(store, container, request));
  if (request.method !== 'POST') throw methodRefusal(request);
  if (isFlagSet(request, 'x-ms-cosmos-is-query-plan-request')) return answerPlan(container, request);
  if (isFlagSet(request, 'x-ms-cosmos-is-batch-request')) {
    return withSession(answerBatch(store, container, request));
  }
  if (isQuery(request))
    return withSession(answerQuery(store, container, scopeOf(container, request), request));
  const documents = new Documents(store, container, request.nowMs);
  return withSession(documentAnswer(createOrUpsert(documents, request), request));
}

function unknownRoute(request: CosmosRequest): CosmosRefusal {
  return new CosmosRefusal(404, `Nothing is served at /${request.segments.join('/')}.`);
}

function found<Found extends Resource>(resource: Found | undefined, request: CosmosRequest): Found {
  if (resource !== undefined) return resource;
  throw new CosmosRefusal(404, `Resource Not Found: /${request.segments.join('/')}.`);
}

/** Substatus 1003 tells clients that the container or database is missing and not the item. */
function ownerOf<Owner extends Resource>(owner: Owner | undefined): Owner {
  if (owner !== undefined) return owner;
  throw new CosmosRefusal(404, 'Owner resource does not exist.', 1003);
}

/** There is one range, `0`. Another one is told to fetch the ranges again. */
function checkPartitionKeyRange(request: CosmosRequest): void {
  const range = headerOf(request, 'x-ms-documentdb-partitionkeyrangeid');
  if (range === undefined || range.split(',').at(-1) === '0') return;
  throw new CosmosRefusal(410, `The partition key range ${range} is gone.`, 1002);
}

function requiredPartitionKey(request: CosmosRequest): string {
  const header = headerOf(request, 'x-ms-documentdb-partitionkey');
  if (header === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  return partitionKeyOfHeader(header);
}

function onDocument(documents: Documents, id: string, request: CosmosRequest): DocumentResult {
  const partitionKey = requiredPartitionKey(request);
  const conditions = {
    ifMatch: headerOf(request, 'if-match'),
    ifNoneMatch: headerOf(request, 'if-none-match'),
  };
  switch (request.method) {
    case 'GET':
      return documents.read(partitionKey, id, conditions);
    case 'PUT':
      return documents.replace(partitionKey, id, JSON.parse(request.bodyText) as Json, conditions);
    case 'PATCH':
      return documents.patch(partitionKey, id, JSON.parse(request.bodyText) as Json, conditions);
    case 'DELETE':
      return documents.delete(partitionKey, id, conditions);
    default:
      throw methodRefusal(request);
  }
}

function createOrUpsert(documents: Documents, request: CosmosRequest): DocumentResult {
  const partitionKey = requiredPartitionKey(request);
  const body = JSON.parse(request.bodyText) as Json;
  return isFlagSet(request, 'x-ms-documentdb-is-upsert')
    ? documents.upsert(partitionKey, body, { ifMatch: headerOf(request, 'if-match') })
    : documents.create(partitionKey, body);
}

function documentAnswer(result: DocumentResult, request: CosmosRequest): Answer {
  const { status, body, etag, requestCharge } = result;
  // `Prefer: return=minimal` is about writes: the client knows what it wrote.
  const minimal = request.method !== 'GET' && headerOf(request, 'prefer') === 'return=minimal';
  return {
    status,
    ...(body === undefined || minimal ? {} : { body }),
    ...(etag === undefined ? {} : { headers: { etag } }),
    requestCharge,
  };
}

function readFeed(store: Store, container: Container, request: CosmosRequest): Answer {
  const scope = scopeOf(container, request);
  const mode = headerOf(request, 'a-im')?.toLowerCase();
  if (mode === 'incremental feed') return answerChangeFeed(store, container, scope, request);
  if (mode !== undefined) {
    throw badRequest(`The feed mode '${mode}' is not served: only 'Incremental feed' (latest version) is.`);
  }
  const wanted = maxItemCount(request, 1000);
  const after = Number(headerOf(request, 'x-ms-continuation') ?? 0);
  const texts: string[] = [];
  let sizeBytes = 0;
  let last = after;
  let continuation: string | undefined;
  for (const row of store.scan(container, scope.stored, after)) {
    if (!isVisible(row, container, scope, request.nowMs)) continue;
    if (texts.length >= wanted || sizeBytes >= MAX_RESPONSE_BYTES) {
      continuation = String(last);
      break;
    }
    texts.push(row.body);
    sizeBytes += row.body.length;
    last = row.number;
  }
  return {
    status: 200,
    body: `{"_rid":"${container.resourceId}","Documents":[${texts.join(',')}],"_count":${texts.length}}`,
    headers: {
      'x-ms-item-count': String(texts.length),
      ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
    },
    requestCharge: readCharge(sizeBytes) + 1.2,
  };
}
