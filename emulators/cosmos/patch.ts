// Partial updates of a document. Source: "Partial document update in Azure Cosmos DB", sections "Supported
// operations" and "Supported modes".
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { badRequest, CosmosRefusal } from './refusal.ts';
import { compileSyntax } from './sql/execute.ts';
import { parsePatchCondition } from './sql/parser.ts';

/** Source: "Frequently asked questions: partial document update", limits. */
const MAX_OPERATIONS = 10;

const SYSTEM_PROPERTIES: ReadonlySet<string> = new Set([
  'id',
  '_rid',
  '_self',
  '_etag',
  '_ts',
  '_attachments',
]);

type MutableJson = Json | MutableObject | MutableJson[];
interface MutableObject {
  [name: string]: MutableJson;
}

interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from: string | undefined;
  readonly value: Json | undefined;
}

/**
 * The document after the patch: `[{op, path, value}]` or `{condition?, operations}`. Throws 412/1110 when the condition
 * does not hold and 400 when an operation cannot be applied; then nothing has changed.
 */
export function patched(document: JsonObject, patch: Json, nowMs: number): JsonObject {
  const specification = isJsonObject(patch) ? patch : { operations: patch };
  const condition = specification['condition'];
  if (typeof condition === 'string' && !holdsFor(document, condition, nowMs)) {
    throw new CosmosRefusal(412, 'One of the specified pre-condition is not met.', 1110);
  }
  const operations = operationsOf(specification['operations']);
  const result = structuredClone(document) as MutableObject;
  for (const [index, operation] of operations.entries()) applyOperation(result, operation, index + 1);
  return result as JsonObject;
}

function holdsFor(document: JsonObject, condition: string, nowMs: number): boolean {
  const query = compileSyntax(parsePatchCondition(condition));
  const rows = query.run([{ number: 1, document }], { parameters: new Map(), nowMs });
  return [...rows].length > 0;
}

function operationsOf(operations: Json | undefined): PatchOperation[] {
  if (!Array.isArray(operations) || operations.length === 0) {
    throw badRequest('A patch must have at least one operation.');
  }
  if (operations.length > MAX_OPERATIONS) {
    throw badRequest(`The number of patch operations can't exceed '${MAX_OPERATIONS}'.`);
  }
  return (operations as readonly Json[]).map((operation) => {
    const { op, path, from, value } = isJsonObject(operation) ? operation : {};
    if (typeof op !== 'string' || typeof path !== 'string' || !path.startsWith('/')) {
      throw badRequest(
        `A patch operation needs 'op' and a 'path' that begins with '/': ${JSON.stringify(operation)}`,
      );
    }
    const [root] = stepsOf(path);
    if (root !== undefined && SYSTEM_PROPERTIES.has(root)) {
      throw badRequest(`A patch cannot change the system property '${root}'.`);
    }
    return { op: op.toLowerCase(), path, from: typeof from === 'string' ? from : undefined, value };
  });
}

/** Steps of a JSON pointer (RFC 6901). */
function stepsOf(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** A place in the document: a property of an object or an index of an array. */
interface Place {
  readonly holder: MutableObject | MutableJson[];
  readonly step: string;
}

function placeOf(document: MutableObject, path: string, ordinal: number, op: string): Place {
  const steps = stepsOf(path);
  const step = steps.pop() ?? '';
  let holder: MutableJson | undefined = document;
  for (const name of steps) holder = valueAtPlace(holder, name);
  if (typeof holder !== 'object' || holder === null) {
    const rule =
      'can only create a child object of an existing node(array or object) and cannot create path recursively, no path found beyond';
    throw badRequest(`For Operation(${ordinal}): ${op} Operation ${rule}: '${path}'.`);
  }
  return { holder: holder as MutableObject | MutableJson[], step };
}

function valueAtPlace(holder: MutableJson | undefined, step: string): MutableJson | undefined {
  if (Array.isArray(holder)) return holder[indexOf(step)];
  if (typeof holder !== 'object' || holder === null) return undefined;
  return Object.hasOwn(holder, step) ? (holder as MutableObject)[step] : undefined;
}

function indexOf(step: string): number {
  return /^(0|[1-9]\d*)$/.test(step) ? Number(step) : Number.NaN;
}

function applyOperation(document: MutableObject, operation: PatchOperation, ordinal: number): void {
  const { op, path, value } = operation;
  const refuse = (rule: string) => badRequest(`For Operation(${ordinal}): ${op} Operation ${rule}`);
  const place = placeOf(document, path, ordinal, op);
  const current = valueAtPlace(place.holder, place.step);
  const given = () => {
    if (value === undefined) throw refuse(`needs a value for '${path}'.`);
    return structuredClone(value) as MutableJson;
  };
  switch (op) {
    case 'add':
      insert(place, given(), refuse);
      return;
    case 'set':
      if (Array.isArray(place.holder) && current !== undefined) place.holder[indexOf(place.step)] = given();
      else insert(place, given(), refuse);
      return;
    case 'replace':
      if (current === undefined) throw refuse(`only support existing node: '${path}'.`);
      assign(place, given());
      return;
    case 'remove':
      if (current === undefined) throw refuse(`only support existing node: '${path}'.`);
      remove(place);
      return;
    case 'incr': {
      if (typeof value !== 'number') throw refuse(`needs a number for '${path}'.`);
      if (current !== undefined && typeof current !== 'number') {
        throw refuse(`can only increment a number: '${path}'.`);
      }
      if (current === undefined) insert(place, value, refuse);
      else assign(place, current + value);
      return;
    }
    case 'move':
      move(document, operation, ordinal, refuse);
      return;
    default:
      throw badRequest(`'${op}' is no patch operation: use add, set, replace, remove, incr or move.`);
  }
}

/** Adds: into an object by name (overwriting), into an array before an index or at its end with `-`. */
function insert({ holder, step }: Place, value: MutableJson, refuse: (rule: string) => Error): void {
  if (!Array.isArray(holder)) {
    holder[step] = value;
    return;
  }
  const index = step === '-' ? holder.length : indexOf(step);
  if (!(index <= holder.length)) throw refuse(`index '${step}' is out of array bounds.`);
  holder.splice(index, 0, value);
}

function assign({ holder, step }: Place, value: MutableJson): void {
  if (Array.isArray(holder)) holder[indexOf(step)] = value;
  else holder[step] = value;
}

function remove({ holder, step }: Place): void {
  if (Array.isArray(holder)) holder.splice(indexOf(step), 1);
  else delete holder[step];
}

function move(
  document: MutableObject,
  { from, path }: PatchOperation,
  ordinal: number,
  refuse: (rule: string) => Error,
): void {
  if (from === undefined || !from.startsWith('/')) throw refuse(`needs 'from', a path that begins with '/'.`);
  if (path.startsWith(`${from}/`)) throw refuse(`cannot move '${from}' into itself.`);
  const source = placeOf(document, from, ordinal, 'move');
  const value = valueAtPlace(source.holder, source.step);
  if (value === undefined) throw refuse(`only support existing node: '${from}'.`);
  remove(source);
  const target = placeOf(document, path, ordinal, 'move');
  if (Array.isArray(target.holder)) insert(target, value, refuse);
  else assign(target, value);
}
