// Recognises requests of the Data Lake Storage Gen2 REST API (the dfs endpoint). Locally both endpoints share one
// address, so a request is known by what only it has: `resource`, `action`, `recursive`, or a rename source. Plain
// reads (GET, HEAD) and a DELETE without `recursive` mean the same on both endpoints and stay blob requests.
import type { IncomingHttpHeaders } from 'node:http';
import { type BlobAddress, blobAddress } from './blob-operation.ts';

export type DataLakeOperation =
  | { readonly kind: 'create-filesystem'; readonly account: string; readonly path: string }
  | { readonly kind: 'create'; readonly address: BlobAddress; readonly resource: 'file' | 'directory' }
  | {
      readonly kind: 'append';
      readonly address: BlobAddress;
      readonly position: number;
      /** Commit what was appended at once (`flush=true`). */
      readonly flush: boolean;
      readonly close: boolean;
    }
  | {
      readonly kind: 'flush';
      readonly address: BlobAddress;
      readonly position: number;
      readonly close: boolean;
    }
  | { readonly kind: 'rename'; readonly address: BlobAddress; readonly source: BlobAddress }
  | { readonly kind: 'delete'; readonly address: BlobAddress; readonly recursive: boolean }
  | { readonly kind: 'invalid'; readonly account: string; readonly message: string };

/** The data lake operation a request asks for; undefined when it is a request to the blob endpoint. */
export function dataLakeOperation(
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
): DataLakeOperation | undefined {
  const parameters = new URL(target, 'http://127.0.0.1').searchParams;
  const path = target.split('?')[0] ?? '';
  const account = decodeURIComponent(path.split('/')[1] ?? '');
  const resource = parameters.get('resource');
  if (method === 'PUT' && resource === 'filesystem') return { kind: 'create-filesystem', account, path };
  const address = blobAddress(path.replace(/\/+$/, ''));
  if (address === undefined) return undefined;
  const renameSource = headers['x-ms-rename-source'];
  if (method === 'PUT' && renameSource !== undefined) {
    const source = blobAddress(`/${account}/${String(renameSource).replace(/^\/+/, '')}`);
    if (source === undefined)
      return { kind: 'invalid', account, message: `x-ms-rename-source names no path: ${renameSource}` };
    return { kind: 'rename', address, source };
  }
  if (method === 'PUT' && (resource === 'file' || resource === 'directory'))
    return { kind: 'create', address, resource };
  if (method === 'PATCH') return patchOperation(address, parameters);
  if (method === 'DELETE' && parameters.has('recursive'))
    return { kind: 'delete', address, recursive: parameters.get('recursive') === 'true' };
  return undefined;
}

function patchOperation(address: BlobAddress, parameters: URLSearchParams): DataLakeOperation {
  const action = parameters.get('action');
  const position = Number(parameters.get('position') ?? Number.NaN);
  const { account } = address;
  if (action !== 'append' && action !== 'flush')
    return { kind: 'invalid', account, message: `The action ${action} is neither append nor flush.` };
  if (!Number.isSafeInteger(position) || position < 0)
    return { kind: 'invalid', account, message: 'The query parameter position must be a length in bytes.' };
  const close = parameters.get('close') === 'true';
  if (action === 'flush') return { kind: 'flush', address, position, close };
  return { kind: 'append', address, position, flush: parameters.get('flush') === 'true', close };
}

const BLOCK_NAME_DIGITS = 20;

/** Appended content waits as a block that is named by its position in the file. */
export function appendedBlockName(position: number): string {
  return Buffer.from(String(position).padStart(BLOCK_NAME_DIGITS, '0')).toString('base64');
}

export interface Block {
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * The block list that a flush to `position` commits, or undefined when what was appended does not reach from the end
 * of the committed content to exactly that position.
 */
export function flushedBlockList(
  committed: readonly Block[],
  appended: readonly Block[],
  position: number,
): { committed: readonly Block[]; appended: readonly Block[] } | undefined {
  const byPosition = new Map(appended.map((block) => [Number(Buffer.from(block.name, 'base64')), block]));
  const flushed: Block[] = [];
  let end = committed.reduce((sum, block) => sum + block.sizeBytes, 0);
  while (end < position) {
    const next = byPosition.get(end);
    if (next === undefined || next.sizeBytes === 0) return undefined;
    flushed.push(next);
    end += next.sizeBytes;
  }
  return end === position ? { committed, appended: flushed } : undefined;
}
