/** The text of a SQL filter as a tree. Grammar: "Subscription Rule SQL Filter Syntax" (see sql-filter.ts). */

export type SqlNode =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | PropertyNode
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'not'; readonly operand: SqlNode }
  | { readonly kind: 'and' | 'or'; readonly left: SqlNode; readonly right: SqlNode }
  | {
      readonly kind: 'compare' | 'arithmetic';
      readonly operator: string;
      readonly left: SqlNode;
      readonly right: SqlNode;
    }
  | { readonly kind: 'isNull'; readonly operand: SqlNode; readonly negated: boolean }
  | { readonly kind: 'exists'; readonly property: PropertyNode }
  | {
      readonly kind: 'in';
      readonly operand: SqlNode;
      readonly choices: readonly SqlNode[];
      readonly negated: boolean;
    }
  | {
      readonly kind: 'like';
      readonly operand: SqlNode;
      readonly pattern: SqlNode;
      readonly escape: string | undefined;
      readonly negated: boolean;
    };

interface PropertyNode {
  readonly kind: 'property';
  readonly scope: 'sys' | 'user';
  readonly name: string;
}

export class SqlSyntaxError extends Error {
  override readonly name = 'SqlSyntaxError';
}

interface Token {
  readonly kind: 'number' | 'string' | 'operator' | 'parameter' | 'word' | 'quoted';
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /(?:(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|'(?<string>(?:[^']|'')*)'|(?<operator><>|!=|<=|>=|[=<>(),.+\-*/%])|(?<parameter>@\w+)|\[(?<bracketed>(?:[^\]]|\]\])+)\]|"(?<quoted>(?:[^"]|"")+)"|(?<word>[A-Za-z_$][\w$]*))/y;

const MAX_DEPTH = 64;

export function parseSql(expression: string): SqlNode {
  const parser = new SqlParser(tokensOf(expression));
  return parser.parse();
}

function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  const end = expression.trimEnd().length;
  for (let at = firstAfterSpace(expression, 0); at < end; at = firstAfterSpace(expression, TOKEN.lastIndex)) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(expression)?.groups;
    if (groups === undefined) {
      throw new SqlSyntaxError(
        `position ${at}: "${expression.slice(at, at + 20)}" is no value, name or operator.`,
      );
    }
    tokens.push({ ...tokenOf(groups), at });
  }
  return tokens;
}

function firstAfterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>): Pick<Token, 'kind' | 'text'> {
  if (groups['number'] !== undefined) return { kind: 'number', text: groups['number'] };
  if (groups['string'] !== undefined) return { kind: 'string', text: groups['string'].replaceAll("''", "'") };
  if (groups['operator'] !== undefined) return { kind: 'operator', text: groups['operator'] };
  if (groups['parameter'] !== undefined) return { kind: 'parameter', text: groups['parameter'] };
  if (groups['bracketed'] !== undefined)
    return { kind: 'quoted', text: groups['bracketed'].replaceAll(']]', ']') };
  if (groups['quoted'] !== undefined) return { kind: 'quoted', text: groups['quoted'].replaceAll('""', '"') };
  return { kind: 'word', text: groups['word'] ?? '' };
}

class SqlParser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): SqlNode {
    const tree = this.#or();
    if (this.#at < this.#tokens.length) this.#fail('expected the end of the expression');
    return tree;
  }

