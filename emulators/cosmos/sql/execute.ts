// Runs a compiled query over documents.
import type { Json } from '../json.ts';
import {
  compileExpression,
  type Evaluator,
  type Frame,
  objectOf,
  type Scope,
  unresolved,
} from './evaluate.ts';
import { parseQuery } from './parser.ts';
import { QueryRefusal } from './refusal.ts';
import { type Count, type Expression, isAggregating, itemNames, type Query, type Source } from './syntax.ts';
import { canonicalText, compareValues, type Value } from './values.ts';

/** A document with the number its resource id carries: the order in which documents are scanned. */
export interface NumberedDocument {
  readonly number: number;
  readonly document: Json;
}

/** One result, before TOP, OFFSET and LIMIT, and where a later page can go on behind it. */
export interface ResultRow {
  readonly value: Json;
  /** The number of the document it came from; 0 when it came from several. */
  readonly number: number;
  /** The values of the ORDER BY items. */
  readonly orderValues: readonly Value[];
}

/** What a query sees besides the documents. */
export interface QueryInput {
  readonly parameters: ReadonlyMap<string, Value>;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** How many rows of the result are wanted, from which one. */
export interface Window {
  readonly offset: number;
  readonly limit: number;
}

/** A query ready to run. */
export interface CompiledQuery {
  readonly query: Query;
  /**
   * `scan`: rows come in document order and can be resumed behind a document. `ordered`: rows come in ORDER BY order
   * and can be resumed behind a row. `folded`: rows are made of several documents and can only be counted off.
   */
  readonly paging: 'scan' | 'ordered' | 'folded';
  run(documents: Iterable<NumberedDocument>, input: QueryInput): Iterable<ResultRow>;
  /** TOP, OFFSET and LIMIT. Throws QueryRefusal SC2060 when one is not a whole number. */
  window(parameters: ReadonlyMap<string, Value>): Window;
}

interface FrameOfDocument {
  readonly frame: Frame;
  readonly number: number;
}

/** Documents of the container, or undefined within a sub-query, whose rows come from the row around it. */
type Documents = Iterable<NumberedDocument> | undefined;

type Select = (frame: Frame, documents: Documents) => Iterable<ResultRow>;

/** Compiles a query text. Throws QueryRefusal when the service would refuse it. */
export function compileQuery(text: string): CompiledQuery {
  return compileSyntax(parseQuery(text));
}

/** Compiles a parsed query. Throws QueryRefusal for unknown names and functions. */
export function compileSyntax(query: Query): CompiledQuery {
  const select = compileSelect(query, new Map(), true);
  const folded = query.distinct || isAggregating(query) || query.sources[0]?.kind === 'query';
  return {
    query,
    paging: folded ? 'folded' : query.orderBy === undefined ? 'scan' : 'ordered',
    run(documents, { parameters, nowMs }) {
      const frame: Frame = { slots: [], parameters, context: { nowMs }, group: undefined };
      return select(frame, documents);
    },
    window: (parameters) => windowOf(query, parameters),
  };
}

function windowOf(query: Query, parameters: ReadonlyMap<string, Value>): Window {
  const limits: number[] = [];
  if (query.top !== undefined) limits.push(countOf(query.top, parameters, 'TOP'));
  if (query.offsetLimit !== undefined) limits.push(countOf(query.offsetLimit.limit, parameters, 'LIMIT'));
  const offset =
    query.offsetLimit === undefined ? 0 : countOf(query.offsetLimit.offset, parameters, 'OFFSET');
  return { offset, limit: Math.min(Number.POSITIVE_INFINITY, ...limits) };
}

/** The value of a TOP, OFFSET or LIMIT count. Throws QueryRefusal SC2060 when it is not a whole number. */
export function countOf(count: Count, parameters: ReadonlyMap<string, Value>, clause: string): number {
  const value = count.kind === 'literal' ? count.value : parameters.get(count.name);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const message = `The count value provided for a ${clause} clause must be an integer.`;
  throw new QueryRefusal('SC2060', message, count.span);
}

/** The rows of a window, counted from 0. */
export function* windowed<Item>(items: Iterable<Item>, { offset, limit }: Window): Iterable<Item> {
  if (limit <= 0) return;
  let index = 0;
  for (const item of items) {
    if (index >= offset) yield item;
    index += 1;
    if (index >= offset + limit) return;
  }
}

function compileSubquery(query: Query, scope: Scope): (frame: Frame) => Iterable<Json> {
  const select = compileSelect(query, scope, false);
  return function* (frame) {
    const window = windowOf(query, frame.parameters);
    for (const row of windowed(select(frame, undefined), window)) yield row.value;
  };
}

function compileSelect(query: Query, outer: Scope, overContainer: boolean): Select {
  const { rows, scope } = compileSources(query.sources, outer, overContainer);
  const compile = (expression: Expression) => compileExpression(expression, scope, compileSubquery);
  const where = query.where === undefined ? undefined : compile(query.where);
  const project = compileSelection(query, scope);
  const order = query.orderBy?.map((item) => compile(item.expression)) ?? [];
  const groupBy = query.groupBy?.map(compile);
  const aggregating = isAggregating(query);

  function* filtered(frame: Frame, documents: Documents): Iterable<FrameOfDocument> {
    for (const row of rows(frame, documents)) {
      if (where === undefined || where(row.frame) === true) yield row;
    }
  }
  function* projected(frames: Iterable<FrameOfDocument>): Iterable<ResultRow> {
    for (const { frame, number } of frames) {
      const value = project(frame);
      if (value !== undefined) yield { value, number, orderValues: order.map((item) => item(frame)) };
    }
  }
  return (frame, documents) => {
    const frames = filtered(frame, documents);
    let result = projected(aggregating ? groupsOf(frames, groupBy, frame) : frames);
    if (query.distinct) result = distinctRows(result);
    return query.orderBy === undefined ? result : [...result].sort(rowOrder(query));
  };
}

/** Ties are broken by resource id, in the direction of the first item. */
function rowOrder(query: Query): (left: ResultRow, right: ResultRow) => number {
  const signs = query.orderBy?.map((item) => (item.direction === 'ascending' ? 1 : -1)) ?? [];
  return (left, right) => {
    for (const [index, sign] of signs.entries()) {
      const order = compareValues(left.orderValues[index], right.orderValues[index]);
      if (order !== 0) return order * sign;
    }
    return (left.number - right.number) * (signs[0] ?? 1);
  };
}

function* distinctRows(rows: Iterable<ResultRow>): Iterable<ResultRow> {
  const seen = new Set<string>();
  for (const row of rows) {
    const text = canonicalText(row.value);
    if (seen.has(text)) continue;
    seen.add(text);
    yield row;
  }
}

/** One frame per group, carrying the group's frames. Without GROUP BY all rows, even none, are one group. */
function* groupsOf(
  frames: Iterable<FrameOfDocument>,
  groupBy: readonly Evaluator[] | undefined,
  outside: Frame,
): Iterable<FrameOfDocument> {
  if (groupBy === undefined) {
    const group = [...frames].map((row) => row.frame);
    yield { frame: { ...(group[0] ?? outside), group }, number: 0 };
    return;
  }
  const groups = new Map<string, Frame[]>();
  for (const { frame } of frames) {
    const key = canonicalText(groupBy.map((item) => item(frame) ?? { undefined: true }));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [frame]);
    else group.push(frame);
  }
  for (const group of groups.values()) {
    const [first] = group;
    if (first !== undefined) yield { frame: { ...first, group }, number: 0 };
  }
}

