// Which documents a query, a read or a change feed is about.
import { type CosmosRequest, headerOf } from './answer.ts';
import { isExpired } from './documents.ts';
import { effectivePartitionKey } from './effective-partition-keys.ts';
import { partitionKeyLength, partitionKeyOfHeader, partitionKeyRange } from './partition-keys.ts';
import type { Container, DocumentRow, DocumentScope } from './store.ts';

/** A scope that the store can select by, and a range of hashes that it cannot. */
export interface RequestScope {
  readonly stored: DocumentScope;
  /** Effective partition keys, half-open. */
  readonly hashes: { readonly from: string; readonly below: string } | undefined;
  /** True when the client named a partition or a range, so that it merges by itself. */
  readonly targeted: boolean;
}

/** A partition key header names a partition or a prefix of a hierarchical key; .NET names a prefix by its hashes. */
export function scopeOf(container: Container, request: CosmosRequest): RequestScope {
  const header = headerOf(request, 'x-ms-documentdb-partitionkey');
  const from = headerOf(request, 'x-ms-start-epk');
  const below = headerOf(request, 'x-ms-end-epk');
  const range = headerOf(request, 'x-ms-documentdb-partitionkeyrangeid');
  const hashes = from === undefined || below === undefined ? undefined : { from, below };
  const partitionKey = header === undefined ? undefined : partitionKeyOfHeader(header);
  const length = partitionKey === undefined ? 0 : partitionKeyLength(partitionKey);
  const targeted = length > 0 || hashes !== undefined || range !== undefined;
  if (partitionKey === undefined || length === 0) return { stored: { kind: 'all' }, hashes, targeted };
  const stored: DocumentScope =
    length >= container.partitionKeyPaths.length
      ? { kind: 'partition', partitionKey }
      : { kind: 'range', ...partitionKeyRange(partitionKey) };
  return { stored, hashes, targeted };
}

/** Is the stored document in the range of hashes, and has it not expired? */
export function isVisible(
  row: DocumentRow,
  container: Container,
  { hashes }: RequestScope,
  nowMs: number,
): boolean {
  if (isExpired(row, container, nowMs)) return false;
  if (hashes === undefined) return true;
  const hash = effectivePartitionKey(row.partition_key, container.partitionKeyPaths.length > 1);
  return hashes.from <= hash && hash < hashes.below;
}
