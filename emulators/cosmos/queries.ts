// Queries over HTTP: plans, pages and their continuation.
import {
  type Answer,
  type CosmosRequest,
  headerOf,
  isFlagSet,
  MAX_RESPONSE_BYTES,
  maxItemCount,
} from './answer.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { badRequest, CosmosRefusal } from './refusal.ts';
import { documentNumberOf } from './resource-ids.ts';
import { isVisible, type RequestScope } from './scope.ts';
import { type CompiledQuery, compileQuery, type NumberedDocument, type ResultRow } from './sql/execute.ts';
import { textEqualities } from './sql/prefilter.ts';
import {
  checkQuery,
  documentPathOf,
  passesThrough,
  planAnswer,
  planQuery,
  type QueryInfo,
  requiredFeatures,
} from './sql/query-plan.ts';
import { compareValues, type Value } from './sql/values.ts';
import type { Container, Store } from './store.ts';

/** A page when the client names no size. */
const DEFAULT_PAGE_ITEMS = 1000;

/** Compiled queries are kept, the least recently added dropped first. */
const MAX_COMPILED = 500;

const compiledQueries = new Map<string, CompiledQuery>();

function compiled(text: string): CompiledQuery {
  let query = compiledQueries.get(text);
  if (query === undefined) {
    query = compileQuery(text);
    const [oldest] = compiledQueries.keys();
    if (compiledQueries.size >= MAX_COMPILED && oldest !== undefined) compiledQueries.delete(oldest);
    compiledQueries.set(text, query);
  }
  return query;
}

interface QueryRequest {
  readonly query: CompiledQuery;
  readonly parameters: ReadonlyMap<string, Value>;
  readonly resumeFilter: JsonObject | undefined;
}

/** `{query, parameters: [{name, value}]}`. Throws 400 when it is not that, QueryRefusal when the query is refused. */
function queryRequestOf(bodyText: string): QueryRequest {
  const body = JSON.parse(bodyText) as Json;
  const text = isJsonObject(body) ? body['query'] : undefined;
  if (!isJsonObject(body) || typeof text !== 'string') {
    throw badRequest("The body of a query is {query, parameters}, and 'query' is a text.");
  }
  const parameters = new Map<string, Value>();
  const given = body['parameters'];
  for (const parameter of Array.isArray(given) ? (given as readonly Json[]) : []) {
    if (isJsonObject(parameter) && typeof parameter['name'] === 'string') {
      parameters.set(parameter['name'], parameter['value']);
    }
  }
  const resumeFilter = body['resumeFilter'];
  return {
    query: compiled(text),
    parameters,
    resumeFilter: isJsonObject(resumeFilter) ? resumeFilter : undefined,
  };
}

function planOf({ query, parameters }: QueryRequest, container: Container): QueryInfo {
  const partitionKeyPaths = container.partitionKeyPaths.map((path) => `/${path.join('/')}`);
  return planQuery(query.query, { parameters, partitionKeyPaths });
}

/** Answers a plan request: what the client has to merge. */
export function answerPlan(container: Container, request: CosmosRequest): Answer {
  const info = planOf(queryRequestOf(request.bodyText), container);
  refuseUnsupported(info, headerOf(request, 'x-ms-cosmos-supported-query-features'));
  return { status: 200, body: JSON.stringify(planAnswer(info)), requestCharge: 1 };
}

/** A client that names its features must have those that the plan needs. */
function refuseUnsupported(info: QueryInfo, header: string | undefined): void {
  if (header === undefined) return;
  const supported = new Set(header.split(',').map((feature) => feature.trim()));
  const missing = requiredFeatures(info).filter((feature) => !supported.has(feature));
  if (missing.length === 0) return;
  throw badRequest(
    `Query contains the following features, which the calling client does not support: ${missing.join(', ')}.`,
  );
}

/** Answers a page of a query over the documents of a container. */
export function answerQuery(
  store: Store,
  container: Container,
  scope: RequestScope,
  request: CosmosRequest,
): Answer {
  const queryRequest = queryRequestOf(request.bodyText);
  if (scope.targeted) checkQuery(queryRequest.query.query);
  else refuseUnmergeable(planOf(queryRequest, container), request);
  if (queryRequest.query.query.groupBy !== undefined && queryRequest.query.query.orderBy !== undefined) {
    throw badRequest("'ORDER BY' is not supported in presence of GROUP BY.");
  }
  checkOrderIndex(queryRequest.query, container);

  const position = positionOf(headerOf(request, 'x-ms-continuation'));
  const comparisons = textEqualities(queryRequest.query.query, queryRequest.parameters);
  let scanned = 0;
  function* documents(): Iterable<NumberedDocument> {
    const after = queryRequest.query.paging === 'scan' ? Math.max(0, position.number - 1) : 0;
    for (const row of store.scan(container, scope.stored, after, comparisons)) {
      if (!isVisible(row, container, scope, request.nowMs)) continue;
      scanned += 1;
      yield { number: row.number, document: JSON.parse(row.body) as Json };
    }
  }
  const page = pageOf(queryRequest, documents(), position, request);
  return {
    status: 200,
    body: `{"_rid":"${container.resourceId}","Documents":[${page.texts.join(',')}],"_count":${page.texts.length}}`,
    headers: {
      'x-ms-item-count': String(page.texts.length),
      ...(page.continuation === undefined ? {} : { 'x-ms-continuation': page.continuation }),
    },
    requestCharge: Math.round((2.23 + scanned * 0.03 + page.sizeBytes / 4096) * 100) / 100,
  };
}

