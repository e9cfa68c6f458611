import { BatchServiceClient, BatchSharedKeyCredentials } from '@azure/batch';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import { type Access, assertHttps, assertLoopback, identityCredential } from '../credentials.ts';
import { timedCall } from '../timed-call.ts';

type ClientOptions = NonNullable<ConstructorParameters<typeof BatchServiceClient>[2]>;
type RequestPolicyFactory = Extract<ClientOptions['requestPolicyFactories'], readonly unknown[]>[number];

export interface BatchSettings {
  /** `https://<account>.<region>.batch.azure.com`, or the emulator's address. */
  readonly endpoint: string;
  readonly account: string;
  readonly access: Access;
  /** Told of every request. */
  readonly calls?: ServiceCalls;
}

/** The double slash belongs to it: the resource is `https://batch.core.windows.net/`. */
const SCOPE = 'https://batch.core.windows.net//.default';

/** The client's own retries wait 30 s and more between tries, with the message in hand. */
const OPTIONS: ClientOptions = { noRetryPolicy: true };

function optionsOf(account: string, calls: ServiceCalls | undefined): ClientOptions {
  if (calls === undefined) return OPTIONS;
  const told: RequestPolicyFactory = {
    create: (next) => ({
      sendRequest: (request) =>
        timedCall(
          calls,
          { service: 'Batch', operation: operationOf(request.method, request.url), target: account },
          () => next.sendRequest(request),
          ({ status }) => ({ statusCode: status }),
        ),
    }),
  };
  return { ...OPTIONS, requestPolicyFactories: (usual) => [told, ...usual] };
}

/** `GET jobs/tasks`: the method and the kinds of the address, without the ids between them. */
function operationOf(method: string, url: string): string {
  const segments = new URL(url).pathname.split('/').slice(1);
  return `${method} ${segments.filter((_, index) => index % 2 === 0).join('/')}`;
}

/**
 * The client of @azure/batch 10.2.0. With a token credential it would ask for a token of another service (Resource
 * Manager), so requests are signed here.
 */
export function connectBatch({ endpoint, account, access, calls }: BatchSettings): BatchServiceClient {
  if (access.auth === 'emulator-key') {
    assertLoopback(endpoint);
    const key = new BatchSharedKeyCredentials(account, access.key);
    return new BatchServiceClient(key, endpoint, optionsOf(account, calls));
  }
  assertHttps(endpoint);
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
    optionsOf(account, calls),
  );
}
