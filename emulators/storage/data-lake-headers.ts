// Headers and names on their way between the dfs endpoint, which clients speak here, and the blob endpoint, which
// Azurite speaks.
import type { IncomingMessage } from 'node:http';
import type { AzuriteAnswer } from './azurite-client.ts';

/** What of an answer of the blob endpoint the dfs endpoint answers too. */
export function passedHeaders(answer: AzuriteAnswer | undefined): Record<string, string> {
  const names = ['etag', 'last-modified', 'x-ms-request-id', 'x-ms-version', 'date'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = answer?.headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** `x-ms-content-type` and its like, as the blob endpoint names them. */
export function contentHeaders(request: IncomingMessage): Record<string, string> {
  const names = [
    'content-type',
    'content-encoding',
    'content-language',
    'content-disposition',
    'cache-control',
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = request.headers[`x-ms-${name}`];
      return value === undefined ? [] : [[`x-ms-blob-${name}`, String(value)]];
    }),
  );
}

/** The conditions of a request, which both endpoints name alike. */
export function conditions(request: IncomingMessage): Record<string, string> {
  const names = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = request.headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** `x-ms-properties: name=base64,name=base64` is the dfs endpoint's way to give metadata. */
export function propertiesAsMetadata(request: IncomingMessage): Record<string, string> {
  const properties = String(request.headers['x-ms-properties'] ?? '');
  return Object.fromEntries(
    properties
      .split(',')
      .filter((property) => property.includes('='))
      .map((property) => {
        const [name = ''] = property.split('=', 1);
        return [
          `x-ms-meta-${name.trim()}`,
          Buffer.from(property.slice(name.length + 1), 'base64').toString(),
        ];
      }),
  );
}

/** The metadata of a blob, to be written again with its new block list. */
export function metadataOf(answer: AzuriteAnswer): Record<string, string> {
  return Object.fromEntries(
    Object.entries(answer.headers).filter(
      (header): header is [string, string] => header[0].startsWith('x-ms-meta-') && header[1] !== undefined,
    ),
  );
}

/** A path with each part encoded for an address. */
export function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The text that an escaped text in XML stands for. */
export function xmlText(escaped: string): string {
  return escaped
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}
