import { type Container, CosmosClient, type SqlQuerySpec } from '@azure/cosmos';
import { RetryableFailure } from '#domain/failures.ts';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import { type Access, assertLoopback, identityCredential } from '../credentials.ts';
import { retryableFailureOf, statusOf } from '../service-failure.ts';
import { CONTAINERS, type ContainerName, indexingPolicyOf } from './containers.ts';
import { cosmosCalls } from './cosmos-calls.ts';

export interface CosmosSettings {
  readonly endpoint: string;
  readonly database: string;
  readonly access: Access;
  /** Told of every request. */
  readonly calls?: ServiceCalls;
}

const REQUEST_TIMEOUT_MS = 10_000;

/** One client per process; session consistency holds within it. */
export class CosmosDatabase {
  readonly #client: CosmosClient;
  readonly #database: string;

  constructor({ endpoint, database, access, calls }: CosmosSettings) {
    const isLocal = access.auth === 'emulator-key';
    if (isLocal) assertLoopback(endpoint);
    this.#client = new CosmosClient({
      endpoint,
      ...(access.auth === 'emulator-key'
        ? { key: access.key }
        : { aadCredentials: identityCredential(access) }),
      ...(calls === undefined ? {} : { plugins: [cosmosCalls(calls)] }),
      connectionPolicy: {
        // The emulator has one region and does not name its own address.
        enableEndpointDiscovery: !isLocal,
        requestTimeout: REQUEST_TIMEOUT_MS,
        retryOptions: {
          maxRetryAttemptCount: 9,
          fixedRetryIntervalInMilliseconds: 0,
          maxWaitTimeInSeconds: 20,
        },
      },
    });
    this.#database = database;
  }

  container(name: ContainerName): Container {
    return this.#client.database(this.#database).container(CONTAINERS[name].name);
  }

  /** Creates what Bicep creates in Azure. For the local stack; needs a key. */
  async create(): Promise<void> {
    const { database } = await this.#client.databases.createIfNotExists({ id: this.#database });
    await Promise.all(
      Object.values(CONTAINERS).map((definition) =>
        database.containers.createIfNotExists({
          id: definition.name,
          partitionKey: { paths: [definition.partitionKeyPath] },
          defaultTtl: definition.defaultTtlSeconds,
          indexingPolicy: indexingPolicyOf(definition),
        }),
      ),
    );
  }

  dispose(): void {
    this.#client.dispose();
  }
}

/** What Cosmos adds to every document. */
export interface Stored {
  readonly id: string;
  readonly _etag: string;
}

/** Runs a request; a failure that may pass becomes a RetryableFailure that says what was not done. */
export async function request<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failureOf(error, what);
  }
}

export function failureOf(error: unknown, what: string): unknown {
  if (error instanceof RetryableFailure) return error;
  // `items.batch` wraps what the service said, and its own timeouts, into an error without a code.
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (
    retryableFailureOf(error, what) ??
    retryableFailureOf(inner, what) ??
    (isTimeout(inner)
      ? new RetryableFailure('dependency-unavailable', `${what}: no answer in time.`, { cause: error })
      : error)
  );
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** @returns undefined when there is no such document. */
export async function readItem<T extends object>(
  container: Container,
  id: string,
  partition: string,
): Promise<(T & Stored) | undefined> {
  return request(`${container.id} ${id} could not be read`, async () => {
    const { resource, statusCode } = await container.item(id, partition).read<T & Stored>();
    return statusCode === 404 ? undefined : resource;
  });
}

const PAGE_ITEMS = 500;

/** All results, page by page; `partition` keeps the query in one partition. */
export async function* queryItems<T>(
  container: Container,
  query: SqlQuerySpec,
  partition?: string,
  pageItems = PAGE_ITEMS,
): AsyncGenerator<T> {
  const iterator = container.items.query<T>(query, {
    ...(partition === undefined ? {} : { partitionKey: partition }),
    maxItemCount: pageItems,
  });
  while (iterator.hasMoreResults()) {
    const { resources } = await request(`${container.id} could not be searched`, () => iterator.fetchNext());
    yield* resources ?? [];
  }
}

export async function collect<T>(results: AsyncIterable<T>, limit = Number.POSITIVE_INFINITY): Promise<T[]> {
  const items: T[] = [];
  if (limit <= 0) return items;
  for await (const item of results) {
    items.push(item);
    if (items.length >= limit) break;
  }
  return items;
}

/**
 * A write that others may race: `conflict` when it did not happen because the document is there (create), is another
 * one (`etag`), or is gone.
 */
export async function guardedWrite<T>(what: string, write: () => Promise<T>): Promise<T | 'conflict'> {
  try {
    return await write();
  } catch (error) {
    if ([404, 409, 412].includes(statusOf(error) ?? 0)) return 'conflict';
    throw failureOf(error, what);
  }
}

/** Cosmos forbids `/ \ ? #` in ids (REST reference, "Create a document"); `~` and `%` are escaped with them. */
export function idOfText(text: string): string {
  return text.replace(/[/\\?#%~]/g, (character) => `~${character.charCodeAt(0).toString(16)}`);
}
