import type { Container, OperationInput, OperationResponse, PatchOperation } from '@azure/cosmos';
import { RetryableFailure } from '#domain/failures.ts';
import type { OutboxEntry, SagaChange, SagaStore } from '#domain/ports/saga-store.ts';
import { statusOf } from '../service-failure.ts';
import { DISPATCHED_TTL_SECONDS, INBOX_TTL_SECONDS } from './containers.ts';
import {
  type CosmosDatabase,
  collect,
  failureOf,
  idOfText,
  queryItems,
  readItem,
  request,
} from './cosmos-database.ts';
import {
  metadataItem,
  type OutboxItem,
  outboxEntryOf,
  outboxItem,
  type SagaItem,
} from './measurement-items.ts';

const SAGA_ID = 'saga';
const BATCH_OPERATIONS_MAX = 100;
/** A dependent operation of a batch in which another one failed (REST reference, "Transactional batch"). */
const FAILED_DEPENDENCY = 424;
const TRANSIENT_STATUSES = new Set([408, 429, 449, 500, 503]);

/** What an entry of the outbox becomes when its message is sent. */
const DISPATCHED: PatchOperation[] = [
  { op: 'set', path: '/dispatched', value: true },
  { op: 'set', path: '/ttl', value: DISPATCHED_TTL_SECONDS },
];

/** The saga of a measurement in the measurement's partition; one input is one transactional batch. */
export class CosmosSagaStore<State> implements SagaStore<State> {
  readonly #container: Container;

  constructor(database: CosmosDatabase) {
    this.#container = database.container('measurements');
  }

  async load(measurementId: string): Promise<{ readonly state: State; readonly etag: string } | undefined> {
    const item = await readItem<SagaItem<State>>(this.#container, SAGA_ID, measurementId);
    return item === undefined ? undefined : { state: item.state, etag: item._etag };
  }

  async wasHandled(measurementId: string, inputId: string): Promise<boolean> {
    return (await readItem(this.#container, inboxIdOf(inputId), measurementId)) !== undefined;
  }

  async commit(change: SagaChange<State>): Promise<'committed' | 'conflict' | 'already-handled'> {
    const operations = operationsOf(change);
    if (operations.length > BATCH_OPERATIONS_MAX) {
      throw new Error(
        `Input ${change.inputId} of ${change.measurementId} makes ${operations.length} changes; one batch holds ${BATCH_OPERATIONS_MAX}.`,
      );
    }
    const results = await this.#execute(change, operations);
    const failed = results.findIndex(
      ({ statusCode }) => statusCode >= 400 && statusCode !== FAILED_DEPENDENCY,
    );
    if (failed === -1) return 'committed';
    const { statusCode } = results[failed]!;
    // The inbox entry comes first, so that an input handled before is told from a saga that others changed. It may
    // also have been our own first try, whose answer the client library did not get: for the caller the same.
    if (failed === 0 && statusCode === 409) return 'already-handled';
    if ([404, 409, 412].includes(statusCode)) return 'conflict';
    if (TRANSIENT_STATUSES.has(statusCode)) {
      throw new RetryableFailure(
        'dependency-unavailable',
        `${nameOf(change)} was answered with ${statusCode}.`,
      );
    }
    const id = operations[failed]?.operationType;
    throw new Error(`${nameOf(change)} was refused with ${statusCode} at operation ${failed} (${id}).`);
  }

  async pendingOutputs(measurementId: string): Promise<readonly OutboxEntry[]> {
    const items = await collect(
      queryItems<OutboxItem>(
        this.#container,
        { query: "SELECT * FROM c WHERE c.type = 'outbox' AND c.dispatched = false" },
        measurementId,
      ),
    );
    return items.map(outboxEntryOf).toSorted((a, b) => orderOf(a.id) - orderOf(b.id));
  }

  async markDispatched(measurementId: string, outboxIds: readonly string[]): Promise<void> {
    const what = `the outbox of ${measurementId} could not be marked`;
    for (let start = 0; start < outboxIds.length; start += BATCH_OPERATIONS_MAX) {
      const ids = outboxIds.slice(start, start + BATCH_OPERATIONS_MAX);
      if (!(await this.#markTogether(what, measurementId, ids)))
        await this.#markEach(what, measurementId, ids);
    }
  }

  /** One request for all. @returns false when nothing was marked, because one of them is gone. */
  async #markTogether(what: string, measurementId: string, outboxIds: readonly string[]): Promise<boolean> {
    const operations = outboxIds.map((id) => ({
      operationType: 'Patch' as const,
      id: idOfText(id),
      resourceBody: { operations: DISPATCHED },
    }));
    const { result = [] } = await request(what, () => this.#container.items.batch(operations, measurementId));
    return result.length === outboxIds.length && result.every(({ statusCode }) => statusCode < 300);
  }

  async #markEach(what: string, measurementId: string, outboxIds: readonly string[]): Promise<void> {
    await Promise.all(
      outboxIds.map((id) =>
        request(what, async () => {
          try {
            await this.#container.item(idOfText(id), measurementId).patch(DISPATCHED);
          } catch (error) {
            // Marked long ago, and gone since.
            if (statusOf(error) !== 404) throw error;
          }
        }),
      ),
    );
  }

  /** `items.batch` answers a failed batch like a good one: only its entries tell. */
  async #execute(
    change: SagaChange<State>,
    operations: OperationInput[],
  ): Promise<readonly OperationResponse[]> {
    try {
      const { result } = await this.#container.items.batch(operations, change.measurementId);
      if (result !== undefined && result.length === operations.length) return result;
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      const failure = failureOf(error, `${nameOf(change)} has no certain end`);
      throw failure instanceof RetryableFailure
        ? failure
        : new RetryableFailure('dependency-unavailable', `${nameOf(change)} has no certain end.`, {
            cause: error,
          });
    }
    throw new RetryableFailure('dependency-unavailable', `${nameOf(change)} was answered incompletely.`);
  }
}

function operationsOf<State>(change: SagaChange<State>): OperationInput[] {
  const { measurementId, inputId, expectedEtag, state, record } = change;
  const saga = { id: SAGA_ID, measurementId, type: 'saga', state };
  const items = [
    { id: inboxIdOf(inputId), measurementId, type: 'inbox', version: record.version, ttl: INBOX_TTL_SECONDS },
    { ...record, id: `ev:${String(record.version).padStart(10, '0')}`, measurementId, type: 'event' },
    ...change.outputs.map(outboxItem),
  ];
  return [
    ...items.map((item) => ({ operationType: 'Create' as const, resourceBody: jsonOf(item) })),
    expectedEtag === undefined
      ? { operationType: 'Create' as const, resourceBody: jsonOf(saga) }
      : { operationType: 'Replace' as const, id: SAGA_ID, ifMatch: expectedEtag, resourceBody: jsonOf(saga) },
    ...change.documents.map((document) => ({
      operationType: 'Upsert' as const,
      resourceBody: jsonOf(metadataItem(document)),
    })),
  ];
}

/** The library's own JSON type; absent fields and dates become what JSON makes of them. */
function jsonOf(item: object): { [key: string]: never } {
  return JSON.parse(JSON.stringify(item));
}

function inboxIdOf(inputId: string): string {
  return `in:${idOfText(inputId)}`;
}

/** `out:<version>:<index>` in the order of versions and indices. */
function orderOf(outboxId: string): number {
  const [, version, index] = outboxId.split(':');
  return Number(version) * BATCH_OPERATIONS_MAX + Number(index);
}

function nameOf(change: SagaChange<unknown>): string {
  return `Version ${change.record.version} of measurement ${change.measurementId}`;
}
