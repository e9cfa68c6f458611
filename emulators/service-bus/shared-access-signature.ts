/**
 * Shared access signatures of Service Bus ("Service Bus access control with Shared Access Signatures"):
 * `SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>&skn=<key name>`, where the signature is
 * base64(HMAC-SHA256(key, sr + "\n" + se)) over the resource as it is encoded in the token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface AccessKey {
  readonly name: string;
  readonly value: string;
}

/** What a valid token opens, or why a token is none. */
export type TokenVerdict =
  | { readonly resourcePath: string; readonly expiresAt: number }
  | { readonly fault: string };

export function checkToken(token: string, key: AccessKey, now: number): TokenVerdict {
  const prefix = 'SharedAccessSignature ';
  if (!token.startsWith(prefix))
    return { fault: 'MalformedToken: The token is not a SharedAccessSignature.' };
  const fields = new Map(
    token
      .slice(prefix.length)
      .split('&')
      .map((field) => [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)]),
  );
  const { sr, sig, se, skn } = Object.fromEntries(fields);
  if (sr === undefined || sig === undefined || se === undefined || skn === undefined) {
    return { fault: 'MalformedToken: The token lacks one of sr, sig, se and skn.' };
  }
  const expected = createHmac('sha256', key.value).update(`${sr}\n${se}`).digest();
  const given = Buffer.from(decodeUri(sig), 'base64');
  const isSigned = given.length === expected.length && timingSafeEqual(given, expected);
  if (decodeUri(skn) !== key.name || !isSigned) {
    return { fault: 'InvalidSignature: The token has an invalid signature. Check the key name and key.' };
  }
  const expiresAt = Number(se) * 1000;
  if (!(expiresAt > now)) return { fault: `ExpiredToken: The token expired at ${se} (seconds since 1970).` };
  return { resourcePath: pathOf(decodeUri(sr)), expiresAt };
}

/** The path of `sb://host:port/path/`, lower-case, without slashes at its ends. */
export function pathOf(address: string): string {
  return address
    .replace(/^[a-z]+:\/\/[^/]*/i, '')
    .replace(/^\/+|\/+$/g, '')
    .toLowerCase();
}

/** A token for `queue` also opens `queue/$management`, and one for the namespace opens everything. */
export function covers(grantedPath: string, path: string): boolean {
  return grantedPath === '' || path === grantedPath || path.startsWith(`${grantedPath}/`);
}

function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}
