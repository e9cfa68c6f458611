// What a client must do when a query runs over several partitions: the "partitioned query execution info" that the
// gateway answers to a plan request. Format: PartitionedQueryExecutionInfo and QueryInfo of the public SDKs, as
// Microsoft's own planner fills them.
import type { JsonObject } from '../json.ts';
import { countOf } from './execute.ts';
import {
  expressionText,
  groupByLine,
  objectText,
  orderByLine,
  queryText,
  sourceLines,
  topText,
} from './print.ts';
import { QueryRefusal } from './refusal.ts';
import {
  containsAggregate,
  type Expression,
  isAggregateCall,
  isAggregating,
  itemNames,
  partsOf,
  type Query,
  selectedExpressions,
} from './syntax.ts';
import type { Value } from './values.ts';

type AggregateName = 'Count' | 'CountIf' | 'Sum' | 'Min' | 'Max' | 'Average';

export interface QueryInfo {
  readonly distinctType: 'None' | 'Ordered' | 'Unordered';
  readonly top: number | null;
  readonly offset: number | null;
  readonly limit: number | null;
  readonly orderBy: readonly ('Ascending' | 'Descending')[];
  readonly orderByExpressions: readonly string[];
  readonly groupByExpressions: readonly string[];
  readonly groupByAliases: readonly string[];
  readonly aggregates: readonly AggregateName[];
  readonly groupByAliasToAggregateType: Readonly<Record<string, AggregateName | null>>;
  /** What the client sends to each partition; empty: the query as it is. */
  readonly rewrittenQuery: string;
  readonly hasSelectValue: boolean;
  readonly dCountInfo: { readonly dCountAlias: string } | null;
  readonly hasNonStreamingOrderBy: boolean;
}

const NOTHING_TO_MERGE: QueryInfo = {
  distinctType: 'None',
  top: null,
  offset: null,
  limit: null,
  orderBy: [],
  orderByExpressions: [],
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
  rewrittenQuery: '',
  hasSelectValue: false,
  dCountInfo: null,
  hasNonStreamingOrderBy: false,
};

const AGGREGATE_NAMES: Readonly<Record<string, AggregateName>> = {
  COUNT: 'Count',
  COUNTIF: 'CountIf',
  SUM: 'Sum',
  MIN: 'Min',
  MAX: 'Max',
  AVG: 'Average',
};

/** Clients replace this by a condition that resumes behind the last row they have seen. */
const ORDER_FILTER = '({documentdb-formattableorderbyquery-filter})';

/** What the plan depends on besides the query. */
export interface PlanContext {
  readonly parameters: ReadonlyMap<string, Value>;
  /** The container's partition key paths, like `/tenant`. */
  readonly partitionKeyPaths: readonly string[];
}

/**
 * What a client has to merge. A query whose WHERE pins the whole partition key has nothing to merge. Throws
 * QueryRefusal when the service would refuse to plan the query.
 */
export function planQuery(query: Query, context: PlanContext): QueryInfo {
  checkQuery(query);
  const hasSelectValue = query.selection.kind === 'value';
  if (pinsPartition(query, context)) return { ...NOTHING_TO_MERGE, hasSelectValue };
  const distinctCount = distinctCountQuery(query);
  if (distinctCount !== undefined) {
    return {
      ...NOTHING_TO_MERGE,
      distinctType: 'Unordered',
      rewrittenQuery: queryText(distinctCount),
      hasSelectValue,
      dCountInfo: { dCountAlias: '' },
    };
  }
  const windowed = { ...NOTHING_TO_MERGE, hasSelectValue, ...windowInfo(query, context) };
  if (isAggregating(query)) return { ...windowed, ...aggregateInfo(query) };
  if (query.orderBy !== undefined) return { ...windowed, ...orderInfo(query, query.orderBy, context) };
  const distinctType = query.distinct ? 'Unordered' : 'None';
  const rewrittenQuery =
    query.offsetLimit === undefined ? '' : withoutWindowLine(query) + windowLine(query, context);
  return { ...windowed, distinctType, rewrittenQuery };
}

