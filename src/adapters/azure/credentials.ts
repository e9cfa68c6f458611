import { ManagedIdentityCredential } from '@azure/identity';

/**
 * How a service is reached: with the managed identity, or, on this machine only, with an emulator's key. One never
 * stands in for the other: a missing key is an error, not a reason to try the identity.
 */
export type Access = IdentityAccess | KeyAccess;

export interface IdentityAccess {
  readonly auth: 'managed-identity';
  /** Client id of a user-assigned identity; absent = the system-assigned one. */
  readonly clientId?: string;
}

export interface KeyAccess {
  readonly auth: 'emulator-key';
  readonly key: string;
}

/** The access that settings describe. @throws {Error} when an emulator's key is promised but absent. */
export function accessOf(settings: {
  readonly auth: Access['auth'];
  readonly clientId?: string;
  readonly key?: string;
}): Access {
  if (settings.auth === 'managed-identity') {
    return settings.clientId === undefined
      ? { auth: 'managed-identity' }
      : { auth: 'managed-identity', clientId: settings.clientId };
  }
  if (settings.key === undefined || settings.key === '') {
    throw new Error(
      'A service of the local stack is configured without its key; set the key beside its endpoint.',
    );
  }
  return { auth: 'emulator-key', key: settings.key };
}

/** Keys open the local stack only. @throws {Error} naming the host. */
export function assertLoopback(endpoint: string): void {
  const { hostname } = new URL(endpoint);
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    throw new Error(
      `${hostname} is not this machine, and a key is given for it. Remove the key: outside the local stack the managed identity is used.`,
    );
  }
}

/** Who reads a token on its way is let in with it. @throws {Error} naming the endpoint. */
export function assertHttps(endpoint: string): void {
  if (new URL(endpoint).protocol !== 'https:')
    throw new Error(`${endpoint} is not https; a token sent there could be read on the way.`);
}

const CREDENTIALS = new Map<string, ManagedIdentityCredential>();

/** One credential per identity and process, so that its tokens are shared. */
export function identityCredential(access: IdentityAccess): ManagedIdentityCredential {
  const clientId = access.clientId ?? '';
  const known = CREDENTIALS.get(clientId);
  if (known !== undefined) return known;
  const credential =
    access.clientId === undefined
      ? new ManagedIdentityCredential()
      : new ManagedIdentityCredential({ clientId: access.clientId });
  CREDENTIALS.set(clientId, credential);
  return credential;
}
