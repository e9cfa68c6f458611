import { BatchServiceClient, BatchSharedKeyCredentials } from '@azure/batch';
import { type Access, assertLoopback, identityCredential } from '../credentials.ts';

export interface BatchSettings {
  readonly endpoint: string;
  readonly account: string;
  readonly access: Access;
}

/** The scope of Batch's data plane; the double slash is right (Azure Batch, "Authenticate Azure Batch services"). */
const BATCH_SCOPE = 'https://batch.core.windows.net//.default';

interface SignedRequest {
  readonly headers: { set(name: string, value: string): void };
}

/**
 * Given a TokenCredential, version 10 of the client asks for a token of the management plane, which Batch refuses;
 * so requests are signed here.
 */
export function connectBatch({ endpoint, account, access }: BatchSettings): BatchServiceClient {
  if (access.auth === 'emulator-key') {
    assertLoopback(endpoint);
    return new BatchServiceClient(new BatchSharedKeyCredentials(account, access.key), endpoint);
  }
  const credential = identityCredential(access);
  const signer = {
    async signRequest<T extends SignedRequest>(request: T): Promise<T> {
      const { token } = await credential.getToken(BATCH_SCOPE);
      request.headers.set('authorization', `Bearer ${token}`);
      return request;
    },
  };
  return new BatchServiceClient(signer as never, endpoint);
}
