// The Shared Key authorization of Azure Storage, for emulators that call the blob endpoint with an account key or
// check who calls them. "Authorize with Shared Key", Storage services REST documentation, versions 2009-09-19 on.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What of a request the signature covers. Header names in lower case. */
export interface SignedRequest {
  readonly method: string;
  /** The path and query as they go over the wire, including `/<account>` in path style. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
];

/** The value of the `authorization` header. The key is base64 as the portal shows it. */
export function sharedKeyAuthorization(account: string, key: string, request: SignedRequest): string {
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(stringToSign(account, request), 'utf8')
    .digest('base64');
  return `SharedKey ${account}:${signature}`;
}

/** True when the request carries the signature its content and this key make. */
export function hasValidSharedKey(account: string, key: string, request: SignedRequest): boolean {
  const given = Buffer.from(text(request.headers['authorization']));
  const expected = Buffer.from(sharedKeyAuthorization(account, key, request));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function stringToSign(account: string, request: SignedRequest): string {
  const fixed = SIGNED_HEADERS.map((name) => {
    const value = text(request.headers[name]);
    return name === 'content-length' && value === '0' ? '' : value;
  });
  if (request.headers['x-ms-date'] !== undefined) fixed[SIGNED_HEADERS.indexOf('date')] = '';
  const canonicalizedHeaders = Object.keys(request.headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${text(request.headers[name]).trim()}\n`)
    .join('');
  const url = new URL(request.target, 'http://127.0.0.1');
  const parameters = new Map<string, string[]>();
  for (const [name, value] of url.searchParams) {
    const values = parameters.get(name.toLowerCase()) ?? [];
    parameters.set(name.toLowerCase(), [...values, value]);
  }
  const canonicalizedResource = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => `\n${name}:${values.sort().join(',')}`)
    .join('');
  const path = request.target.split('?')[0] ?? '/';
  return `${[request.method, ...fixed].join('\n')}\n${canonicalizedHeaders}/${account}${path}${canonicalizedResource}`;
}

function text(value: string | readonly string[] | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : value.join(',');
}