/** Is the request a query? JavaScript and .NET say so in one header or the other. */
export function isQuery(request: CosmosRequest): boolean {
  return (
    isFlagSet(request, 'x-ms-documentdb-isquery') ||
    headerOf(request, 'content-type')?.includes('query+json') === true
  );
}

/** A query over resources that are not documents, such as offers. */
export function queryResources(bodyText: string, resources: readonly JsonObject[], nowMs: number): Json[] {
  const { query, parameters } = queryRequestOf(bodyText);
  const documents = resources.map((document, index) => ({ number: index + 1, document }));
  return [...query.run(documents, { parameters, nowMs })].map((row) => row.value);
}

/**
 * The gateway runs a query over all partitions only when nothing has to be merged; for others it answers 400 with
 * the plan, and the client fetches from each partition key range.
 */
function refuseUnmergeable(info: QueryInfo, request: CosmosRequest): void {
  if (!isFlagSet(request, 'x-ms-documentdb-query-enablecrosspartition')) {
    throw badRequest(
      'Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.',
      1004,
    );
  }
  if (passesThrough(info)) return;
  throw new CosmosRefusal(
    400,
    'The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully.',
    1004,
    JSON.stringify(planAnswer(info)),
  );
}

/**
 * ORDER BY needs an index: of one path that is not excluded, or for several paths a composite index of the same paths,
 * in the same or all in the opposite directions.
 * Source: "Indexing policies in Azure Cosmos DB", sections "Including and excluding property paths" and "ORDER BY
 * queries on multiple properties".
 */
function checkOrderIndex({ query }: CompiledQuery, container: Container): void {
  const source = query.sources[0];
  if (query.orderBy === undefined || source?.kind !== 'path') return;
  const paths = query.orderBy.map(({ expression }) => documentPathOf(expression, source.alias) ?? '');
  const [first] = paths;
  if (first !== undefined && paths.length === 1) {
    if (!isExcluded(first, container)) return;
    throw badRequest('The index path corresponding to the specified order-by item is excluded.');
  }
  const wanted = query.orderBy.map(({ direction }, index) => `${paths[index]} ${direction}`);
  const served = compositeIndexes(container).some(
    (index) => sameOrder(index, wanted) || sameOrder(index.map(opposite), wanted),
  );
  if (served) return;
  throw badRequest(
    'The order by query does not have a corresponding composite index that it can be served from.',
  );
}

/** `id` and `_ts` are indexed whatever the policy says ("Indexing policies in Azure Cosmos DB", "Indexing mode"). */
const ALWAYS_INDEXED: readonly string[] = ['/id', '/_ts'];

/** The longest pattern that covers a path decides. */
function isExcluded(path: string, container: Container): boolean {
  if (ALWAYS_INDEXED.includes(path)) return false;
  const covering = (list: 'includedPaths' | 'excludedPaths') =>
    Math.max(
      -1,
      ...indexedPatterns(container, list)
        .filter((pattern) => coversPath(pattern, path))
        .map((pattern) => pattern.length),
    );
  return covering('excludedPaths') > covering('includedPaths');
}

function indexedPatterns(container: Container, list: 'includedPaths' | 'excludedPaths'): string[] {
  const policy = container.body['indexingPolicy'];
  const entries = isJsonObject(policy) ? policy[list] : undefined;
  return (Array.isArray(entries) ? (entries as readonly Json[]) : []).map((entry) =>
    isJsonObject(entry) ? String(entry['path']).replaceAll('"', '') : '',
  );
}

/** `/a/?` covers the value at `/a`, `/a/*` everything at and below it. */
function coversPath(pattern: string, path: string): boolean {
  const stem = pattern.replace(/\/[?*]$/, '');
  return pattern.endsWith('/*') ? stem === '' || `${path}/`.startsWith(`${stem}/`) : path === stem;
}

/** Each index as `/path ascending` texts. */
function compositeIndexes(container: Container): string[][] {
  const policy = container.body['indexingPolicy'];
  const indexes = isJsonObject(policy) ? policy['compositeIndexes'] : undefined;
  return (Array.isArray(indexes) ? (indexes as readonly Json[]) : []).map((index) =>
    (Array.isArray(index) ? (index as readonly Json[]) : []).map((entry) => {
      const { path, order } = isJsonObject(entry) ? entry : {};
      const direction = String(order ?? 'ascending').toLowerCase();
      return `${String(path).replaceAll('"', '')} ${direction}`;
    }),
  );
}

