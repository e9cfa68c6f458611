// Syntax tree to functions: a query is compiled once and run over many documents.
import type { Json } from '../json.ts';
import { BUILT_IN_FUNCTIONS, type FunctionContext, likeExpression } from './functions.ts';
import { QueryRefusal } from './refusal.ts';
import { type Expression, isAggregateCall, type Query } from './syntax.ts';
import { compareValues, memberOf, relate, sameValue, type Value } from './values.ts';

/** One row while a query runs: what each name is bound to, and for folded rows the rows behind it. */
export interface Frame {
  readonly slots: readonly Value[];
  readonly parameters: ReadonlyMap<string, Value>;
  readonly context: FunctionContext;
  readonly group: readonly Frame[] | undefined;
}

export type Evaluator = (frame: Frame) => Value;

/** The names that can be seen, and the slot of a frame in which each is found. */
export type Scope = ReadonlyMap<string, number>;

/** Runs a sub-query in the frame of the row around it. */
export type SubqueryCompiler = (query: Query, scope: Scope) => (frame: Frame) => Iterable<Json>;

/**
 * Compiles an expression. Throws QueryRefusal SC2001 for a name that is not in the scope and SC2005 for a function
 * that does not exist.
 */
export function compileExpression(
  expression: Expression,
  scope: Scope,
  compileSubquery: SubqueryCompiler,
): Evaluator {
  const compile = (part: Expression) => compileExpression(part, scope, compileSubquery);
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'parameter':
      return parameterEvaluator(expression.name);
    case 'name': {
      const slot = scope.get(expression.name);
      if (slot === undefined) throw unresolved(expression.name, expression);
      return (frame) => frame.slots[slot];
    }
    case 'member':
      return memberEvaluator(compile(expression.of), expression.member, compile);
    case 'unary':
      return unaryEvaluator(expression.operator, compile(expression.operand));
    case 'binary':
      return binaryEvaluator(expression.operator, compile(expression.left), compile(expression.right));
    case 'conditional': {
      const [condition, whenTrue, otherwise] = [
        compile(expression.condition),
        compile(expression.whenTrue),
        compile(expression.otherwise),
      ];
      return (frame) => (condition(frame) === true ? whenTrue(frame) : otherwise(frame));
    }
    case 'coalesce': {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (frame) => {
        const value = left(frame);
        return value === undefined ? right(frame) : value;
      };
    }
    case 'between':
      return betweenEvaluator(expression, compile);
    case 'in':
      return inEvaluator(expression, compile);
    case 'like':
      return likeEvaluator(expression, compile);
    case 'call':
      return callEvaluator(expression, compile);
    case 'array': {
      const items = expression.items.map(compile);
      return (frame) => items.map((item) => item(frame)).filter((item) => item !== undefined);
    }
    case 'object': {
      const properties = expression.properties.map(({ name, value }) => [name, compile(value)] as const);
      return (frame) => objectOf(properties, frame);
    }
    case 'subquery':
      return subqueryEvaluator(expression.form, compileSubquery(expression.query, scope));
  }
}

