/**
 * Tokens of Microsoft Entra ID, as clients put them on `$cbs` with the type `jwt` and send them as `Bearer` ("Authenticate
 * a managed identity with Microsoft Entra ID to access Azure Service Bus resources"). Claims are read; who signed the
 * token is between the client and the identity provider.
 */
import type { TokenVerdict } from './shared-access-signature.ts';

const AUDIENCE = /^https:\/\/servicebus\.azure\.net\/?$/;

/** A token that is for Service Bus and has not expired opens the whole namespace. `now` in ms since 1970. */
export function checkEntraToken(token: string, now: number): TokenVerdict {
  const claims = claimsOf(token);
  if (claims === undefined) return { fault: 'MalformedToken: The token is not a JSON web token.' };
  const { aud, exp } = claims;
  if (typeof aud !== 'string' || !AUDIENCE.test(aud))
    return {
      fault: `InvalidAudience: The token is for ${String(aud)}, not for https://servicebus.azure.net.`,
    };
  const expiresAt = Number(exp) * 1000;
  if (!(expiresAt > now))
    return { fault: `ExpiredToken: The token expired at ${String(exp)} (seconds since 1970).` };
  return { resourcePath: '', expiresAt };
}

function claimsOf(token: string): { readonly aud?: unknown; readonly exp?: unknown } | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? claims : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
