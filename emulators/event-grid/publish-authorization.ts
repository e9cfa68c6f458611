// Who may publish to a topic. "Authenticate publishing clients using access keys or shared access signatures".
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Why a request may not publish, or undefined when it may: by the topic's key, by an unexpired signature made with it,
 * or by a bearer token, which is taken as it is. `target` is the request's path and query; `now` is compared with `e`.
 */
export function publishRefusal(
  headers: IncomingHttpHeaders,
  topicKey: string,
  target: string,
  now: Date,
): string | undefined {
  const key = headers['aeg-sas-key'];
  if (typeof key === 'string')
    return equal(key, topicKey) ? undefined : 'The aeg-sas-key is not a key of this topic.';
  const authorization = headers.authorization ?? '';
  if (authorization.startsWith('Bearer ')) return undefined;
  const token = headers['aeg-sas-token'] ?? authorization.replace(/^SharedAccessSignature /, '');
  if (typeof token !== 'string' || token === '')
    return 'The request carries neither an aeg-sas-key, an aeg-sas-token nor a bearer token.';
  return tokenRefusal(token, topicKey, target, now);
}

function tokenRefusal(token: string, topicKey: string, target: string, now: Date): string | undefined {
  // The signature is made over the text as it was sent, so it must not be decoded and encoded again.
  const end = token.lastIndexOf('&s=');
  if (end < 0) return 'The signature has no part s.';
  const signed = token.slice(0, end);
  const expected = createHmac('sha256', Buffer.from(topicKey, 'base64')).update(signed).digest('base64');
  if (!equal(decodeURIComponent(token.slice(end + 3)), expected))
    return 'The signature was not made with a key of this topic.';
  const parts = new URLSearchParams(signed);
  const resource = URL.parse(parts.get('r') ?? '');
  const path = target.split('?')[0] ?? '';
  if (resource === null || !path.toLowerCase().startsWith(resource.pathname.toLowerCase()))
    return 'The signature is for another resource.';
  const expiresAtMs = utcMilliseconds(parts.get('e') ?? '');
  if (Number.isNaN(expiresAtMs)) return 'The expiry e of the signature is not a time.';
  return expiresAtMs > now.getTime() ? undefined : 'The signature has expired.';
}

/** `11/22/2026 10:18:58 AM`, with or without an offset; without one it is UTC. */
function utcMilliseconds(text: string): number {
  return Date.parse(/([+-]\d\d:?\d\d|Z|GMT|UTC)$/.test(text) ? text : `${text} UTC`);
}

function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
