/**
 * SQL filters of subscriptions, by "Subscription Rule SQL Filter Syntax"
 * (https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-filter): predicates with AND, OR,
 * NOT, comparison, IS NULL, IN, LIKE, EXISTS; arithmetic; `sys.` and `user.` scopes; three-valued logic, where a user
 * property that is not there is unknown. `sql-grammar.ts` reads the text; here the tree is evaluated.
 */
import { parseSql, type SqlNode, SqlSyntaxError } from './sql-grammar.ts';

/** The properties of one message that a filter may ask for. */
export interface FilterSubject {
  /** By lower-case name without `sys.`; `undefined` when the message does not carry it. */
  readonly system: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
}

export type SqlFilter = (subject: FilterSubject) => boolean;

/** `null` is SQL's unknown. */
type SqlValue = string | number | boolean | null;

export function compileSqlFilter(
  expression: string,
  parameters: Readonly<Record<string, unknown>> = {},
): { readonly matches: SqlFilter } | { readonly fault: string } {
  let tree: SqlNode;
  try {
    tree = parseSql(expression);
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    return { fault: `the SQL expression "${expression}" cannot be read: ${error.message}` };
  }
  return { matches: (subject) => evaluate(tree, { subject, parameters }) === true };
}

interface Scope {
  readonly subject: FilterSubject;
  readonly parameters: Readonly<Record<string, unknown>>;
}

function evaluate(node: SqlNode, scope: Scope): SqlValue {
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'property':
      return propertyValue(node, scope);
    case 'parameter':
      return toSqlValue(scope.parameters[node.name] ?? scope.parameters[node.name.slice(1)]);
    case 'not': {
      const operand = evaluate(node.operand, scope);
      return typeof operand === 'boolean' ? !operand : null;
    }
    case 'and':
    case 'or':
      return logical(node.kind, evaluate(node.left, scope), () => evaluate(node.right, scope));
    case 'compare':
      return compare(node.operator, evaluate(node.left, scope), evaluate(node.right, scope));
    case 'arithmetic':
      return arithmetic(node.operator, evaluate(node.left, scope), evaluate(node.right, scope));
    case 'isNull':
      return (evaluate(node.operand, scope) === null) !== node.negated;
    case 'exists':
      return evaluate(node.property, scope) !== null;
    case 'in': {
      const value = evaluate(node.operand, scope);
      if (value === null) return null;
      return (
        node.choices.some((choice) => compare('=', value, evaluate(choice, scope)) === true) !== node.negated
      );
    }
    case 'like': {
      const value = evaluate(node.operand, scope);
      const pattern = evaluate(node.pattern, scope);
      if (typeof value !== 'string' || typeof pattern !== 'string') return null;
      return likePattern(pattern, node.escape).test(value) !== node.negated;
    }
  }
}

function propertyValue(node: { scope: 'sys' | 'user'; name: string }, scope: Scope): SqlValue {
  if (node.scope === 'sys') return toSqlValue(scope.subject.system[node.name.toLowerCase()]);
  const { user } = scope.subject;
  if (Object.hasOwn(user, node.name)) return toSqlValue(user[node.name]);
  // Names of properties are not case-sensitive in a filter.
  const name = Object.keys(user).find((key) => key.toLowerCase() === node.name.toLowerCase());
  return name === undefined ? null : toSqlValue(user[name]);
}

function toSqlValue(value: unknown): SqlValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Date) return value.getTime();
  if (Buffer.isBuffer(value) && value.length === 8) return Number(value.readBigInt64BE(0));
  if (Buffer.isBuffer(value)) return value.toString('hex');
  return null;
}

function logical(operator: 'and' | 'or', left: SqlValue, right: () => SqlValue): SqlValue {
  const decisive = operator === 'or';
  if (left === decisive) return decisive;
  const other = right();
  if (other === decisive) return decisive;
  return typeof left === 'boolean' && typeof other === 'boolean' ? !decisive : null;
}

function compare(operator: string, left: SqlValue, right: SqlValue): SqlValue {
  if (left === null || right === null) return null;
  if (typeof left !== typeof right) return operator === '=' ? false : operator === '<>' ? true : null;
  switch (operator) {
    case '=':
      return left === right;
    case '<>':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}

function arithmetic(operator: string, left: SqlValue, right: SqlValue): SqlValue {
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  if (typeof left !== 'number' || typeof right !== 'number') return null;
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    default:
      return left % right;
  }
}

/** `%` is any text, `_` any character; the escape character takes the meaning from the one after it. */
function likePattern(pattern: string, escapeCharacter: string | undefined): RegExp {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    let character = pattern[index]!;
    const isEscaped =
      escapeCharacter !== undefined && character === escapeCharacter && index + 1 < pattern.length;
    if (isEscaped) character = pattern[++index]!;
    if (!isEscaped && character === '%') source += '.*';
    else if (!isEscaped && character === '_') source += '.';
    else source += character.replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
  }
  return new RegExp(`^${source}$`, 's');
}