/** True when the client has nothing to do but to hand on what the partitions answer. */
export function passesThrough(info: QueryInfo): boolean {
  const { hasSelectValue: _any, ...rest } = info;
  const { hasSelectValue: _none, ...nothing } = NOTHING_TO_MERGE;
  return JSON.stringify(rest) === JSON.stringify(nothing);
}

/** What a client must be able to do, in the words of `x-ms-cosmos-supported-query-features`. */
export function requiredFeatures(info: QueryInfo): string[] {
  const types = Object.values(info.groupByAliasToAggregateType).filter((type) => type !== null);
  const features: readonly (readonly [string, boolean])[] = [
    ['Aggregate', info.aggregates.length > 0],
    ['CountIf', [...types, ...info.aggregates].includes('CountIf')],
    ['DCount', info.dCountInfo !== null],
    ['Distinct', info.distinctType !== 'None' && info.dCountInfo === null],
    ['GroupBy', info.groupByExpressions.length > 0],
    ['MultipleOrderBy', info.orderBy.length > 1],
    ['NonValueAggregate', types.length > 0],
    ['OffsetAndLimit', info.offset !== null],
    ['OrderBy', info.orderBy.length > 0],
    ['Top', info.top !== null],
  ];
  return features.filter(([, needed]) => needed).map(([feature]) => feature);
}

/** A plan for a container of one partition key range. */
export function planAnswer(queryInfo: QueryInfo): JsonObject {
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: {
      ...queryInfo,
      dCountInfo: queryInfo.dCountInfo === null ? null : { ...queryInfo.dCountInfo },
    },
    queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
  };
}

/**
 * The rules that the grammar does not know: ORDER BY only document paths (2206), and beside an aggregate only what
 * GROUP BY names (SC2102). Throws QueryRefusal.
 */
export function checkQuery(query: Query): void {
  const first = query.sources[0];
  for (const { expression } of query.orderBy ?? []) {
    if (!isDocumentPath(expression, first?.kind === 'query' ? undefined : first?.alias)) {
      throw new QueryRefusal(
        2206,
        'Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.',
      );
    }
  }
  if (!isAggregating(query)) return;
  const grouped = new Set(query.groupBy?.map(expressionText));
  for (const selected of selectedExpressions(query)) {
    const stray = strayReference(selected, grouped);
    if (stray === undefined) continue;
    const message = `Property reference '${expressionText(stray)}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`;
    throw new QueryRefusal('SC2102', message, stray.span);
  }
}

function isDocumentPath(expression: Expression, root: string | undefined): boolean {
  if (expression.kind === 'name') return expression.name === root;
  return (
    expression.kind === 'member' &&
    expression.member.kind === 'literal' &&
    isDocumentPath(expression.of, root)
  );
}

/** The first property reference that is neither grouped nor inside an aggregate. */
function strayReference(expression: Expression, grouped: ReadonlySet<string>): Expression | undefined {
  if (isAggregateCall(expression) || grouped.has(expressionText(expression))) return undefined;
  if (expression.kind === 'name' || expression.kind === 'member') return expression;
  for (const part of partsOf(expression)) {
    const stray = strayReference(part, grouped);
    if (stray !== undefined) return stray;
  }
  return undefined;
}

/** `SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE …)`: its inner query, which clients count themselves. */
function distinctCountQuery(query: Query): Query | undefined {
  const [source, ...others] = query.sources;
  if (source?.kind !== 'query' || others.length > 0 || !source.query.distinct) return undefined;
  const { selection } = query;
  const counts =
    selection.kind === 'value' &&
    selection.expression.kind === 'call' &&
    selection.expression.name.toUpperCase() === 'COUNT';
  return counts ? source.query : undefined;
}