/** An object of the properties that are defined. */
export function objectOf(properties: readonly (readonly [string, Evaluator])[], frame: Frame): Json {
  const result: Record<string, Json> = {};
  for (const [name, evaluate] of properties) {
    const value = evaluate(frame);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** SC2001: a name that nothing in FROM or JOIN declares. */
export function unresolved(name: string, expression: Expression): QueryRefusal {
  return new QueryRefusal('SC2001', `Identifier '${name}' could not be resolved.`, expression.span);
}

function parameterEvaluator(name: string): Evaluator {
  return (frame) => {
    // A parameter that is not supplied is undefined to the service too.
    return frame.parameters.get(name);
  };
}

function memberEvaluator(
  of: Evaluator,
  member: Expression,
  compile: (part: Expression) => Evaluator,
): Evaluator {
  if (member.kind === 'literal') {
    const { value } = member;
    return (frame) => memberOf(of(frame), value);
  }
  const evaluate = compile(member);
  return (frame) => memberOf(of(frame), evaluate(frame));
}

function unaryEvaluator(operator: '-' | '+' | '~' | 'NOT', operand: Evaluator): Evaluator {
  return (frame) => {
    const value = operand(frame);
    if (operator === 'NOT') return typeof value === 'boolean' ? !value : undefined;
    if (typeof value !== 'number') return undefined;
    return operator === '-' ? -value : operator === '+' ? value : ~value;
  };
}

function binaryEvaluator(
  operator: (Expression & { kind: 'binary' })['operator'],
  left: Evaluator,
  right: Evaluator,
): Evaluator {
  switch (operator) {
    case 'AND':
      return (frame) => and(left(frame), right, frame);
    case 'OR':
      return (frame) => or(left(frame), right, frame);
    case '=':
      return (frame) => equality(left(frame), right(frame));
    case '!=':
      return (frame) => {
        const equal = equality(left(frame), right(frame));
        return equal === undefined ? undefined : !equal;
      };
    case '<':
    case '>':
    case '<=':
    case '>=':
      return (frame) => relate(operator, left(frame), right(frame));
    case '||':
      return (frame) => {
        const [first, second] = [left(frame), right(frame)];
        return typeof first === 'string' && typeof second === 'string' ? first + second : undefined;
      };
    default:
      return (frame) => calculate(operator, left(frame), right(frame));
  }
}

/** Three-valued AND: false wins over undefined. */
function and(left: Value, right: Evaluator, frame: Frame): Value {
  if (left === false) return false;
  const second = right(frame);
  if (second === false) return false;
  return left === true && second === true ? true : undefined;
}

/** Three-valued OR: true wins over undefined. */
function or(left: Value, right: Evaluator, frame: Frame): Value {
  if (left === true) return true;
  const second = right(frame);
  if (second === true) return true;
  return left === false && second === false ? false : undefined;
}

/** Undefined when a side is undefined. */
function equality(left: Value, right: Value): boolean | undefined {
  return left === undefined || right === undefined ? undefined : sameValue(left, right);
}

function calculate(
  operator: '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^',
  left: Value,
  right: Value,
): Value {
  if (typeof left !== 'number' || typeof right !== 'number') return undefined;
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0 ? undefined : left / right;
    case '%':
      return right === 0 ? undefined : left % right;
    case '&':
      return left & right;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
  }
}

type Compile = (part: Expression) => Evaluator;

function negatedIf(negated: boolean, value: boolean | undefined): Value {
  return value === undefined || !negated ? value : !value;
}

function betweenEvaluator(expression: Expression & { kind: 'between' }, compile: Compile): Evaluator {
  const [operand, low, high] = [
    compile(expression.operand),
    compile(expression.low),
    compile(expression.high),
  ];
  return (frame) => {
    const value = operand(frame);
    const above = relate('>=', value, low(frame));
    const below = relate('<=', value, high(frame));
    const inside = above === undefined || below === undefined ? undefined : above && below;
    return negatedIf(expression.negated, inside);
  };
}

function inEvaluator(expression: Expression & { kind: 'in' }, compile: Compile): Evaluator {
  const operand = compile(expression.operand);
  const list = expression.list.map(compile);
  return (frame) => {
    const value = operand(frame);
    if (value === undefined) return undefined;
    return negatedIf(
      expression.negated,
      list.some((item) => sameValue(value, item(frame))),
    );
  };
}

function likeEvaluator(expression: Expression & { kind: 'like' }, compile: Compile): Evaluator {
  const [operand, pattern] = [compile(expression.operand), compile(expression.pattern)];
  let lastPattern: string | undefined;
  let lastExpression = /^$/;
  return (frame) => {
    const [text, wanted] = [operand(frame), pattern(frame)];
    if (typeof text !== 'string' || typeof wanted !== 'string') return undefined;
    if (wanted !== lastPattern) {
      lastExpression = likeExpression(wanted, expression.escapeCharacter);
      lastPattern = wanted;
    }
    return negatedIf(expression.negated, lastExpression.test(text));
  };
}

function callEvaluator(expression: Expression & { kind: 'call' }, compile: Compile): Evaluator {
  const name = expression.name.toUpperCase();
  const values = expression.arguments.map(compile);
  if (isAggregateCall(expression)) return aggregateEvaluator(name, values[0] ?? (() => undefined));
  const builtIn = expression.userDefined ? undefined : BUILT_IN_FUNCTIONS.get(name);
  if (builtIn === undefined) {
    const kind = expression.userDefined ? 'user-defined' : 'built-in';
    const message = `'${expression.name}' is not a recognized ${kind} function name.`;
    throw new QueryRefusal('SC2005', message, expression.span);
  }
  return (frame) =>
    builtIn(
      values.map((value) => value(frame)),
      frame.context,
    );
}

/**
 * COUNT counts defined values; SUM and AVG are undefined once a value is not a number; MIN and MAX follow the order
 * of types. Source: "Aggregate functions in Azure Cosmos DB".
 */
function aggregateEvaluator(name: string, argument: Evaluator): Evaluator {
  return (frame) => {
    const group = frame.group ?? [frame];
    const values = group.map(argument).filter((value) => value !== undefined);
    if (name === 'COUNT') return values.length;
    if (name === 'COUNTIF') return values.filter((value) => value === true).length;
    if (name === 'MIN' || name === 'MAX') {
      const wanted = name === 'MIN' ? -1 : 1;
      return values.reduce<Value>(
        (best, value) =>
          best === undefined || Math.sign(compareValues(value, best)) === wanted ? value : best,
        undefined,
      );
    }
    let sum = 0;
    for (const value of values) {
      if (typeof value !== 'number') return undefined;
      sum += value;
    }
    if (name === 'SUM') return sum;
    return values.length === 0 ? undefined : sum / values.length;
  };
}

function subqueryEvaluator(
  form: 'value' | 'exists' | 'array',
  run: (frame: Frame) => Iterable<Json>,
): Evaluator {
  if (form === 'array') return (frame) => [...run(frame)];
  return (frame) => {
    for (const first of run(frame)) return form === 'exists' ? true : first;
    return form === 'exists' ? false : undefined;
  };
}
