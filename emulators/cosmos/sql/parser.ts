// Tokens to syntax tree, by recursive descent. Two habits of the service's own planner surprise: NOT binds as
// tightly as a sign, so `NOT c.a = 1` compares `NOT c.a` with 1 (write `NOT (c.a = 1)`), and BETWEEN stands alone,
// so next to AND or OR it needs parentheses.
import { type Token, tokensOf } from './lexer.ts';
import { QueryRefusal } from './refusal.ts';
import {
  type BinaryOperator,
  type Count,
  type Expression,
  itemName,
  type ObjectProperty,
  type OrderItem,
  type Query,
  type SelectItem,
  type Selection,
  type Source,
  type Span,
  type UnaryOperator,
} from './syntax.ts';

/** Binary operators from the loosest to the tightest; all associate to the left. */
const LEVELS: readonly (readonly string[])[] = [
  ['OR'],
  ['AND'],
  ['||'],
  ['|'],
  ['^'],
  ['&'],
  ['=', '!=', '<>'],
  ['<', '>', '<=', '>='],
  ['+', '-'],
  ['*', '/', '%'],
];

/** The level below AND: where IN and LIKE stand, and what BETWEEN compares. */
const COMPARISON_LEVEL = 2;

const UNARY: ReadonlySet<string> = new Set(['-', '+', '~', 'NOT']);

/** Parses a query. Throws QueryRefusal with the code and place the service would give. */
export function parseQuery(text: string): Query {
  const parser = new Parser(text);
  return parser.wholeQuery();
}

/**
 * Parses the condition of a patch, `from c where …`, as the query `SELECT * from c where …`.
 * Source: "Partial document update", section "Conditional patch".
 */
export function parsePatchCondition(text: string): Query {
  const prefix = /^\s*from\b/i.test(text) ? 'SELECT * ' : 'SELECT * FROM c WHERE ';
  return parseQuery(prefix + text);
}

/** Source: "Azure Cosmos DB service quotas", SQL query limits. */
const MAX_TEXT_LENGTH = 512 * 1024;

/** Deeper nesting would exhaust the stack of whoever walks the tree. */
const MAX_NESTING = 200;

