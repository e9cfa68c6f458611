import { globSync, readFileSync } from 'node:fs';

/** A reader of as much Bicep as the rules of this folder need: declarations, and object literals inside them. */

/** A value of an object literal: an object, or the expression as it is written. */
export type BicepValue = string | BicepObject;
export interface BicepObject {
  readonly [name: string]: BicepValue;
}

export interface ResourceDeclaration {
  readonly path: string;
  readonly symbol: string;
  /** Full type without API version; nested resources are resolved against the resource around them. */
  readonly type: string;
  readonly existing: boolean;
  readonly body: BicepObject;
  readonly text: string;
}

/** Path to text of every Bicep file. */
export function bicepSources(): ReadonlyMap<string, string> {
  const paths = globSync(['bicep/*.bicep', 'bicep/modules/*.bicep']).toSorted();
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

/** All resources of a file, those nested in others included. */
export function resourcesOf(path: string, text: string): readonly ResourceDeclaration[] {
  return resourcesIn(path, withoutComments(text), '');
}

function resourcesIn(path: string, text: string, parentType: string): ResourceDeclaration[] {
  const pattern = /^[ \t]*resource\s+(\w+)\s+'([^'@]+)(?:@[^']*)?'(\s+existing)?\s*=/gm;
  const found: ResourceDeclaration[] = [];
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const from = text.indexOf('{', pattern.lastIndex);
    const to = endOfBlock(text, from);
    const block = text.slice(from, to);
    const name = match[2] ?? '';
    const type = parentType === '' ? name : `${parentType}/${name}`;
    const nested = resourcesIn(path, block.slice(1), type);
    const own = nested.reduce((rest, inner) => rest.replace(inner.text, ''), block);
    const body = objectOf(own);
    found.push({ path, symbol: match[1] ?? '', type, existing: match[3] !== undefined, body, text: block });
    found.push(...nested);
    pattern.lastIndex = to;
  }
  return found;
}

/** The value at a dotted path, or undefined. */
export function valueAt(body: BicepObject, path: string): BicepValue | undefined {
  let value: BicepValue | undefined = body;
  for (const name of path.split('.')) {
    if (value === undefined || typeof value === 'string') return undefined;
    value = value[name];
  }
  return value;
}

/** An object literal; properties are separated by new lines or commas. */
export function objectOf(text: string): BicepObject {
  const inner = text.trim().slice(1, -1);
  const properties: Record<string, BicepValue> = {};
  const pattern = /\s*,?\s*(?:'([^']*)'|([\w-]+))\s*:\s*/y;
  let at = 0;
  for (;;) {
    pattern.lastIndex = at;
    const match = pattern.exec(inner);
    if (match === null) {
      const nextLine = inner.indexOf('\n', at);
      if (nextLine === -1) return properties;
      at = nextLine + 1;
      continue;
    }
    const end = endOfExpression(inner, pattern.lastIndex);
    const expression = inner.slice(pattern.lastIndex, end).trim();
    properties[match[1] ?? match[2] ?? ''] = expression.startsWith('{') ? objectOf(expression) : expression;
    at = end;
  }
}

/** Where the value that begins at `from` ends: at the first comma or new line outside of brackets and strings. */
function endOfExpression(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const char = text[at]!;
    if ('{[('.includes(char)) at = endOfBlock(text, at);
    else if (char === "'") at = endOfString(text, at);
    else if (char === ',') return at;
    else if (char === '\n' && !/^\s*[?:]\s/.test(text.slice(at + 1))) return at;
    else at += 1;
  }
  return at;
}

/** The place after the bracket that closes the one at `from`. */
export function endOfBlock(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at]!;
    if (char === "'") {
      at = endOfString(text, at);
      continue;
    }
    if ('{[('.includes(char)) depth += 1;
    if ('}])'.includes(char)) depth -= 1;
    at += 1;
    if (depth === 0) return at;
  }
  throw new Error(`a bracket is not closed: ${text.slice(from, from + 60)}`);
}

function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== "'") at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Bicep without its comments; strings may hold `//`. */
export function withoutComments(text: string): string {
  return text.replace(
    /('(?:\\.|[^'\\\n])*')|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, quoted?: string) => quoted ?? '',
  );
}
