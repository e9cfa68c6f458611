// Partition keys: from paths and documents to the text under which a partition is stored.
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { badRequest } from './refusal.ts';

/** One step per property: `/a/"b c"` is `['a', 'b c']`. */
export type PropertyPath = readonly string[];

export function propertyPathOf(path: string): PropertyPath {
  const steps = path.match(/"(?:[^"\\]|\\.)*"|[^/]+/g) ?? [];
  return steps.map((step) => (step.startsWith('"') ? (JSON.parse(step) as string) : step));
}

/** The value at a path, undefined when there is none. */
export function valueAt(document: JsonObject, path: PropertyPath): Json | undefined {
  let value: Json | undefined = document;
  for (const step of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}

/**
 * The partition key of a document as canonical text, like `["t1"]`; an absent value is written `{}`, as in the
 * request header.
 */
export function partitionKeyOfDocument(document: JsonObject, paths: readonly PropertyPath[]): string {
  return partitionKeyText(paths.map((path) => valueAt(document, path)));
}

export function partitionKeyText(values: readonly (Json | undefined)[]): string {
  const text = JSON.stringify(values.map((value) => (value === undefined ? {} : value)));
  if (Buffer.byteLength(text) > 2048 + values.length * 3 + 2) {
    throw badRequest('The partition key is longer than 2048 bytes.');
  }
  return text;
}

/** The canonical text of `x-ms-documentdb-partitionkey`. Throws 400 when it is not a JSON array. */
export function partitionKeyOfHeader(header: string): string {
  let values: unknown;
  try {
    values = JSON.parse(header);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (!Array.isArray(values)) {
    throw badRequest(`The partition key header is not a JSON array: ${header.slice(0, 200)}`);
  }
  return partitionKeyText(values as Json[]);
}

/** How many values a canonical partition key text holds. */
export function partitionKeyLength(text: string): number {
  return (JSON.parse(text) as unknown[]).length;
}

/** The half-open range of texts of all full keys that begin with this prefix of a hierarchical key. */
export function partitionKeyRange(prefix: string): { readonly from: string; readonly below: string } {
  const open = prefix.slice(0, -1);
  return { from: `${open},`, below: `${open},\u{10FFFF}` };
}