function opposite(entry: string): string {
  return entry.endsWith(' ascending')
    ? entry.replace(/ascending$/, 'descending')
    : entry.replace(/descending$/, 'ascending');
}

function sameOrder(index: readonly string[], wanted: readonly string[]): boolean {
  return index.length === wanted.length && index.every((entry, at) => entry === wanted[at]);
}

/** Behind which row the next page begins. */
interface Position {
  /** The document of the last row; 0 at the beginning. */
  readonly number: number;
  /** How many rows of that document, at the same ORDER BY values, have been handed out. */
  readonly within: number;
  /** ORDER BY values of the last row; an undefined value is `[]`, any other is boxed in an array. */
  readonly order: readonly (readonly Json[])[];
  /** How many rows have been handed out in all. */
  readonly taken: number;
}

const BEGINNING: Position = { number: 0, within: 0, order: [], taken: 0 };

function positionOf(continuation: string | undefined): Position {
  if (continuation === undefined || continuation === '') return BEGINNING;
  try {
    const position = JSON.parse(Buffer.from(continuation, 'base64url').toString('utf8')) as unknown;
    if (isPosition(position)) return position;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw badRequest(`Invalid Continuation Token: ${continuation.slice(0, 200)}`);
}

function isPosition(value: unknown): value is Position {
  return (
    typeof value === 'object' &&
    value !== null &&
    'number' in value &&
    'within' in value &&
    'taken' in value &&
    'order' in value &&
    Array.isArray(value.order)
  );
}

interface Page {
  readonly texts: readonly string[];
  readonly sizeBytes: number;
  readonly continuation: string | undefined;
}

function pageOf(
  { query, parameters, resumeFilter }: QueryRequest,
  documents: Iterable<NumberedDocument>,
  position: Position,
  request: CosmosRequest,
): Page {
  const window = query.window(parameters);
  const wanted = maxItemCount(request, DEFAULT_PAGE_ITEMS);
  const folded = query.paging === 'folded';
  let toSkip = folded ? window.offset + position.taken : position.taken > 0 ? 0 : window.offset;
  let { taken } = position;
  let spot: Position = position;
  let sizeBytes = 0;
  const texts: string[] = [];
  const resume = resumeFilter === undefined ? undefined : resumeTest(query, resumeFilter);
  const isBehind = behindTest(query, position);
  for (const row of query.run(documents, { parameters, nowMs: request.nowMs })) {
    if (resume !== undefined && !resume(row)) continue;
    if (!folded && !isBehind(row)) continue;
    if (toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    if (taken >= window.limit) break;
    if (texts.length >= wanted || sizeBytes >= MAX_RESPONSE_BYTES) {
      const token = Buffer.from(JSON.stringify({ ...spot, taken })).toString('base64url');
      return { texts, sizeBytes, continuation: token };
    }
    const text = JSON.stringify(row.value);
    texts.push(text);
    sizeBytes += text.length;
    taken += 1;
    const order = row.orderValues.map((value) => (value === undefined ? [] : [value]));
    const sameSpot = spot.number === row.number && JSON.stringify(spot.order) === JSON.stringify(order);
    spot = { number: row.number, within: sameSpot ? spot.within + 1 : 1, order, taken };
  }
  return { texts, sizeBytes, continuation: undefined };
}

/** Is a row behind the position? Rows at the position itself are counted off. */
function behindTest(query: CompiledQuery, position: Position): (row: ResultRow) => boolean {
  if (position.number === 0) return () => true;
  let atPosition = 0;
  const order = position.order.map((boxed) => boxed[0]);
  return (row) => {
    const comparison = compareToPlace(query, row, order, position.number);
    if (comparison !== 0) return comparison > 0;
    atPosition += 1;
    return atPosition > position.within;
  };
}

/** Positive when the row comes behind the place in the order of the result. */
function compareToPlace(
  query: CompiledQuery,
  row: ResultRow,
  values: readonly Value[],
  number: number | undefined,
): number {
  const items = query.query.orderBy ?? [];
  const signs = items.map(({ direction }) => (direction === 'ascending' ? 1 : -1));
  for (const [index, sign] of signs.entries()) {
    const order = compareValues(row.orderValues[index], values[index]) * sign;
    if (order !== 0) return order;
  }
  return number === undefined ? 0 : (row.number - number) * (signs[0] ?? 1);
}

/**
 * `resumeFilter` of an ORDER BY query that a client resumes: `exclude` takes rows strictly behind the values, otherwise
 * at or behind the values and, when given, the resource id.
 */
function resumeTest(query: CompiledQuery, filter: JsonObject): (row: ResultRow) => boolean {
  const values = (Array.isArray(filter['value']) ? (filter['value'] as readonly Json[]) : []).map((value) =>
    Array.isArray(value) && value.length === 0 ? undefined : value,
  );
  const { rid, exclude } = filter;
  const number = typeof rid === 'string' ? documentNumberOf(rid) : undefined;
  return (row) => {
    const comparison = compareToPlace(query, row, values, number);
    return exclude === true ? comparison > 0 : comparison >= 0;
  };
}
