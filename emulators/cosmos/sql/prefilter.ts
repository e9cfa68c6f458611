// What a store can sort out before a query runs: documents whose property is not the text that WHERE demands.
import { documentPathOf } from './query-plan.ts';
import type { Expression, Query } from './syntax.ts';
import type { Value } from './values.ts';

/** The property at this path must be this text. */
export interface TextEquality {
  /** Property names from the root, all of them plain identifiers. */
  readonly path: readonly string[];
  readonly text: string;
}

const PLAIN_PATH = /^(\/[A-Za-z_]\w*)+$/;

/** Comparisons `c.path = 'text'` that every result must fulfil. The query still has to be evaluated in full. */
export function textEqualities(query: Query, parameters: ReadonlyMap<string, Value>): TextEquality[] {
  const [source, ...joins] = query.sources;
  if (source?.kind !== 'path' || source.path.kind !== 'name' || query.where === undefined) return [];
  if (joins.some(({ alias }) => alias === source.alias)) return [];
  return equalitiesOf(query.where, source.alias, parameters);
}

function equalitiesOf(
  condition: Expression,
  root: string,
  parameters: ReadonlyMap<string, Value>,
): TextEquality[] {
  if (condition.kind !== 'binary') return [];
  const { left, right } = condition;
  if (condition.operator === 'AND') {
    return [...equalitiesOf(left, root, parameters), ...equalitiesOf(right, root, parameters)];
  }
  if (condition.operator !== '=') return [];
  return [
    [left, right],
    [right, left],
  ].flatMap(([member, constant]) => {
    const path = member === undefined ? undefined : documentPathOf(member, root);
    const text = constant === undefined ? undefined : constantText(constant, parameters);
    if (path === undefined || text === undefined || !PLAIN_PATH.test(path)) return [];
    return [{ path: path.slice(1).split('/'), text }];
  });
}

/** A text without the characters on which databases disagree: NUL and halves of surrogate pairs. */
function constantText(expression: Expression, parameters: ReadonlyMap<string, Value>): string | undefined {
  const value =
    expression.kind === 'literal'
      ? expression.value
      : expression.kind === 'parameter'
        ? parameters.get(expression.name)
        : undefined;
  return typeof value === 'string' && !value.includes('\0') && value.isWellFormed() ? value : undefined;
}
