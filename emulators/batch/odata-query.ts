// The part of OData that lists of the Batch REST API understand: $filter, $select, maxresults and pages.
// "Create queries to list Batch resources efficiently", Azure Batch documentation.
import { BatchError } from './batch-error.ts';

type Predicate = (document: object) => boolean;

const PAGE_SIZE_MAX = 1_000;

export interface Page {
  readonly value: object[];
  readonly nextLink: string | undefined;
}

/** One page of the documents a list request asks for. `url` is the request's, under the address clients use. */
export function listPage(documents: readonly object[], url: URL): Page {
  const filter = url.searchParams.get('$filter');
  const keep = filter === null ? () => true : parseFilter(filter);
  const select = url.searchParams
    .get('$select')
    ?.split(',')
    .map((field) => field.trim());
  const pageSize = Math.min(Number(url.searchParams.get('maxresults') ?? PAGE_SIZE_MAX), PAGE_SIZE_MAX);
  if (!Number.isInteger(pageSize) || pageSize < 1)
    throw new BatchError(400, 'InvalidQueryParameterValue', 'maxresults must be a number from 1 to 1000.');
  const start = Number(url.searchParams.get('$skiptoken') ?? 0);
  const value: object[] = [];
  let at = start;
  for (; at < documents.length && value.length < pageSize; at += 1) {
    const document = documents[at];
    if (document !== undefined && keep(document)) value.push(select ? selected(document, select) : document);
  }
  // A page may be followed by an empty one, as the documentation allows.
  if (at >= documents.length) return { value, nextLink: undefined };
  const next = new URL(url);
  next.searchParams.set('$skiptoken', String(at));
  return { value, nextLink: next.href };
}

function selected(document: object, fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(document).filter(([name]) => fields.includes(name)));
}

const TOKEN = /\s*(?:(\(|\)|,)|(?:DateTime|datetime)?'((?:[^']|'')*)'|([A-Za-z_][\w/]*)|(-?\d+(?:\.\d+)?))/y;

interface Token {
  readonly kind: 'sign' | 'text' | 'name' | 'number';
  readonly value: string;
}

/** Parses `startswith(id,'a-') and (state eq 'completed' or executionInfo/exitCode ne 0)`. Throws `BatchError`. */
export function parseFilter(filter: string): Predicate {
  const tokens = tokensOf(filter);
  let at = 0;
  const invalid = (): BatchError =>
    new BatchError(400, 'InvalidQueryParameterValue', `The $filter cannot be understood: ${filter}`);
  const take = (kind: Token['kind'], value?: string): string => {
    const token = tokens[at];
    if (token?.kind !== kind || (value !== undefined && token.value !== value)) throw invalid();
    at += 1;
    return token.value;
  };
  const isName = (value: string): boolean => tokens[at]?.kind === 'name' && tokens[at]?.value === value;

  const either = (): Predicate => {
    let left = both();
    while (isName('or')) {
      at += 1;
      const [first, second] = [left, both()];
      left = (document) => first(document) || second(document);
    }
    return left;
  };
  const both = (): Predicate => {
    let left = one();
    while (isName('and')) {
      at += 1;
      const [first, second] = [left, one()];
      left = (document) => first(document) && second(document);
    }
    return left;
  };
  const one = (): Predicate => {
    if (tokens[at]?.value === '(') {
      at += 1;
      const inner = either();
      take('sign', ')');
      return inner;
    }
    const name = take('name');
    if (name === 'startswith') {
      take('sign', '(');
      const field = take('name');
      take('sign', ',');
      const prefix = take('text');
      take('sign', ')');
      return (document) => String(valueAt(document, field) ?? '').startsWith(prefix);
    }
    return comparison(name, take('name'), operand());
  };
  const operand = (): string | number | boolean | undefined => {
    const token = tokens[at];
    at += 1;
    if (token?.kind === 'text') return token.value;
    if (token?.kind === 'number') return Number(token.value);
    if (token?.value === 'true' || token?.value === 'false') return token.value === 'true';
    if (token?.value === 'null') return undefined;
    throw invalid();
  };
  const comparison = (
    field: string,
    operator: string,
    wanted: string | number | boolean | undefined,
  ): Predicate => {
    const compare = COMPARISONS[operator];
    if (compare === undefined) throw invalid();
    return (document) => compare(valueAt(document, field), wanted);
  };

  const predicate = either();
  if (at < tokens.length) throw invalid();
  return predicate;
}

type Scalar = string | number | boolean | undefined;

const COMPARISONS: Record<string, (value: unknown, wanted: Scalar) => boolean> = {
  eq: (value, wanted) => value === wanted,
  ne: (value, wanted) => value !== wanted,
  // Times are ISO 8601 in UTC, which sort as text.
  gt: (value, wanted) => value !== undefined && wanted !== undefined && (value as Scalar)! > wanted,
  ge: (value, wanted) => value !== undefined && wanted !== undefined && (value as Scalar)! >= wanted,
  lt: (value, wanted) => value !== undefined && wanted !== undefined && (value as Scalar)! < wanted,
  le: (value, wanted) => value !== undefined && wanted !== undefined && (value as Scalar)! <= wanted,
};

function tokensOf(filter: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < filter.trimEnd().length) {
    const match = TOKEN.exec(filter);
    if (match === null)
      throw new BatchError(400, 'InvalidQueryParameterValue', `The $filter cannot be understood: ${filter}`);
    const [, sign, text, name, number] = match;
    if (sign !== undefined) tokens.push({ kind: 'sign', value: sign });
    else if (text !== undefined) tokens.push({ kind: 'text', value: text.replaceAll("''", "'") });
    else if (name !== undefined) tokens.push({ kind: 'name', value: name });
    else tokens.push({ kind: 'number', value: number ?? '' });
  }
  return tokens;
}

function valueAt(document: object, path: string): unknown {
  let value: unknown = document;
  for (const part of path.split('/')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
