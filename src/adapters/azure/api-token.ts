import { RetryableFailure } from '#domain/failures.ts';
import { type IdentityAccess, identityCredential } from './credentials.ts';

/**
 * Access tokens of the managed identity for the registration `apiClientId`; kept until they are about to expire.
 * @throws {RetryableFailure} `dependency-unavailable` when the identity gets none. Nothing else is tried instead.
 */
export function apiTokens(access: IdentityAccess, apiClientId: string): () => Promise<string> {
  const credential = identityCredential(access);
  return async () => {
    try {
      return (await credential.getToken(`${apiClientId}/.default`)).token;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new RetryableFailure(
        'dependency-unavailable',
        `the managed identity gets no token for the metadata API (${apiClientId}): ${error.message}`,
        { cause: error },
      );
    }
  };
}
