import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { RetryableFailure } from '#domain/failures.ts';
import { assertLoopback, identityCredential } from '../credentials.ts';

/** The namespace with the managed identity, or the emulator of this machine with its connection string. */
export type ServiceBusAccess =
  | {
      readonly auth: 'managed-identity';
      readonly clientId?: string;
      /** `<namespace>.servicebus.windows.net` */
      readonly fullyQualifiedNamespace: string;
    }
  | {
      readonly auth: 'emulator-key';
      readonly connectionString: string;
      /** `http://127.0.0.1:<port>`; without it counts cannot be asked for. */
      readonly adminEndpoint?: string;
    };

/**
 * A send or settlement under way does not notice a lost connection: it waits for `timeoutInMs`, by default a minute,
 * then 30 s more. A lock lasts one to five minutes, so both are shortened.
 */
export const REQUEST_TIMEOUT_MS = 10_000;
const RETRIES = { maxRetries: 2, retryDelayInMs: 500, maxRetryDelayInMs: 5_000 };

export function connectServiceBus(
  access: ServiceBusAccess,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
): ServiceBusClient {
  const retryOptions = { ...RETRIES, timeoutInMs: requestTimeoutMs };
  if (access.auth === 'managed-identity') {
    return new ServiceBusClient(access.fullyQualifiedNamespace, identityCredential(access), {
      retryOptions,
    });
  }
  assertLoopback(`http://${hostOf(access.connectionString)}`);
  return new ServiceBusClient(access.connectionString, { retryOptions });
}

export function connectAdministration(access: ServiceBusAccess): ServiceBusAdministrationClient {
  if (access.auth === 'managed-identity') {
    return new ServiceBusAdministrationClient(access.fullyQualifiedNamespace, identityCredential(access));
  }
  if (access.adminEndpoint === undefined) {
    throw new Error(
      'The administration endpoint of the local Service Bus is not set; counts come from there.',
    );
  }
  assertLoopback(access.adminEndpoint);
  const { host } = new URL(access.adminEndpoint);
  const connectionString = access.connectionString.replace(hostOf(access.connectionString), host);
  const administration = new ServiceBusAdministrationClient(connectionString);
  // The client always writes https into its addresses; the emulator's port speaks http.
  administration.pipeline.addPolicy({
    name: 'plainHttpOnLoopback',
    sendRequest(request, next) {
      request.url = request.url.replace(/^https:/, 'http:');
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  return administration;
}

function hostOf(connectionString: string): string {
  return /Endpoint=sb:\/\/([^;/]+)/i.exec(connectionString)?.[1] ?? '';
}

/**
 * Whatever Service Bus clients throw, as a failure that may pass: besides ServiceBusError these are plain errors of
 * the socket, and AggregateErrors whose codes are only in their parts.
 */
export function serviceBusFailure(error: unknown, what: string): RetryableFailure {
  const parts = error instanceof AggregateError ? error.errors : [error];
  const sentences = parts.map((part: unknown) => {
    const { code, message } = part as { readonly code?: string; readonly message?: string };
    return [code, message].filter((text) => text !== undefined && text !== '').join(': ');
  });
  return new RetryableFailure('dependency-unavailable', `${what}: ${[...new Set(sentences)].join('; ')}`, {
    cause: error,
  });
}