function compileSelection(query: Query, scope: Scope): Evaluator {
  const { selection } = query;
  const compile = (expression: Expression) => compileExpression(expression, scope, compileSubquery);
  if (selection.kind === 'value') return compile(selection.expression);
  if (selection.kind === 'star') {
    const slot = Math.max(...scope.values(), 0);
    return (frame) => frame.slots[slot];
  }
  const names = itemNames(selection.items);
  const properties = selection.items.map(
    (item, index) => [names[index] ?? '', compile(item.expression)] as const,
  );
  return (frame) => objectOf(properties, frame);
}

interface CompiledSources {
  readonly rows: (frame: Frame, documents: Documents) => Iterable<FrameOfDocument>;
  readonly scope: Scope;
}

function compileSources(sources: readonly Source[], outer: Scope, overContainer: boolean): CompiledSources {
  const scope = new Map(outer);
  let nextSlot = Math.max(-1, ...outer.values()) + 1;
  const declare = (alias: string | undefined) => {
    const slot = nextSlot++;
    if (alias !== undefined) scope.set(alias, slot);
    return slot;
  };
  const [first, ...joins] = sources;
  if (first === undefined) {
    return { scope, rows: (frame) => [{ frame, number: 0 }] };
  }
  const start = overContainer ? containerSource(first, declare) : joinStep(first, scope, declare);
  const steps = joins.map((join) => joinStep(join, scope, declare));
  const rows = steps.reduce<CompiledSources['rows']>(
    (before, step) =>
      function* (frame, documents) {
        for (const row of before(frame, documents)) {
          for (const joined of step(row.frame, undefined)) yield { frame: joined.frame, number: row.number };
        }
      },
    start,
  );
  return { scope, rows };
}

