import type { RequestPolicyFactory } from '@azure/storage-blob';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import { timedCall } from '../timed-call.ts';

/** Says every request to a storage account, each try of it. */
export function blobCalls(calls: ServiceCalls, account: string, endpoint: string): RequestPolicyFactory {
  const rootSegments = new URL(endpoint).pathname.split('/').filter((segment) => segment !== '').length;
  return {
    create: (next) => ({
      sendRequest: (request) => {
        const url = new URL(request.url);
        const hasSource = request.headers.get('x-ms-copy-source') !== undefined;
        const container = url.pathname.split('/')[rootSegments + 1];
        const isBlob = url.pathname.split('/').length > rootSegments + 2;
        return timedCall(
          calls,
          {
            service: 'Blob Storage',
            operation: operationOf(request.method, url.searchParams, { isBlob, hasSource }),
            target: container === undefined || container === '' ? account : `${account}/${container}`,
          },
          () => next.sendRequest(request),
          ({ status }) => ({ statusCode: status }),
        );
      },
    }),
  };
}

/** Operations that a parameter `comp` names (Blob service REST API, "Operations on blobs"), by method and comp. */
const OPERATIONS: Readonly<Record<string, string>> = {
  'PUT block': 'PutBlock',
  'PUT blocklist': 'PutBlockList',
  'GET blocklist': 'GetBlockList',
  'PUT tier': 'SetBlobTier',
  'PUT metadata': 'SetBlobMetadata',
  'PUT properties': 'SetBlobProperties',
  'PUT copy': 'AbortCopyBlob',
  'PUT lease': 'LeaseBlob',
  'PUT appendblock': 'AppendBlock',
  'GET list': 'ListBlobs',
  'POST userdelegationkey': 'GetUserDelegationKey',
};

const PLAIN: Readonly<Record<string, readonly [ofBlob: string, ofContainer: string]>> = {
  GET: ['GetBlob', 'GetContainerProperties'],
  HEAD: ['GetBlobProperties', 'GetContainerProperties'],
  PUT: ['PutBlob', 'CreateContainer'],
  DELETE: ['DeleteBlob', 'DeleteContainer'],
};

function operationOf(
  method: string,
  parameters: URLSearchParams,
  { isBlob, hasSource }: { readonly isBlob: boolean; readonly hasSource: boolean },
): string {
  const comp = parameters.get('comp');
  const name =
    comp === null
      ? PLAIN[method]?.[isBlob ? 0 : 1]
      : (OPERATIONS[`${method} ${comp}`] ?? `${method} ${comp}`);
  if (hasSource && comp === 'block') return 'PutBlockFromURL';
  if (hasSource && comp === null) return 'CopyBlob';
  return name ?? method;
}
