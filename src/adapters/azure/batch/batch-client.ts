import { BatchServiceClient, BatchSharedKeyCredentials } from '@azure/batch';
import { type Access, assertLoopback, identityCredential } from '../credentials.ts';

export interface BatchSettings {
  /** `https://<account>.<region>.batch.azure.com`, or the emulator's address. */
  readonly endpoint: string;
  readonly account: string;
  readonly access: Access;
}

/** The double slash belongs to it: the resource is `https://batch.core.windows.net/`. */
const SCOPE = 'https://batch.core.windows.net//.default';

/** The client's own retries wait 30 s and more between tries, with the message in hand. */
const OPTIONS = { noRetryPolicy: true };

/**
 * The client of @azure/batch 10.2.0. With a token credential it would ask for a token of another service (Resource
 * Manager), so requests are signed here.
 */
export function connectBatch({ endpoint, account, access }: BatchSettings): BatchServiceClient {
  if (access.auth === 'emulator-key') {
    assertLoopback(endpoint);
    return new BatchServiceClient(new BatchSharedKeyCredentials(account, access.key), endpoint, OPTIONS);
  }
  if (!endpoint.startsWith('https:')) {
    throw new Error(`${endpoint} is not https; a token sent there could be read on the way.`);
  }
  const credential = identityCredential(access);
  return new BatchServiceClient(
    {
      async signRequest(request) {
        const { token } = await credential.getToken(SCOPE);
        request.headers.set('authorization', `Bearer ${token}`);
        return request;
      },
    },
    endpoint,
    OPTIONS,
  );
}
