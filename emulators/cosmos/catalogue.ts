// The account, databases, containers and partition key ranges.
// Source: "Azure Cosmos DB: REST API reference", databases, collections and partition key ranges.
import { randomUUID } from 'node:crypto';
import { type Answer, type CosmosRequest, headerOf } from './answer.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { isQuery, queryResources } from './queries.ts';
import { badRequest, CosmosRefusal } from './refusal.ts';
import type { Container, Resource, Store } from './store.ts';

/** What the gateway tells clients about its query engine; .NET refuses to query without it. */
const QUERY_ENGINE = {
  allowNewKeywords: true,
  maxJoinsPerSqlQuery: 10,
  maxQueryRequestTimeoutFraction: 0.9,
  maxSqlQueryInputLength: 524_288,
  maxUdfRefPerSqlQuery: 10,
  queryMaxInMemorySortDocumentCount: -1000,
  spatialMaxGeometryPointCount: 256,
  sqlAllowNonFiniteNumbers: false,
  sqlAllowScalarSubQuery: true,
  sqlDisableOptimizationFlags: 0,
  sqlDisableQueryILOptimization: false,
  enableSpatialIndexing: true,
  maxInExpressionItemsCount: 2_147_483_647,
  maxLogicalAndPerSqlQuery: 2_147_483_647,
  maxLogicalOrPerSqlQuery: 2_147_483_647,
  sqlAllowTop: true,
  sqlAllowSubQuery: true,
  sqlAllowAggregateFunctions: true,
  sqlAllowGroupByClause: true,
  sqlAllowLike: true,
};

/** `GET /`: one region, session consistency. */
export function answerAccount(request: CosmosRequest): Answer {
  const locations = [{ name: 'Local', databaseAccountEndpoint: request.endpoint }];
  return json(200, {
    _self: '',
    id: 'local',
    _rid: 'local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: locations,
    readableLocations: locations,
    enableMultipleWriteLocations: false,
    userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 4 },
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
    systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 4 },
    readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
    queryEngineConfiguration: JSON.stringify(QUERY_ENGINE),
  });
}

/** Serves `/dbs` and `/dbs/{db}/colls`: POST creates or queries, GET lists. */
export function answerResources(
  store: Store,
  database: Resource | undefined,
  request: CosmosRequest,
): Answer {
  const resources = database === undefined ? store.databases() : store.containers(database.path);
  const bodies = resources.map(({ body }) => body);
  const name = database === undefined ? 'Databases' : 'DocumentCollections';
  const resourceId = database?.resourceId ?? '';
  if (request.method === 'GET') return listAnswer(resourceId, name, bodies);
  if (request.method === 'POST' && isQuery(request)) {
    return listAnswer(resourceId, name, queryResources(request.bodyText, bodies, request.nowMs));
  }
  if (request.method === 'POST') {
    const body = objectBody(request);
    return database === undefined
      ? createDatabase(store, body, request)
      : createContainer(store, database, body, request);
  }
  throw methodRefusal(request);
}

/** A feed of resources that fits one page. */
export function listAnswer(resourceId: string, name: string, resources: readonly Json[]): Answer {
  const answer = json(200, { _rid: resourceId, [name]: resources, _count: resources.length });
  return { ...answer, headers: { 'x-ms-item-count': String(resources.length) } };
}

/** Serves one database or container: GET reads, PUT replaces a container, DELETE removes. */
export function answerResource(store: Store, resource: Resource, request: CosmosRequest): Answer {
  switch (request.method) {
    case 'GET':
      return json(200, resource.body, etagOf(resource.body));
    case 'DELETE':
      store.removeResource(resource);
      return { status: 204, requestCharge: 4.95 };
    case 'PUT': {
      if (resource.path.split('/').length !== 4) throw methodRefusal(request);
      const body = replacedContainer(resource, objectBody(request), request);
      store.replaceResource(resource, body);
      return json(200, body, etagOf(body));
    }
    default:
      throw methodRefusal(request);
  }
}

/** One range for all keys. .NET asks again with the etag until it hears 304. */
export function answerPartitionKeyRanges(container: Container, request: CosmosRequest): Answer {
  const etag = '"1"';
  if (headerOf(request, 'if-none-match') === etag) {
    return { status: 304, headers: { etag, 'x-ms-item-count': '0' }, requestCharge: 1 };
  }
  const range = {
    _rid: container.resourceId,
    id: '0',
    _etag: etag,
    minInclusive: '',
    maxExclusive: 'FF',
    ridPrefix: 0,
    _self: `${container.path}/pkranges/0/`,
    throughputFraction: 1,
    status: 'online',
    parents: [],
    _ts: container.body['_ts'] ?? 0,
  };
  const answer = listAnswer(container.resourceId, 'PartitionKeyRanges', [range]);
  return { ...answer, headers: { ...answer.headers, etag } };
}

export function methodRefusal(request: CosmosRequest): CosmosRefusal {
  const path = `/${request.segments.join('/')}`;
  return new CosmosRefusal(405, `${request.method} ${path} is not an operation of this emulator.`);
}

function json(status: number, body: JsonObject, headers: Record<string, string> = {}): Answer {
  return { status, body: JSON.stringify(body), headers, requestCharge: 1 };
}

function etagOf(body: JsonObject): Record<string, string> {
  return { etag: String(body['_etag']) };
}

