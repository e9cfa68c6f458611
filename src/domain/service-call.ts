/** One request to a service, over. */
export interface ServiceCall {
  readonly service: Service;
  /** As the service's own protocol names it: `read_item`, `PutBlock`, `send`. */
  readonly operation: string;
  /** What it was asked of, coarse enough to count by: a container, a queue; never a document or a path. */
  readonly target: string;
  readonly durationMs: number;
  /** HTTP status; absent when no answer came, or the protocol has none. */
  readonly statusCode?: number;
  /** Request units, of Cosmos DB. */
  readonly requestCharge?: number;
  /** Why there is no answer. */
  readonly error?: string;
}

export type Service = 'Cosmos DB' | 'Blob Storage' | 'Service Bus' | 'Batch';
