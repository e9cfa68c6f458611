import type { IncomingHttpHeaders } from 'node:http';

/** A request as the routes see it. */
export interface CosmosRequest {
  readonly method: string;
  /** The decoded steps of the path: `['dbs', 'd', 'colls', 'c', 'docs', 'i']`. */
  readonly segments: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly bodyBytes: Buffer;
  readonly bodyText: string;
  /** Where the client reached the emulator, with a slash at the end. */
  readonly endpoint: string;
  readonly nowMs: number;
}

/** An answer before it goes out. */
export interface Answer {
  readonly status: number;
  /** JSON text, or a HybridRow stream; absent for 204 and 304. */
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Request units. */
  readonly requestCharge: number;
}

/** The text of a header that is sent at most once. */
export function headerOf(request: CosmosRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** JavaScript sends `true`, .NET sends `True`. */
export function isFlagSet(request: CosmosRequest, name: string): boolean {
  return headerOf(request, name)?.toLowerCase() === 'true';
}

/** The page size asked for; -1 and absence leave it to the service. */
export function maxItemCount(request: CosmosRequest, ofService: number): number {
  const asked = Number(headerOf(request, 'x-ms-max-item-count') ?? -1);
  return Number.isInteger(asked) && asked > 0 ? Math.min(asked, 10_000) : ofService;
}

/** A page never exceeds this. Source: "Azure Cosmos DB service quotas", maximum response size. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