function windowInfo(query: Query, { parameters }: PlanContext): Partial<QueryInfo> {
  const top = query.top === undefined ? null : countOf(query.top, parameters, 'TOP');
  if (query.offsetLimit === undefined) return { top };
  return {
    top,
    offset: countOf(query.offsetLimit.offset, parameters, 'OFFSET'),
    limit: countOf(query.offsetLimit.limit, parameters, 'LIMIT'),
  };
}

/** Each partition must give all rows up to the end of the window; the client then skips the offset. */
function windowLine(query: Query, context: PlanContext): string {
  const { offset, limit } = windowInfo(query, context);
  return typeof offset === 'number' && typeof limit === 'number' ? `\nOFFSET 0 LIMIT ${offset + limit}` : '';
}

function withoutWindowLine(query: Query): string {
  return queryText({ ...query, offsetLimit: undefined });
}

function orderInfo(
  query: Query,
  orderBy: NonNullable<Query['orderBy']>,
  context: PlanContext,
): Partial<QueryInfo> {
  const expressions = orderBy.map((item) => expressionText(item.expression));
  const root = expressionText(rootOf(orderBy[0]?.expression));
  const items = expressions.map((text) => objectText([['item', text]])).join(', ');
  const select = `SELECT ${topText(query)}${root}._rid, [${items}] AS orderByItems, ${payloadText(query)} AS payload`;
  const lines = [select, ...sourceLines(query), `WHERE ${orderFilter(query)}`, orderByLine(orderBy)];
  const samePath =
    query.selection.kind === 'value' && expressionText(query.selection.expression) === expressions[0];
  return {
    distinctType: query.distinct ? (samePath ? 'Ordered' : 'Unordered') : 'None',
    orderBy: orderBy.map((item) => (item.direction === 'ascending' ? 'Ascending' : 'Descending')),
    orderByExpressions: expressions,
    rewrittenQuery: lines.join('\n') + windowLine(query, context),
  };
}

function rootOf(expression: Expression | undefined): Expression {
  if (expression === undefined) throw new RangeError('ORDER BY without an item cannot be parsed.');
  return expression.kind === 'member' ? rootOf(expression.of) : expression;
}

function orderFilter(query: Query): string {
  const resumable =
    query.where === undefined ? ORDER_FILTER : `(${expressionText(query.where)} AND ${ORDER_FILTER})`;
  if (query.selection.kind !== 'value') return resumable;
  return `(${resumable} AND IS_DEFINED(${expressionText(query.selection.expression)}))`;
}

/** What is selected, as one expression. */
function payloadText(query: Query): string {
  const { selection } = query;
  if (selection.kind === 'value') return expressionText(selection.expression);
  if (selection.kind === 'list') {
    const names = itemNames(selection.items);
    return objectText(
      selection.items.map(({ expression }, index) => [names[index] ?? '', expressionText(expression)]),
    );
  }
  const first = query.sources[0];
  return first === undefined || first.kind === 'query' ? '*' : first.alias;
}

/** The part of an aggregate that one partition can answer, in the shape clients merge. */
function partialAggregate(expression: Expression): string | undefined {
  if (expression.kind !== 'call' || !isAggregateCall(expression)) return undefined;
  const argument = expression.arguments.map(expressionText).join(', ');
  const name = expression.name.toUpperCase();
  if (name === 'AVG') {
    const parts = objectText([
      ['sum', `SUM(${argument})`],
      ['count', `COUNT(${argument})`],
    ]);
    return objectText([['item', parts]]);
  }
  if (name !== 'MIN' && name !== 'MAX') return objectText([['item', `${name}(${argument})`]]);
  const detail = objectText([
    [name.toLowerCase(), `${name}(${argument})`],
    ['count', `COUNT(${argument})`],
  ]);
  return objectText([
    ['item', `${name}(${argument})`],
    ['item2', detail],
  ]);
}

