// Which requests to the blob endpoint Azure Storage tells Event Grid about.
// "Azure Blob Storage as an Event Grid source", section "Blob Storage events".
import type { IncomingHttpHeaders } from 'node:http';

/** A blob by its three names, decoded, and its path as it went over the wire. */
export interface BlobAddress {
  readonly account: string;
  readonly container: string;
  readonly blob: string;
  /** `/account/container/blob`, still encoded. */
  readonly path: string;
}

/** A successful request that changed which blobs exist. `api` is the name the event gives it. */
export interface BlobOperation extends BlobAddress {
  readonly change: 'created' | 'deleted';
  readonly api: 'PutBlob' | 'PutBlockList' | 'CopyBlob' | 'DeleteBlob';
}

/** The blob a path-style address names, or undefined for the service, a container or a system container. */
export function blobAddress(target: string): BlobAddress | undefined {
  const path = target.split('?')[0] ?? '';
  const [, account, container, ...rest] = path.split('/');
  if (!account || !container || rest.length === 0 || rest.join('/') === '') return undefined;
  // Activity in $logs and $blobchangefeed raises no events.
  if (container.startsWith('$') && container !== '$root' && container !== '$web') return undefined;
  return {
    account: decodeURIComponent(account),
    container: decodeURIComponent(container),
    blob: decodeURIComponent(rest.join('/')),
    path,
  };
}

/** The operation a request was, now that its status is known; undefined when it raises no event. */
export function blobOperation(
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
  status: number,
): BlobOperation | undefined {
  const address = blobAddress(target);
  if (address === undefined) return undefined;
  const parameters = new URL(target, 'http://127.0.0.1').searchParams;
  const comp = parameters.get('comp');
  if (method === 'DELETE' && status === 202 && comp === null) {
    // A deleted snapshot or version leaves the blob where it was.
    if (parameters.has('snapshot') || parameters.has('versionid')) return undefined;
    if (headers['x-ms-delete-snapshots'] === 'only') return undefined;
    return { ...address, change: 'deleted', api: 'DeleteBlob' };
  }
  if (method !== 'PUT' || (status !== 201 && status !== 202)) return undefined;
  if (comp === 'blocklist') return { ...address, change: 'created', api: 'PutBlockList' };
  // Blocks, appended blocks, pages, metadata, leases, tags, tiers and snapshots raise no BlobCreated.
  if (comp !== null || parameters.has('restype')) return undefined;
  const copied = headers['x-ms-copy-source'] !== undefined && headers['x-ms-blob-type'] === undefined;
  return { ...address, change: 'created', api: copied ? 'CopyBlob' : 'PutBlob' };
}