  #or(): SqlNode {
    if (++this.#depth > MAX_DEPTH) this.#fail(`the expression is nested deeper than ${MAX_DEPTH} levels`);
    let left = this.#and();
    while (this.#word('OR')) left = { kind: 'or', left, right: this.#and() };
    this.#depth--;
    return left;
  }

  #and(): SqlNode {
    let left = this.#not();
    while (this.#word('AND')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): SqlNode {
    let isNegated = false;
    while (this.#word('NOT')) isNegated = !isNegated;
    const operand = this.#predicate();
    return isNegated ? { kind: 'not', operand } : operand;
  }

  #predicate(): SqlNode {
    const left = this.#sum();
    const operator = this.#operator('=', '<>', '!=', '<', '<=', '>', '>=');
    if (operator !== undefined) {
      return { kind: 'compare', operator: operator === '!=' ? '<>' : operator, left, right: this.#sum() };
    }
    if (this.#word('IS')) {
      const negated = this.#word('NOT');
      this.#expectWord('NULL');
      return { kind: 'isNull', operand: left, negated };
    }
    const negated = this.#word('NOT');
    if (this.#word('LIKE')) return this.#like(left, negated);
    if (this.#word('IN')) return this.#in(left, negated);
    if (negated) this.#fail('expected LIKE or IN after NOT');
    return left;
  }

  #like(operand: SqlNode, negated: boolean): SqlNode {
    const pattern = this.#sum();
    let escapeCharacter: string | undefined;
    if (this.#word('ESCAPE')) {
      const token = this.#tokens[this.#at++];
      if (token?.kind !== 'string' || token.text.length !== 1)
        this.#fail('expected one quoted character after ESCAPE');
      else escapeCharacter = token.text;
    }
    return { kind: 'like', operand, pattern, escape: escapeCharacter, negated };
  }

  #in(operand: SqlNode, negated: boolean): SqlNode {
    this.#expectOperator('(');
    const choices = [this.#sum()];
    while (this.#operator(',') !== undefined) choices.push(this.#sum());
    this.#expectOperator(')');
    return { kind: 'in', operand, choices, negated };
  }

  #sum(): SqlNode {
    let left = this.#product();
    for (
      let operator = this.#operator('+', '-');
      operator !== undefined;
      operator = this.#operator('+', '-')
    ) {
      left = { kind: 'arithmetic', operator, left, right: this.#product() };
    }
    return left;
  }

  #product(): SqlNode {
    let left = this.#signed();
    for (let operator = this.#operator('*', '/', '%'); operator; operator = this.#operator('*', '/', '%')) {
      left = { kind: 'arithmetic', operator, left, right: this.#signed() };
    }
    return left;
  }

  #signed(): SqlNode {
    const sign = this.#operator('+', '-');
    if (sign === undefined) return this.#operand();
    return {
      kind: 'arithmetic',
      operator: sign,
      left: { kind: 'literal', value: 0 },
      right: this.#operand(),
    };
  }

  #operand(): SqlNode {
    if (this.#operator('(') !== undefined) {
      const inner = this.#or();
      this.#expectOperator(')');
      return inner;
    }
    const token = this.#tokens[this.#at];
    if (token === undefined) this.#fail('expected a value');
    this.#at++;
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) };
    if (token.kind === 'string') return { kind: 'literal', value: token.text };
    if (token.kind === 'parameter') return { kind: 'parameter', name: token.text };
    if (token.kind === 'word') {
      const keyword = token.text.toUpperCase();
      if (keyword === 'TRUE' || keyword === 'FALSE') return { kind: 'literal', value: keyword === 'TRUE' };
      if (keyword === 'NULL') return { kind: 'literal', value: null };
      if (keyword === 'EXISTS') return this.#exists();
      if ((keyword === 'P' || keyword === 'PROPERTY') && this.#operator('(') !== undefined)
        return this.#named();
    }
    this.#at--;
    return this.#property();
  }

  #exists(): SqlNode {
    this.#expectOperator('(');
    const property = this.#property();
    this.#expectOperator(')');
    return { kind: 'exists', property };
  }

  /** `property('name')`, also `p('name')`: a property by text. */
  #named(): PropertyNode {
    const token = this.#tokens[this.#at++];
    if (token?.kind !== 'string') this.#fail('expected a quoted property name');
    this.#expectOperator(')');
    return { kind: 'property', scope: 'user', name: token.text };
  }

  #property(): PropertyNode {
    const first = this.#name();
    if (this.#operator('.') === undefined) return { kind: 'property', scope: 'user', name: first };
    const scope = first.toLowerCase();
    if (scope !== 'sys' && scope !== 'user') this.#fail(`'${first}' is no scope; use sys. or user.`);
    const name = this.#name();
    if (scope === 'sys' && !SYSTEM_NAMES.has(name.toLowerCase())) {
      this.#fail(`there is no system property 'sys.${name}'`);
    }
    return { kind: 'property', scope, name };
  }

  #name(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word' && token?.kind !== 'quoted') this.#fail('expected a property name');
    if (token.kind === 'word' && RESERVED.has(token.text.toUpperCase()))
      this.#fail('expected a property name');
    this.#at++;
    return token.text;
  }

  #word(keyword: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word' || token.text.toUpperCase() !== keyword) return false;
    this.#at++;
    return true;
  }

  #operator(...texts: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'operator' || !texts.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  #expectWord(keyword: string): void {
    if (!this.#word(keyword)) this.#fail(`expected ${keyword}`);
  }

  #expectOperator(text: string): void {
    if (this.#operator(text) === undefined) this.#fail(`expected "${text}"`);
  }

  #fail(message: string): never {
    const token = this.#tokens[this.#at];
    throw new SqlSyntaxError(
      token === undefined ? `${message} at its end.` : `position ${token.at}: ${message}.`,
    );
  }
}

const RESERVED = new Set(['AND', 'OR', 'NOT', 'IS', 'IN', 'LIKE', 'ESCAPE']);

const SYSTEM_NAMES = new Set([
  'contenttype',
  'correlationid',
  'label',
  'messageid',
  'replyto',
  'replytosessionid',
  'sessionid',
  'subject',
  'to',
]);