function aggregateNameOf(expression: Expression): AggregateName | undefined {
  return expression.kind === 'call' && isAggregateCall(expression)
    ? AGGREGATE_NAMES[expression.name.toUpperCase()]
    : undefined;
}

function aggregateInfo(query: Query): Partial<QueryInfo> {
  for (const selected of selectedExpressions(query)) {
    if (containsAggregate(selected) && !isAggregateCall(selected)) {
      const message = 'Compositions of aggregates and other expressions are not allowed.';
      throw new QueryRefusal('SC2103', message, selected.span);
    }
  }
  const groupByExpressions = query.groupBy?.map(expressionText) ?? [];
  const groupItems = groupByExpressions.map((text) => objectText([['item', text]])).join(', ');
  const grouping = query.groupBy === undefined ? '' : `[${groupItems}] AS groupByItems, `;
  const rest = [
    ...sourceLines(query),
    ...(query.where === undefined ? [] : [`WHERE ${expressionText(query.where)}`]),
    ...(query.groupBy === undefined ? [] : [groupByLine(query.groupBy)]),
    ...(query.orderBy === undefined ? [] : [orderByLine(query.orderBy)]),
  ];
  const rewrite = (selected: string) => [`SELECT ${selected}`, ...rest].join('\n');

  if (query.selection.kind === 'value') {
    const { expression } = query.selection;
    const aggregate = aggregateNameOf(expression);
    const partial = partialAggregate(expression);
    const payload = partial === undefined ? expressionText(expression) : `[${partial}]`;
    return {
      groupByExpressions,
      aggregates: aggregate === undefined ? [] : [aggregate],
      rewrittenQuery: rewrite(
        query.groupBy === undefined ? `VALUE ${payload}` : `${grouping}${payload} AS payload`,
      ),
    };
  }
  const items = query.selection.kind === 'list' ? query.selection.items : [];
  const names = itemNames(items);
  const payload = objectText(
    items.map(({ expression }, index) => [
      names[index] ?? '',
      partialAggregate(expression) ?? expressionText(expression),
    ]),
  );
  return {
    groupByExpressions,
    groupByAliases: names,
    groupByAliasToAggregateType: Object.fromEntries(
      items.map(({ expression }, index) => [names[index] ?? '', aggregateNameOf(expression) ?? null]),
    ),
    rewrittenQuery: rewrite(`${grouping}${payload} AS payload`),
  };
}

/** Does WHERE demand one value for every partition key path? */
function pinsPartition(query: Query, { partitionKeyPaths }: PlanContext): boolean {
  const first = query.sources[0];
  if (first?.kind !== 'path' || first.path.kind !== 'name' || query.where === undefined) return false;
  const pinned = new Set<string>();
  collectPinned(query.where, first.alias, pinned);
  return partitionKeyPaths.length > 0 && partitionKeyPaths.every((path) => pinned.has(path));
}

function collectPinned(condition: Expression, root: string, pinned: Set<string>): void {
  if (condition.kind !== 'binary') return;
  if (condition.operator === 'AND') {
    collectPinned(condition.left, root, pinned);
    collectPinned(condition.right, root, pinned);
  } else if (condition.operator === '=') {
    for (const [path, constant] of [
      [condition.left, condition.right],
      [condition.right, condition.left],
    ] as const) {
      const name = documentPathOf(path, root);
      if (name && (constant.kind === 'literal' || constant.kind === 'parameter')) pinned.add(name);
    }
  }
}

/** `/a/b` for `c.a.b`; undefined for anything that is not a path from the root. */
export function documentPathOf(expression: Expression, root: string): string | undefined {
  if (expression.kind === 'name') return expression.name === root ? '' : undefined;
  if (expression.kind !== 'member' || expression.member.kind !== 'literal') return undefined;
  const of = documentPathOf(expression.of, root);
  return of === undefined ? undefined : `${of}/${String(expression.member.value)}`;
}
