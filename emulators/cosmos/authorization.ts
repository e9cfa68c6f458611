// Who may ask: the account's key by HMAC, or a bearer token.
// Source: "Access control in the Azure Cosmos DB SQL API", section "Constructing a token".
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { type CosmosRequest, headerOf } from './answer.ts';
import { CosmosRefusal } from './refusal.ts';

/** The published key of Microsoft's own emulator, which every client knows. It protects nothing. */
export const WELL_KNOWN_KEY =
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

const RESOURCE_TYPES: ReadonlySet<string> = new Set([
  'dbs',
  'colls',
  'docs',
  'pkranges',
  'offers',
  'sprocs',
  'triggers',
  'udfs',
  'users',
  'permissions',
  'conflicts',
]);

/**
 * Returns a check that throws 401 when the request is not signed with the key (base64) and carries no bearer token.
 * A bearer token is accepted as it is: who issued it is between the client and the identity provider.
 */
export function authorizationCheck(keyBase64: string): (request: CosmosRequest) => void {
  const key = createSecretKey(Buffer.from(keyBase64, 'base64'));
  return (request) => {
    const { type, signature } = tokenOf(headerOf(request, 'authorization'));
    if (type === 'aad' && signature !== '') return;
    if (type !== 'master') {
      throw new CosmosRefusal(
        401,
        'Required Header authorization is missing. Ensure a valid Authorization token is passed.',
      );
    }
    const given = Buffer.from(signature, 'base64');
    const matches = signedTexts(request).some((text) => {
      const expected = createHmac('sha256', key).update(text).digest();
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    if (matches) return;
    throw new CosmosRefusal(
      401,
      "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
    );
  };
}

/** `type=master&ver=1.0&sig=…`, percent-encoded as a whole. */
function tokenOf(header: string | undefined): { readonly type: string; readonly signature: string } {
  const match = /^type=(?<type>\w+)&ver=1\.0&sig=(?<signature>.*)$/s.exec(decoded(header ?? ''));
  return { type: match?.groups?.['type'] ?? '', signature: match?.groups?.['signature'] ?? '' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}

/** Verb, resource type, resource, date; a resource addressed by id is signed by that id in lower case alone. */
function signedTexts(request: CosmosRequest): string[] {
  const { segments } = request;
  const last = segments.at(-1) ?? '';
  const endsWithType = segments.length % 2 === 1 && RESOURCE_TYPES.has(last);
  const type = endsWithType ? last : (segments.at(-2) ?? '');
  const link = endsWithType ? segments.slice(0, -1) : segments;
  const date = (headerOf(request, 'x-ms-date') ?? headerOf(request, 'date') ?? '').toLowerCase();
  const text = (resource: string) => `${request.method.toLowerCase()}\n${type}\n${resource}\n${date}\n\n`;
  const texts = [text(link.join('/'))];
  const lastId = link.at(-1);
  if (lastId !== undefined && link.length % 2 === 0) texts.push(text(lastId.toLowerCase()));
  return texts;
}