/** `a OR b OR c …` makes a tree as deep as it has operators. */
const MAX_CHAIN = 2000;

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;

  constructor(text: string) {
    if (text.length > MAX_TEXT_LENGTH) {
      throw new QueryRefusal('SC3001', `The query is longer than ${MAX_TEXT_LENGTH} characters.`);
    }
    this.#tokens = tokensOf(text);
  }

  wholeQuery(): Query {
    const query = this.#query();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return query;
  }

  get #token(): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new RangeError('The parser read past the end token.');
    return token;
  }

  #unexpected(token: Token = this.#token): QueryRefusal {
    if (token.kind === 'end')
      return new QueryRefusal('SC1002', 'Syntax error, unexpected end-of-file.', token.span);
    return new QueryRefusal('SC1001', `Syntax error, incorrect syntax near '${token.text}'.`, token.span);
  }

  /** Is the token `ahead` from here this keyword (upper case) or symbol? */
  #sees(word: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    if (token === undefined) return false;
    return token.kind === 'keyword' ? token.word === word : token.kind === 'symbol' && token.text === word;
  }

  #takes(word: string): boolean {
    if (!this.#sees(word)) return false;
    this.#at += 1;
    return true;
  }

  #needs(word: string): Token {
    const token = this.#token;
    if (!this.#takes(word)) throw this.#unexpected();
    return token;
  }

  #identifier(): string {
    const token = this.#token;
    if (token.kind !== 'identifier') throw this.#unexpected();
    this.#at += 1;
    return token.text;
  }

  #spanFrom(start: number): Span {
    return { start, end: this.#tokens[this.#at - 1]?.span.end ?? start };
  }

  #commaSeparated<Item>(item: () => Item): Item[] {
    const items = [item()];
    while (this.#takes(',')) items.push(item());
    return items;
  }

  #query(): Query {
    this.#needs('SELECT');
    const distinct = this.#takes('DISTINCT');
    const top = this.#takes('TOP') ? this.#count() : undefined;
    const selection = this.#selection();
    const sources = this.#takes('FROM') ? this.#sources() : [];
    if (selection.kind === 'star' && sources.length > 1) {
      const message = "'SELECT *' is only valid with a single input set.";
      throw new QueryRefusal('SC2042', message, selection.span);
    }
    const where = this.#takes('WHERE') ? this.#expression() : undefined;
    let groupBy: Expression[] | undefined;
    if (this.#takes('GROUP')) {
      this.#needs('BY');
      groupBy = this.#commaSeparated(() => this.#expression());
    }
    let orderBy: OrderItem[] | undefined;
    if (this.#takes('ORDER')) {
      this.#needs('BY');
      orderBy = this.#commaSeparated(() => this.#orderItem());
    }
    let offsetLimit: Query['offsetLimit'];
    if (this.#takes('OFFSET')) {
      const offset = this.#count();
      this.#needs('LIMIT');
      offsetLimit = { offset, limit: this.#count() };
    }
    return { distinct, top, selection, sources, where, groupBy, orderBy, offsetLimit };
  }

  #count(): Count {
    const token = this.#token;
    this.#at += 1;
    if (token.kind === 'parameter') return { kind: 'parameter', name: token.text, span: token.span };
    if (token.kind === 'number') return { kind: 'literal', value: token.value, span: token.span };
    throw this.#unexpected(token);
  }

  #selection(): Selection {
    const token = this.#token;
    if (this.#takes('*')) return { kind: 'star', span: token.span };
    if (this.#takes('VALUE')) return { kind: 'value', expression: this.#expression() };
    return { kind: 'list', items: this.#commaSeparated(() => this.#selectItem()) };
  }

  #selectItem(): SelectItem {
    const expression = this.#expression();
    return { expression, alias: this.#alias() };
  }

  #alias(): string | undefined {
    if (this.#takes('AS')) return this.#identifier();
    return this.#token.kind === 'identifier' ? this.#identifier() : undefined;
  }

  #orderItem(): OrderItem {
    const expression = this.#expression();
    if (this.#takes('DESC')) return { expression, direction: 'descending', spelledOut: true };
    return { expression, direction: 'ascending', spelledOut: this.#takes('ASC') };
  }

  #sources(): Source[] {
    const sources = [this.#source()];
    while (this.#takes('JOIN')) sources.push(this.#source());
    return sources;
  }

  #source(): Source {
    if (this.#sees('(')) {
      const query = this.#parenthesizedQuery();
      return { kind: 'query', query, alias: this.#alias() };
    }
    if (this.#token.kind === 'identifier' && this.#sees('IN', 1)) {
      const alias = this.#identifier();
      this.#needs('IN');
      if (this.#sees('(')) return { kind: 'query', query: this.#parenthesizedQuery(), alias };
      const { path, root } = this.#collectionPath();
      return { kind: 'elements', of: path, root, alias };
    }
    const { path, root } = this.#collectionPath();
    const alias = this.#alias() ?? itemName({ expression: path, alias: undefined }) ?? root;
    return { kind: 'path', path, root, alias };
  }

  #parenthesizedQuery(): Query {
    this.#needs('(');
    this.#enter();
    const query = this.#query();
    this.#nesting -= 1;
    this.#needs(')');
    return query;
  }

  #collectionPath(): { path: Expression; root: string } {
    const { span } = this.#token;
    const root = this.#identifier();
    return { path: this.#membersOf({ kind: 'name', name: root, span }), root };
  }

  #expression(): Expression {
    this.#enter();
    const expression = this.#ternary();
    this.#nesting -= 1;
    return expression;
  }

  #enter(): void {
    this.#nesting += 1;
    if (this.#nesting <= MAX_NESTING) return;
    throw this.#tooDeep();
  }

  #tooDeep(): QueryRefusal {
    const message = `The query is nested deeper than ${MAX_NESTING} levels, or chains more than ${MAX_CHAIN} operators.`;
    return new QueryRefusal('SC3002', message, this.#token.span);
  }

  #ternary(): Expression {
    const { start } = this.#token.span;
    const left = this.#betweenOrLogical();
    if (this.#takes('??')) {
      return { kind: 'coalesce', left, right: this.#expression(), span: this.#spanFrom(start) };
    }
    if (!this.#takes('?')) return left;
    const whenTrue = this.#expression();
    this.#needs(':');
    const otherwise = this.#expression();
    return { kind: 'conditional', condition: left, whenTrue, otherwise, span: this.#spanFrom(start) };
  }

  #betweenOrLogical(): Expression {
    const { start } = this.#token.span;
    const left = this.#binary(0);
    const negated = this.#sees('NOT') && this.#sees('BETWEEN', 1);
    if (!negated && !this.#sees('BETWEEN')) return left;
    const endsLogical =
      left.kind === 'in' ||
      left.kind === 'like' ||
      (left.kind === 'binary' && (left.operator === 'AND' || left.operator === 'OR'));
    // A parenthesized AND is one operand; only a bare one makes BETWEEN ambiguous.
    const bare = start === left.span.start;
    if (endsLogical && bare) throw this.#unexpected();
    if (negated) this.#needs('NOT');
    this.#needs('BETWEEN');
    const low = this.#binary(COMPARISON_LEVEL);
    this.#needs('AND');
    const high = this.#binary(COMPARISON_LEVEL);
    return { kind: 'between', negated, operand: left, low, high, span: this.#spanFrom(start) };
  }

  #binary(level: number): Expression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    const { start } = this.#token.span;
    let left = level === COMPARISON_LEVEL ? this.#membership() : this.#binary(level + 1);
    for (let length = 0; ; length++) {
      if (length > MAX_CHAIN) throw this.#tooDeep();
      const found = operators.find((candidate) => this.#sees(candidate));
      if (found === undefined) return left;
      this.#at += 1;
      const right = level === COMPARISON_LEVEL ? this.#membership() : this.#binary(level + 1);
      const operator = (found === '<>' ? '!=' : found) as BinaryOperator;
      left = { kind: 'binary', operator, left, right, span: this.#spanFrom(start) };
    }
  }

  /** `operand [NOT] IN (…)`, `operand [NOT] LIKE pattern [ESCAPE 'c']`, or the operand alone. */
  #membership(): Expression {
    const { start } = this.#token.span;
    const operand = this.#binary(COMPARISON_LEVEL + 1);
    const negated = this.#sees('NOT') && (this.#sees('IN', 1) || this.#sees('LIKE', 1));
    if (negated) this.#needs('NOT');
    if (this.#takes('IN')) {
      this.#needs('(');
      const list = this.#commaSeparated(() => this.#expression());
      this.#needs(')');
      return { kind: 'in', negated, operand, list, span: this.#spanFrom(start) };
    }
    if (!this.#takes('LIKE')) return operand;
    const pattern = this.#binary(COMPARISON_LEVEL);
    const escapeCharacter = this.#takes('ESCAPE') ? this.#stringLiteral() : undefined;
    return { kind: 'like', negated, operand, pattern, escapeCharacter, span: this.#spanFrom(start) };
  }

  #stringLiteral(): string {
    const token = this.#token;
    if (token.kind !== 'string') throw this.#unexpected();
    this.#at += 1;
    return token.value;
  }

  #unary(): Expression {
    const token = this.#token;
    const operator = token.kind === 'keyword' ? token.word : token.kind === 'symbol' ? token.text : '';
    if (!UNARY.has(operator)) return this.#membersOf(this.#primary());
    this.#at += 1;
    this.#enter();
    const operand = this.#unary();
    this.#nesting -= 1;
    const span = this.#spanFrom(token.span.start);
    return { kind: 'unary', operator: operator as UnaryOperator, operand, span };
  }

  #membersOf(root: Expression): Expression {
    let of = root;
    for (let length = 0; ; length++) {
      if (length > MAX_CHAIN) throw this.#tooDeep();
      const { start } = root.span;
      if (this.#takes('.')) {
        const { span } = this.#token;
        const member: Expression = { kind: 'literal', value: this.#identifier(), span };
        of = { kind: 'member', of, member, dotted: true, span: this.#spanFrom(start) };
      } else if (this.#takes('[')) {
        const member = this.#expression();
        this.#needs(']');
        of = { kind: 'member', of, member, dotted: false, span: this.#spanFrom(start) };
      } else return of;
    }
  }

  #primary(): Expression {
    const token = this.#token;
    const { span } = token;
    this.#at += 1;
    switch (token.kind) {
      case 'number':
      case 'string':
        return { kind: 'literal', value: token.value, span };
      case 'parameter':
        return { kind: 'parameter', name: token.text, span };
      case 'identifier':
        if (this.#sees('(')) return this.#call(token.text, false, span.start);
        return { kind: 'name', name: token.text, span };
      case 'keyword':
        return this.#keywordPrimary(token.word, token);
      case 'symbol':
        return this.#bracketed(token);
      case 'end':
        throw this.#unexpected(token);
    }
  }

  #keywordPrimary(word: string, token: Token): Expression {
    const { span } = token;
    switch (word) {
      case 'TRUE':
        return { kind: 'literal', value: true, span };
      case 'FALSE':
        return { kind: 'literal', value: false, span };
      case 'NULL':
        return { kind: 'literal', value: null, span };
      case 'UNDEFINED':
        return { kind: 'literal', value: undefined, span };
      case 'EXISTS':
      case 'ARRAY': {
        const query = this.#parenthesizedQuery();
        const form = word === 'EXISTS' ? 'exists' : 'array';
        return { kind: 'subquery', form, query, span: this.#spanFrom(span.start) };
      }
      case 'UDF':
        this.#needs('.');
        return this.#call(this.#identifier(), true, span.start);
      default:
        throw this.#unexpected(token);
    }
  }

  #call(name: string, userDefined: boolean, start: number): Expression {
    const list = this.#listUntil('(', ')', () => this.#expression());
    return { kind: 'call', name, userDefined, arguments: list, span: this.#spanFrom(start) };
  }

  #listUntil<Item>(open: string, close: string, item: () => Item): Item[] {
    this.#needs(open);
    if (this.#takes(close)) return [];
    const items = this.#commaSeparated(item);
    this.#needs(close);
    return items;
  }

  #bracketed(token: Token): Expression {
    const { start } = token.span;
    this.#at -= 1;
    if (token.text === '[') {
      const items = this.#listUntil('[', ']', () => this.#expression());
      return { kind: 'array', items, span: this.#spanFrom(start) };
    }
    if (token.text === '{') {
      const properties = this.#listUntil('{', '}', () => this.#property());
      return { kind: 'object', properties, span: this.#spanFrom(start) };
    }
    if (token.text !== '(') throw this.#unexpected();
    if (this.#sees('SELECT', 1)) {
      const query = this.#parenthesizedQuery();
      return { kind: 'subquery', form: 'value', query, span: this.#spanFrom(start) };
    }
    this.#needs('(');
    const expression = this.#expression();
    this.#needs(')');
    return expression;
  }

  #property(): ObjectProperty {
    const token = this.#token;
    const name = token.kind === 'string' ? this.#stringLiteral() : this.#identifier();
    this.#needs(':');
    return { name, value: this.#expression() };
  }
}
