// Syntax tree back to text, in the form the service's own planner writes.
import type { Expression, OrderItem, Query, Source } from './syntax.ts';

/** The text of an expression; compound expressions come in parentheses. */
export function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'literal':
      return expression.value === undefined ? 'undefined' : JSON.stringify(expression.value);
    case 'parameter':
    case 'name':
      return expression.name;
    case 'member':
      return expression.dotted && expression.member.kind === 'literal'
        ? `${expressionText(expression.of)}.${expression.member.value}`
        : `${expressionText(expression.of)}[${expressionText(expression.member)}]`;
    case 'unary':
      return `(${expression.operator}${expression.operator === 'NOT' ? ' ' : ''}${expressionText(expression.operand)})`;
    case 'binary':
      return `(${expressionText(expression.left)} ${expression.operator} ${expressionText(expression.right)})`;
    case 'coalesce':
      return `(${expressionText(expression.left)} ?? ${expressionText(expression.right)})`;
    case 'conditional':
      return `(${expressionText(expression.condition)} ? ${expressionText(expression.whenTrue)} : ${expressionText(expression.otherwise)})`;
    case 'between': {
      const bounds = `${expressionText(expression.low)} AND ${expressionText(expression.high)}`;
      return `(${expressionText(expression.operand)} ${not(expression)}BETWEEN ${bounds})`;
    }
    case 'in':
      return `(${expressionText(expression.operand)} ${not(expression)}IN (${expression.list.map(expressionText).join(', ')}))`;
    case 'like': {
      const escaped =
        expression.escapeCharacter === undefined
          ? ''
          : ` ESCAPE ${JSON.stringify(expression.escapeCharacter)}`;
      return `(${expressionText(expression.operand)} ${not(expression)}LIKE ${expressionText(expression.pattern)}${escaped})`;
    }
    case 'call': {
      const name = expression.userDefined ? `udf.${expression.name}` : expression.name.toUpperCase();
      return `${name}(${expression.arguments.map(expressionText).join(', ')})`;
    }
    case 'array':
      return `[${expression.items.map(expressionText).join(', ')}]`;
    case 'object':
      return objectText(expression.properties.map(({ name, value }) => [name, expressionText(value)]));
    case 'subquery': {
      const keyword = { value: '', exists: 'EXISTS', array: 'ARRAY' }[expression.form];
      return `${keyword}(\n${indented(queryText(expression.query))}\n)`;
    }
  }
}

/** An object literal of named expression texts. */
export function objectText(properties: readonly (readonly [string, string])[]): string {
  return `{${properties.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(', ')}}`;
}

/** The text of a query, a clause per line. */
export function queryText(query: Query): string {
  const lines = [`SELECT ${query.distinct ? 'DISTINCT ' : ''}${topText(query)}${selectionText(query)}`];
  lines.push(...sourceLines(query));
  if (query.where !== undefined) lines.push(`WHERE ${expressionText(query.where)}`);
  if (query.groupBy !== undefined) lines.push(groupByLine(query.groupBy));
  if (query.orderBy !== undefined) lines.push(orderByLine(query.orderBy));
  if (query.offsetLimit !== undefined) {
    const { offset, limit } = query.offsetLimit;
    lines.push(`OFFSET ${countText(offset)} LIMIT ${countText(limit)}`);
  }
  return lines.join('\n');
}

/** `TOP 5 ` or nothing. */
export function topText(query: Query): string {
  return query.top === undefined ? '' : `TOP ${countText(query.top)} `;
}

/** What stands between SELECT and FROM, without DISTINCT and TOP. */
function selectionText({ selection }: Query): string {
  if (selection.kind === 'star') return '*';
  if (selection.kind === 'value') return `VALUE ${expressionText(selection.expression)}`;
  return selection.items
    .map(({ expression, alias }) => expressionText(expression) + (alias === undefined ? '' : ` AS ${alias}`))
    .join(', ');
}

/** The FROM line and the JOIN lines. */
export function sourceLines(query: Query): string[] {
  return query.sources.map((source, index) => `${index === 0 ? 'FROM' : 'JOIN'} ${sourceText(source)}`);
}

export function groupByLine(groupBy: readonly Expression[]): string {
  return `GROUP BY ${groupBy.map(expressionText).join(', ')}`;
}

export function orderByLine(orderBy: readonly OrderItem[]): string {
  const items = orderBy.map(({ expression, direction, spelledOut }) => {
    const word = direction === 'descending' ? ' DESC' : spelledOut ? ' ASC' : '';
    return expressionText(expression) + word;
  });
  return `ORDER BY ${items.join(', ')}`;
}

function sourceText(source: Source): string {
  if (source.kind === 'elements') return `${source.alias} IN ${expressionText(source.of)}`;
  if (source.kind === 'query') {
    const alias = source.alias === undefined ? '' : ` AS ${source.alias}`;
    return `(\n${indented(queryText(source.query))}\n)${alias}`;
  }
  const path = expressionText(source.path);
  return path === source.alias || path.endsWith(`.${source.alias}`) ? path : `${path} AS ${source.alias}`;
}

function countText(count: NonNullable<Query['top']>): string {
  return count.kind === 'literal' ? String(count.value) : count.name;
}

function not({ negated }: { readonly negated: boolean }): string {
  return negated ? 'NOT ' : '';
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
