// How values compare. `undefined` is a value of the query language: a property that is not there.
import { isJsonObject, type Json } from '../json.ts';

export type Value = Json | undefined;

/**
 * The order of types in ORDER BY, MIN and MAX: undefined, null, boolean, number, string, array, object.
 * Source: "ORDER BY clause", section "Remarks", and the comparison ranks of the public client SDKs.
 */
export function typeRank(value: Value): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (typeof value === 'boolean') return 2;
  if (typeof value === 'number') return 3;
  if (typeof value === 'string') return 4;
  return Array.isArray(value) ? 5 : 6;
}

/** Equality by value; objects are equal whatever the order of their properties. */
export function sameValue(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => sameValue(item, right[index]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && sameValue(left[name], right[name]))
  );
}

/** Total order over all values, negative when left comes first. */
export function compareValues(left: Value, right: Value): number {
  const rank = typeRank(left);
  const difference = rank - typeRank(right);
  if (difference !== 0) return difference;
  if (rank <= 1 || sameValue(left, right)) return 0;
  if (rank <= 4) return (left as number) < (right as number) ? -1 : 1;
  return canonicalText(left) < canonicalText(right) ? -1 : 1;
}

/** A text that is the same for equal values only: JSON with sorted property names. */
export function canonicalText(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value) ?? 'undefined';
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name])}`).join(',')}}`;
}

/** `<`, `>` and their like: undefined unless both are booleans, numbers or strings of the same type. */
export function relate(operator: '<' | '>' | '<=' | '>=', left: Value, right: Value): boolean | undefined {
  const rank = typeRank(left);
  if (rank !== typeRank(right) || rank < 2 || rank > 4) return undefined;
  const order = compareValues(left, right);
  if (operator === '<') return order < 0;
  if (operator === '>') return order > 0;
  return operator === '<=' ? order <= 0 : order >= 0;
}

/** Does `full` contain `part`: an object of which only the named properties must be equal, else equality. */
export function containsPartially(full: Value, part: Value): boolean {
  if (!isJsonObject(full) || !isJsonObject(part)) return sameValue(full, part);
  return Object.keys(part).every(
    (name) => Object.hasOwn(full, name) && containsPartially(full[name], part[name]),
  );
}

/** The member of an object by name, or of an array by index; undefined for everything else. */
export function memberOf(of: Value, member: Value): Value {
  if (Array.isArray(of)) return typeof member === 'number' ? of[member] : undefined;
  if (!isJsonObject(of) || typeof member !== 'string') return undefined;
  return Object.hasOwn(of, member) ? of[member] : undefined;
}
