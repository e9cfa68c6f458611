// Query text to tokens. Grammar: sql.g4 of the public Azure/azure-cosmos-dotnet-v3 repository, and what the
// service's own planner accepts and refuses.
import { QueryRefusal } from './refusal.ts';
import type { Span } from './syntax.ts';

export type Token = { readonly span: Span; readonly text: string } & (
  | { readonly kind: 'keyword'; readonly word: string }
  | { readonly kind: 'identifier' | 'parameter' | 'symbol' | 'end' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
);

/** Reserved in any case: they cannot be property names after a dot, nor aliases; write `c["order"]`. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FROM GROUP IN JOIN LIKE LIMIT NOT ' +
    'OFFSET OR ORDER SELECT TOP UDF VALUE WHERE'
  ).split(' '),
);

/** Reserved in lower case only, as in JSON. */
const LITERAL_KEYWORDS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'undefined']);

const TOKEN =
  /\s+|--[^\n]*|(?<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<parameter>@[A-Za-z_]\w*)|(?<word>[A-Za-z_]\w*)|(?<symbol>\?\?|\|\||<=|>=|!=|<>|[=<>+\-*/%().,[\]{}:?&|^~])/suy;

/** Throws QueryRefusal SC1010 for a character or literal that begins no token. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.length) {
    const start = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) {
      const near = text.slice(start, start + 1);
      throw new QueryRefusal('SC1010', `Syntax error, invalid token '${near}'.`, { start, end: text.length });
    }
    const token = tokenOf(match, { start, end: pattern.lastIndex });
    if (token !== undefined) tokens.push(token);
  }
  tokens.push({ kind: 'end', text: '', span: { start: text.length, end: text.length } });
  return tokens;
}

function tokenOf(match: RegExpExecArray, span: Span): Token | undefined {
  const text = match[0];
  const groups = match.groups ?? {};
  if (groups['number'] !== undefined) return { kind: 'number', text, span, value: Number(text) };
  if (groups['string'] !== undefined) return { kind: 'string', text, span, value: unquoted(text, span) };
  if (groups['parameter'] !== undefined) return { kind: 'parameter', text, span };
  if (groups['symbol'] !== undefined) return { kind: 'symbol', text, span };
  if (groups['word'] === undefined) return undefined;
  const word = text.toUpperCase();
  if (KEYWORDS.has(word)) return { kind: 'keyword', text, span, word };
  if (LITERAL_KEYWORDS.has(text)) return { kind: 'keyword', text, span, word };
  return { kind: 'identifier', text, span };
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['b', '\b'],
  ['f', '\f'],
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['/', '/'],
]);

function unquoted(literal: string, span: Span): string {
  return literal.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/gsu, (_escape, code: string) => {
    if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    const character = ESCAPES.get(code);
    if (character === undefined) {
      throw new QueryRefusal('SC1010', `Syntax error, invalid string literal token '${literal}'.`, span);
    }
    return character;
  });
}
