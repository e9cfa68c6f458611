import type { PluginConfig } from '@azure/cosmos';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import { refusedWith, timedCall } from '../timed-call.ts';

type Headers = Readonly<Record<string, unknown>>;
type RequestContext = Parameters<PluginConfig['plugin']>[0];

/**
 * Says every request to Cosmos DB, retries included. On requests and not on the client's operations: queries and the
 * change feed do not pass the plugins of operations (@azure/cosmos 4.10, ClientContext.queryFeed).
 */
export function cosmosCalls(calls: ServiceCalls): PluginConfig {
  return {
    on: 'request',
    plugin: (context, _diagnostics, next) =>
      timedCall(
        calls,
        { service: 'Cosmos DB', operation: operationOf(context), target: containerOf(context.path ?? '') },
        () => next(context),
        ({ code, headers }) => ({
          ...(code === undefined ? {} : { statusCode: code }),
          ...chargeOf(headers),
        }),
        (error) => ({ ...refusedWith(error), ...chargeOf((error as { headers?: Headers }).headers) }),
      ),
  };
}

/** Names of the semantic conventions ("Azure Cosmos DB", `db.operation.name`). */
const ITEM_OPERATIONS: Readonly<Record<string, string>> = {
  create: 'create_item',
  replace: 'replace_item',
  upsert: 'upsert_item',
  delete: 'delete_item',
  read: 'read_item',
  patch: 'patch_item',
  batch: 'execute_batch',
  query: 'query_items',
};

/** Of `/dbs/<database>/colls/<container>/docs/<id>`, which is how the client names a document. */
const CONTAINER_PATH = /\/colls\/([^/]+)/;

function containerOf(path: string): string {
  return CONTAINER_PATH.exec(path)?.[1] ?? 'account';
}

function operationOf({ operationType, resourceType, headers, body }: RequestContext): string {
  if (operationType === undefined) return 'execute';
  if (resourceType !== 'docs') return `${operationType}_${resourceType || 'account'}`;
  if (headers?.['A-IM'] !== undefined) return 'query_change_feed';
  if (headers?.['x-ms-cosmos-is-query-plan-request'] !== undefined) return 'query_plan';
  if (operationType === 'query' && body === undefined) return 'read_all_items';
  return ITEM_OPERATIONS[operationType] ?? operationType;
}

function chargeOf(headers: Headers | undefined): { requestCharge?: number } {
  const charge = Number(headers?.['x-ms-request-charge']);
  return Number.isFinite(charge) ? { requestCharge: charge } : {};
}
