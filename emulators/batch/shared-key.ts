// "Authentication with shared key", Azure Batch REST documentation.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const SIGNED_HEADERS = [
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

/** True when the request carries the signature its content and this key make. The key is base64. */
export function hasValidSignature(
  account: string,
  key: string,
  request: { method: string; url: URL; headers: IncomingHttpHeaders; bodyBytes: number },
): boolean {
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(stringToSign(account, request), 'utf8')
    .digest('base64');
  const expected = Buffer.from(`SharedKey ${account}:${signature}`);
  const given = Buffer.from(request.headers.authorization ?? '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function stringToSign(
  account: string,
  { method, url, headers, bodyBytes }: Parameters<typeof hasValidSignature>[2],
): string {
  // A length of 0 is signed for POST, which always has a body, and left out otherwise.
  const contentLength = bodyBytes > 0 || method === 'POST' ? String(bodyBytes) : '';
  const fixed = [
    method,
    headers['content-encoding'] ?? '',
    headers['content-language'] ?? '',
    contentLength,
    ...SIGNED_HEADERS.map((name) => String(headers[name] ?? '')),
  ];
  const canonicalizedHeaders = Object.keys(headers)
    .filter((name) => name.startsWith('ocp-'))
    .sort()
    .map((name) => `${name}:${String(headers[name]).trim()}\n`)
    .join('');
  const canonicalizedParameters = [...url.searchParams]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `\n${name}:${value}`)
    .join('');
  return `${fixed.join('\n')}\n${canonicalizedHeaders}/${account}${url.pathname}${canonicalizedParameters}`;
}
