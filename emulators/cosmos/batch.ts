// Transactional batches (all or nothing) and bulk requests (each for itself).
// Source: "Transactional batch operations in Azure Cosmos DB".
import { type Answer, type CosmosRequest, headerOf, isFlagSet } from './answer.ts';
import { type Conditions, type DocumentResult, Documents, MAX_DOCUMENT_BYTES } from './documents.ts';
import { decodeBatch, encodeResults, HYBRID_ROW_VERSION, type OperationResult } from './hybrid-row.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { partitionKeyOfHeader, partitionKeyText } from './partition-keys.ts';
import { badRequest, CosmosRefusal, requestTooLarge } from './refusal.ts';
import { QueryRefusal } from './sql/refusal.ts';
import type { Container, Store } from './store.ts';

/** Source: "Azure Cosmos DB service quotas", transactional batch limits. */
const MAX_OPERATIONS = 100;

/** Thrown to undo a batch; carries the operation that failed. */
class BatchFailure extends Error {
  readonly index: number;
  readonly result: OperationResult;

  constructor(index: number, result: OperationResult) {
    super(`Operation ${index} of the batch failed with ${result.statusCode}.`);
    this.index = index;
    this.result = result;
  }
}

/** Executes the operations of a batch or bulk request. */
export function answerBatch(store: Store, container: Container, request: CosmosRequest): Answer {
  const isHybridRow = request.bodyBytes[0] === HYBRID_ROW_VERSION;
  const operations = isHybridRow ? decodeBatch(request.bodyBytes) : parsedOperations(request.bodyText);
  const atomic = isFlagSet(request, 'x-ms-cosmos-batch-atomic');
  if (operations.length > MAX_OPERATIONS) {
    throw badRequest(
      `Batch request has more operations than what is supported: ${operations.length} > ${MAX_OPERATIONS}.`,
    );
  }
  if (atomic && request.bodyBytes.length > MAX_DOCUMENT_BYTES) throw requestTooLarge();
  const results = atomic
    ? atomicResults(store, container, request, operations)
    : operations.map((operation) => independentResult(store, container, request, operation));
  const failed = results.some(({ statusCode }) => statusCode >= 400);
  return {
    status: failed ? 207 : 200,
    body: isHybridRow ? encodeResults(results) : `[${results.map(resultText).join(',')}]`,
    requestCharge: results.reduce((sum, { requestCharge }) => sum + requestCharge, 0),
  };
}

function parsedOperations(bodyText: string): JsonObject[] {
  const operations = JSON.parse(bodyText) as Json;
  if (!Array.isArray(operations) || !operations.every(isJsonObject) || operations.length === 0) {
    throw badRequest('The body of a batch is a JSON array of operations.');
  }
  return operations as JsonObject[];
}

function atomicResults(
  store: Store,
  container: Container,
  request: CosmosRequest,
  operations: readonly JsonObject[],
): OperationResult[] {
  const header = headerOf(request, 'x-ms-documentdb-partitionkey');
  if (header === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const partitionKey = partitionKeyOfHeader(header);
  const documents = new Documents(store, container, request.nowMs);
  try {
    return store.allOrNothing(() =>
      operations.map((operation, index) => {
        const result = attempted(() => execute(documents, partitionKey, operation));
        if (result.statusCode >= 400) throw new BatchFailure(index, result);
        return result;
      }),
    );
  } catch (error) {
    if (!(error instanceof BatchFailure)) throw error;
    return operations.map((_operation, index) =>
      index === error.index ? error.result : { statusCode: 424, requestCharge: 0 },
    );
  }
}

function independentResult(
  store: Store,
  container: Container,
  request: CosmosRequest,
  operation: JsonObject,
): OperationResult {
  return attempted(() => {
    const documents = new Documents(store, container, request.nowMs);
    return execute(documents, partitionKeyOfOperation(operation['partitionKey']), operation);
  });
}

/** Bulk operations carry their key as an array, as the JSON text of one, or as a plain value. */
function partitionKeyOfOperation(value: Json | undefined): string {
  if (value === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  if (typeof value === 'string' && value.startsWith('[')) return partitionKeyOfHeader(value);
  return partitionKeyText(Array.isArray(value) ? value : [value]);
}

function attempted(run: () => DocumentResult): OperationResult {
  try {
    const { status, body, etag, requestCharge } = run();
    return {
      statusCode: status,
      requestCharge,
      ...(etag === undefined ? {} : { eTag: etag }),
      ...(body === undefined ? {} : { resourceBody: body }),
    };
  } catch (error) {
    if (error instanceof QueryRefusal) return { statusCode: 400, requestCharge: 1 };
    if (!(error instanceof CosmosRefusal)) throw error;
    const { status: statusCode, substatus: subStatusCode } = error;
    return { statusCode, ...(subStatusCode === 0 ? {} : { subStatusCode }), requestCharge: 1 };
  }
}

function execute(documents: Documents, partitionKey: string, operation: JsonObject): DocumentResult {
  const result = executed(documents, partitionKey, operation);
  if (operation['minimalReturnPreference'] !== true) return result;
  const { body: _known, ...minimal } = result;
  return minimal;
}

function executed(documents: Documents, partitionKey: string, operation: JsonObject): DocumentResult {
  const { operationType, resourceBody = null } = operation;
  const id = idOf(operation);
  const conditions: Conditions = {
    ifMatch: textOrNone(operation['ifMatch']),
    ifNoneMatch: textOrNone(operation['ifNoneMatch']),
  };
  switch (operationType) {
    case 'Create':
      return documents.create(partitionKey, resourceBody);
    case 'Upsert':
      return documents.upsert(partitionKey, resourceBody, conditions);
    case 'Replace':
      return documents.replace(partitionKey, id, resourceBody, conditions);
    case 'Patch':
      return documents.patch(partitionKey, id, resourceBody, conditions);
    case 'Delete':
      return documents.delete(partitionKey, id, conditions);
    case 'Read':
      return documents.read(partitionKey, id, conditions);
    default:
      throw badRequest(`'${String(operationType)}' is no batch operation.`);
  }
}

function idOf({ id, resourceBody }: JsonObject): string {
  if (typeof id === 'string') return id;
  const inBody = isJsonObject(resourceBody) ? resourceBody['id'] : undefined;
  return typeof inBody === 'string' ? inBody : '';
}

function textOrNone(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function resultText({ resourceBody, ...rest }: OperationResult): string {
  const head = JSON.stringify(rest);
  return resourceBody === undefined ? head : `${head.slice(0, -1)},"resourceBody":${resourceBody}}`;
}
