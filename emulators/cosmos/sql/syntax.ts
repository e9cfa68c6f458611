// The syntax tree of the Cosmos DB query language. Every node knows where it stands in the text, because the
// service names the place in its errors.
import type { Json } from '../json.ts';

/** Character offsets into the query text, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type BinaryOperator =
  | '='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '&'
  | '|'
  | '^'
  | '||'
  | 'AND'
  | 'OR';

export type UnaryOperator = '-' | '+' | '~' | 'NOT';

export type Expression = { readonly span: Span } & (
  | { readonly kind: 'literal'; readonly value: Json | undefined }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'name'; readonly name: string }
  /** `c.name` (dotted) or `c["name"]`; the notation is kept because plans print it back. */
  | {
      readonly kind: 'member';
      readonly of: Expression;
      readonly member: Expression;
      readonly dotted: boolean;
    }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'conditional';
      readonly condition: Expression;
      readonly whenTrue: Expression;
      readonly otherwise: Expression;
    }
  | { readonly kind: 'coalesce'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'between';
      readonly negated: boolean;
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  | {
      readonly kind: 'in';
      readonly negated: boolean;
      readonly operand: Expression;
      readonly list: readonly Expression[];
    }
  | {
      readonly kind: 'like';
      readonly negated: boolean;
      readonly operand: Expression;
      readonly pattern: Expression;
      readonly escapeCharacter: string | undefined;
    }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly userDefined: boolean;
      readonly arguments: readonly Expression[];
    }
  | { readonly kind: 'array'; readonly items: readonly Expression[] }
  | { readonly kind: 'object'; readonly properties: readonly ObjectProperty[] }
  | { readonly kind: 'subquery'; readonly form: 'value' | 'exists' | 'array'; readonly query: Query }
);

export interface ObjectProperty {
  readonly name: string;
  readonly value: Expression;
}

export interface SelectItem {
  readonly expression: Expression;
  readonly alias: string | undefined;
}

export type Selection =
  | { readonly kind: 'star'; readonly span: Span }
  | { readonly kind: 'value'; readonly expression: Expression }
  | { readonly kind: 'list'; readonly items: readonly SelectItem[] };

/** What FROM and JOIN draw from. */
export type Source =
  /** `c`, `c.items`, with or without an alias: one binding per document in which the path is defined. */
  | { readonly kind: 'path'; readonly path: Expression; readonly root: string; readonly alias: string }
  /** `t IN c.tags`: one binding per element. */
  | { readonly kind: 'elements'; readonly of: Expression; readonly root: string; readonly alias: string }
  /** `(SELECT …) AS t`, `t IN (SELECT …)`: one binding per result. */
  | { readonly kind: 'query'; readonly query: Query; readonly alias: string | undefined };

export interface OrderItem {
  readonly expression: Expression;
  readonly direction: 'ascending' | 'descending';
  /** True when ASC or DESC was written. */
  readonly spelledOut: boolean;
}

/** A literal count or the name of a parameter that holds one. */
export type Count = { readonly span: Span } & (
  | { readonly kind: 'literal'; readonly value: number }
  | { readonly kind: 'parameter'; readonly name: string }
);

export interface Query {
  readonly distinct: boolean;
  readonly top: Count | undefined;
  readonly selection: Selection;
  /** The first source, then the joins, in order. Empty without FROM. */
  readonly sources: readonly Source[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[] | undefined;
  readonly orderBy: readonly OrderItem[] | undefined;
  readonly offsetLimit: { readonly offset: Count; readonly limit: Count } | undefined;
}

/** The aggregate functions, in upper case. */
const AGGREGATES: ReadonlySet<string> = new Set(['COUNT', 'SUM', 'AVG', 'MIN', 'MAX', 'COUNTIF']);

/** True for a call of an aggregate function. */
export function isAggregateCall(expression: Expression): boolean {
  return (
    expression.kind === 'call' && !expression.userDefined && AGGREGATES.has(expression.name.toUpperCase())
  );
}

/** The direct parts of an expression, without those inside a sub-query, which has its own rows. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'parameter':
    case 'name':
    case 'subquery':
      return [];
    case 'member':
      return [expression.of, expression.member];
    case 'unary':
      return [expression.operand];
    case 'binary':
    case 'coalesce':
      return [expression.left, expression.right];
    case 'conditional':
      return [expression.condition, expression.whenTrue, expression.otherwise];
    case 'between':
      return [expression.operand, expression.low, expression.high];
    case 'in':
      return [expression.operand, ...expression.list];
    case 'like':
      return [expression.operand, expression.pattern];
    case 'call':
      return expression.arguments;
    case 'array':
      return expression.items;
    case 'object':
      return expression.properties.map((property) => property.value);
  }
}

/** True when the expression, outside of its sub-queries, calls an aggregate function. */
export function containsAggregate(expression: Expression): boolean {
  return isAggregateCall(expression) || partsOf(expression).some(containsAggregate);
}

/** The expressions a query selects. */
export function selectedExpressions(query: Query): readonly Expression[] {
  switch (query.selection.kind) {
    case 'star':
      return [];
    case 'value':
      return [query.selection.expression];
    case 'list':
      return query.selection.items.map((item) => item.expression);
  }
}

/** True when the rows of the query are folded: it has GROUP BY or selects an aggregate. */
export function isAggregating(query: Query): boolean {
  return query.groupBy !== undefined || selectedExpressions(query).some(containsAggregate);
}

/** The name a SELECT list item gets: its alias, else its last path step, else undefined (numbered `$1`, …). */
export function itemName(item: SelectItem): string | undefined {
  if (item.alias !== undefined) return item.alias;
  const { expression } = item;
  if (expression.kind === 'name') return expression.name;
  if (expression.kind !== 'member' || expression.member.kind !== 'literal') return undefined;
  return typeof expression.member.value === 'string' ? expression.member.value : undefined;
}

/** The names of all items of a SELECT list; those without one are numbered `$1`, `$2`, … */
export function itemNames(items: readonly SelectItem[]): string[] {
  let numbered = 0;
  return items.map((item) => itemName(item) ?? `$${++numbered}`);
}