type Declare = (alias: string | undefined) => number;

function withSlot(frame: Frame, slot: number, value: Value): Frame {
  const slots = frame.slots.slice();
  slots[slot] = value;
  return { ...frame, slots };
}

/** The first FROM source of the whole query: its root name, whatever it is, means the container's documents. */
function containerSource(source: Source, declare: Declare): CompiledSources['rows'] {
  if (source.kind === 'query') {
    const select = compileSelect(source.query, new Map(), true);
    const slot = declare(source.alias);
    return function* (frame, documents) {
      const window = windowOf(source.query, frame.parameters);
      for (const { value } of windowed(select(frame, documents), window)) {
        yield { frame: withSlot(frame, slot, value), number: 0 };
      }
    };
  }
  const values = valuesOf(source, new Map([[source.root, 0]]));
  const slot = declare(source.alias);
  return function* (frame, documents) {
    for (const { document, number } of documents ?? []) {
      const root: Frame = { ...frame, slots: [document] };
      for (const value of values(root)) yield { frame: withSlot(root, slot, value), number };
    }
  };
}

/** A source whose root is a name that was declared before it. */
function joinStep(source: Source, scope: Map<string, number>, declare: Declare): CompiledSources['rows'] {
  if (source.kind === 'query') {
    const run = compileSubquery(source.query, new Map(scope));
    const slot = declare(source.alias);
    return function* (frame) {
      for (const value of run(frame)) yield { frame: withSlot(frame, slot, value), number: 0 };
    };
  }
  const path = source.kind === 'path' ? source.path : source.of;
  if (!scope.has(source.root)) throw unresolved(source.root, path);
  const values = valuesOf(source, new Map(scope));
  const slot = declare(source.alias);
  return function* (frame) {
    for (const value of values(frame)) yield { frame: withSlot(frame, slot, value), number: 0 };
  };
}

/** The values a path source binds its alias to: the value itself, or each element of the array it is. */
function valuesOf(source: Source & { kind: 'path' | 'elements' }, scope: Scope): (frame: Frame) => Value[] {
  if (source.kind === 'path') {
    const path = compileExpression(source.path, scope, compileSubquery);
    return (frame) => {
      const value = path(frame);
      return value === undefined ? [] : [value];
    };
  }
  const array = compileExpression(source.of, scope, compileSubquery);
  return (frame) => {
    const value = array(frame);
    return Array.isArray(value) ? [...value] : [];
  };
}