function objectBody(request: CosmosRequest): JsonObject {
  const body = JSON.parse(request.bodyText) as Json;
  if (!isJsonObject(body)) throw badRequest('The body is not a JSON object.');
  return body;
}

function systemProperties(path: string, resourceId: string, request: CosmosRequest): JsonObject {
  return {
    _rid: resourceId,
    _self: `${path}/`,
    _etag: `"${randomUUID()}"`,
    _ts: Math.floor(request.nowMs / 1000),
  };
}

function checkedName(id: Json | undefined): string {
  if (typeof id !== 'string' || id === '' || id.length > 255 || /[/\\?#]|\s$/.test(id)) {
    const rule = '1 to 255 characters, none of / \\ ? #, no space at the end';
    throw badRequest(`The id ${JSON.stringify(id)} is not allowed: ${rule}.`);
  }
  return id;
}

function alreadyExists(): CosmosRefusal {
  return new CosmosRefusal(409, 'Resource with specified id or name already exists.');
}

function createDatabase(store: Store, body: JsonObject, request: CosmosRequest): Answer {
  const id = checkedName(body['id']);
  if (store.database(id) !== undefined) throw alreadyExists();
  const path = `dbs/${id}`;
  const created = store.addResource(path, undefined, (resourceId) => ({
    id,
    ...systemProperties(path, resourceId, request),
    _colls: 'colls/',
    _users: 'users/',
  }));
  return json(201, created.body, etagOf(created.body));
}

const DEFAULT_INDEXING: JsonObject = {
  indexingMode: 'consistent',
  automatic: true,
  includedPaths: [{ path: '/*' }],
  excludedPaths: [{ path: '/"_etag"/?' }],
};

function createContainer(store: Store, database: Resource, body: JsonObject, request: CosmosRequest): Answer {
  const id = checkedName(body['id']);
  if (store.container(database.path, id) !== undefined) throw alreadyExists();
  checkPartitionKey(body['partitionKey']);
  checkDefaultTtl(body['defaultTtl']);
  const path = `${database.path}/colls/${id}`;
  const throughput = Number(headerOf(request, 'x-ms-offer-throughput') ?? 400);
  const created = store.addResource(path, database.number, (resourceId) => ({
    ...body,
    indexingPolicy: body['indexingPolicy'] ?? DEFAULT_INDEXING,
    conflictResolutionPolicy: body['conflictResolutionPolicy'] ?? {
      mode: 'LastWriterWins',
      conflictResolutionPath: '/_ts',
      conflictResolutionProcedure: '',
    },
    ...systemProperties(path, resourceId, request),
    _docs: 'docs/',
    _sprocs: 'sprocs/',
    _triggers: 'triggers/',
    _udfs: 'udfs/',
    _conflicts: 'conflicts/',
  }));
  store.setThroughput(created, Number.isFinite(throughput) ? throughput : 400);
  return json(201, created.body, etagOf(created.body));
}

function replacedContainer(container: Resource, body: JsonObject, request: CosmosRequest): JsonObject {
  const old = container.body;
  if (body['id'] !== old['id']) throw badRequest('A container cannot be renamed.');
  for (const fixed of ['partitionKey', 'uniqueKeyPolicy'] as const) {
    const given = body[fixed] ?? (fixed === 'uniqueKeyPolicy' ? old[fixed] : undefined);
    const same =
      fixed === 'partitionKey'
        ? JSON.stringify(pathsOf(given)) === JSON.stringify(pathsOf(old[fixed]))
        : JSON.stringify(given) === JSON.stringify(old[fixed]);
    if (!same) throw badRequest(`The ${fixed} of a container cannot be changed.`);
  }
  checkDefaultTtl(body['defaultTtl']);
  const { _etag, _ts } = systemProperties(container.path, container.resourceId, request);
  const kept = Object.fromEntries(Object.entries(old).filter(([name]) => name.startsWith('_')));
  const indexingPolicy = body['indexingPolicy'] ?? old['indexingPolicy'] ?? DEFAULT_INDEXING;
  return { ...body, indexingPolicy, ...kept, _etag: _etag ?? '', _ts: _ts ?? 0 };
}

function pathsOf(partitionKey: Json | undefined): readonly Json[] {
  const paths = isJsonObject(partitionKey) ? partitionKey['paths'] : undefined;
  return Array.isArray(paths) ? (paths as readonly Json[]) : [];
}

/** One path, or up to three of a hierarchical key. */
function checkPartitionKey(partitionKey: Json | undefined): void {
  const paths = pathsOf(partitionKey);
  const kind = isJsonObject(partitionKey) ? (partitionKey['kind'] ?? 'Hash') : 'Hash';
  const most = kind === 'MultiHash' ? 3 : 1;
  const valid = paths.every((path) => typeof path === 'string' && /^\/./.test(path));
  if (paths.length < 1 || paths.length > most || !valid) {
    throw badRequest(
      `The partition key definition ${JSON.stringify(partitionKey)} is not allowed: kind ${kind} takes 1 to ${most} paths that begin with '/'.`,
    );
  }
}

function checkDefaultTtl(ttl: Json | undefined): void {
  if (ttl === undefined || ttl === null) return;
  if (Number.isInteger(ttl) && (ttl === -1 || Number(ttl) > 0)) return;
  throw badRequest(`The defaultTtl ${JSON.stringify(ttl)} is not allowed: -1, or seconds above 0.`);
}
