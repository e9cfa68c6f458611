// The built-in functions. A function given a value of the wrong type yields undefined, as in the service.
// Source: "Azure Cosmos DB for NoSQL: system functions".
import { isJsonObject, type Json } from '../json.ts';
import { containsPartially, sameValue, typeRank, type Value } from './values.ts';

/** What a function can see besides its arguments. */
export interface FunctionContext {
  /** The time of the query, milliseconds since 1970; the same for all rows. */
  readonly nowMs: number;
}

type BuiltIn = (values: readonly Value[], context: FunctionContext) => Value;

function onText(apply: (text: string, ...rest: Value[]) => Value): BuiltIn {
  return ([first, ...rest]) => (typeof first === 'string' ? apply(first, ...rest) : undefined);
}

function onTexts(apply: (...texts: string[]) => Value): BuiltIn {
  return (values) => {
    const texts = values.filter((value) => typeof value === 'string');
    return texts.length === values.length && texts.length > 0 ? apply(...texts) : undefined;
  };
}

function onNumbers(apply: (...numbers: number[]) => number): BuiltIn {
  return (values) => {
    const numbers = values.filter((value) => typeof value === 'number');
    if (numbers.length !== values.length) return undefined;
    const result = apply(...numbers);
    return Number.isFinite(result) ? result : undefined;
  };
}

function onArray(apply: (array: readonly Json[], ...rest: Value[]) => Value): BuiltIn {
  return ([first, ...rest]) => (Array.isArray(first) ? apply(first as readonly Json[], ...rest) : undefined);
}

function onArrays(apply: (...arrays: (readonly Json[])[]) => Value): BuiltIn {
  return (values) => {
    const arrays = values.filter((value) => Array.isArray(value)) as (readonly Json[])[];
    return arrays.length === values.length ? apply(...arrays) : undefined;
  };
}

/** A search in text whose third argument `true` ignores case. */
function textSearch(search: (text: string, part: string) => boolean): BuiltIn {
  return ([text, part, ignoreCase]) => {
    if (typeof text !== 'string' || typeof part !== 'string') return undefined;
    return ignoreCase === true ? search(text.toLowerCase(), part.toLowerCase()) : search(text, part);
  };
}

function isType(rank: number): BuiltIn {
  return ([value]) => typeRank(value) === rank;
}

function parsedAs(wanted: (value: Json) => boolean): BuiltIn {
  return onText((text) => {
    try {
      const value = JSON.parse(text) as Json;
      return wanted(value) ? value : undefined;
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  });
}

function substring(text: string, start: Value, length: Value): Value {
  if (typeof start !== 'number' || typeof length !== 'number') return undefined;
  const from = Math.max(0, start);
  return text.slice(from, from + Math.max(0, length));
}

function arraySlice(array: readonly Json[], start: Value, length: Value): Value {
  if (typeof start !== 'number') return undefined;
  const from = start < 0 ? Math.max(0, array.length + start) : start;
  return array.slice(from, typeof length === 'number' ? from + Math.max(0, length) : undefined);
}

function roundHalfAwayFromZero(value: number, digits = 0): number {
  const scale = 10 ** digits;
  return (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale;
}

function asText(value: Value): Value {
  if (value === undefined || typeof value === 'string') return value;
  return JSON.stringify(value);
}

/** `2026-11-22T10:00:00.0000000Z`: seven digits of fraction, as the service writes times. */
function dateTimeText(epochMs: number): string | undefined {
  if (!Number.isFinite(epochMs) || Math.abs(epochMs) > 8.64e15) return undefined;
  return new Date(epochMs).toISOString().replace('Z', '0000Z');
}

function epochMsOf(text: Value): number | undefined {
  if (typeof text !== 'string') return undefined;
  const epochMs = Date.parse(text);
  return Number.isNaN(epochMs) ? undefined : epochMs;
}

const UNIT_MS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    day: 86_400_000,
    dd: 86_400_000,
    d: 86_400_000,
    hour: 3_600_000,
    hh: 3_600_000,
    minute: 60_000,
    mi: 60_000,
    n: 60_000,
    second: 1000,
    ss: 1000,
    s: 1000,
    millisecond: 1,
    ms: 1,
  }),
);

function dateTimeAdd([part, amount, text]: readonly Value[]): Value {
  const epochMs = epochMsOf(text);
  if (typeof part !== 'string' || typeof amount !== 'number' || epochMs === undefined) return undefined;
  const unitMs = UNIT_MS.get(part.toLowerCase());
  return unitMs === undefined ? undefined : dateTimeText(epochMs + unitMs * amount);
}

function dateTimeDiff([part, from, to]: readonly Value[]): Value {
  const [fromMs, toMs] = [epochMsOf(from), epochMsOf(to)];
  const unitMs = typeof part === 'string' ? UNIT_MS.get(part.toLowerCase()) : undefined;
  if (fromMs === undefined || toMs === undefined || unitMs === undefined) return undefined;
  return Math.floor(toMs / unitMs) - Math.floor(fromMs / unitMs);
}

function regexMatch([text, pattern, modifiers]: readonly Value[]): Value {
  if (typeof text !== 'string' || typeof pattern !== 'string') return undefined;
  const flags = typeof modifiers === 'string' ? modifiers.replace('x', '') : '';
  try {
    return new RegExp(pattern, flags).test(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function distinctItems(items: readonly Json[]): Json[] {
  return items.filter((item, index) => items.findIndex((other) => sameValue(item, other)) === index);
}

const holds = (array: readonly Json[], item: Value) => array.some((other) => sameValue(other, item));

const TYPE_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  IS_DEFINED: ([value]) => value !== undefined,
  IS_NULL: isType(1),
  IS_BOOL: isType(2),
  IS_NUMBER: isType(3),
  IS_STRING: isType(4),
  IS_ARRAY: isType(5),
  IS_OBJECT: isType(6),
  IS_PRIMITIVE: ([value]) => typeRank(value) >= 1 && typeRank(value) <= 4,
  IS_INTEGER: ([value]) => Number.isSafeInteger(value),
  IS_FINITE_NUMBER: ([value]) => typeof value === 'number' && Number.isFinite(value),
};

const TEXT_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  CONTAINS: textSearch((text, part) => text.includes(part)),
  STARTSWITH: textSearch((text, part) => text.startsWith(part)),
  ENDSWITH: textSearch((text, part) => text.endsWith(part)),
  STRINGEQUALS: textSearch((text, part) => text === part),
  LOWER: onText((text) => text.toLowerCase()),
  UPPER: onText((text) => text.toUpperCase()),
  LENGTH: onText((text) => text.length),
  TRIM: onText((text) => text.trim()),
  LTRIM: onText((text) => text.trimStart()),
  RTRIM: onText((text) => text.trimEnd()),
  REVERSE: onText((text) => [...text].reverse().join('')),
  INDEX_OF: onText((text, part, start) =>
    typeof part === 'string' ? text.indexOf(part, typeof start === 'number' ? start : 0) : undefined,
  ),
  SUBSTRING: onText(substring),
  LEFT: onText((text, length) => substring(text, 0, length)),
  RIGHT: onText((text, length) =>
    typeof length === 'number' ? text.slice(Math.max(0, text.length - Math.max(0, length))) : undefined,
  ),
  REPLACE: onTexts((text, part, by) => (part === '' ? text : text.replaceAll(part ?? '', by ?? ''))),
  REPLICATE: onText((text, times) =>
    typeof times === 'number' && times >= 0 && text.length * times <= 10_000 ? text.repeat(times) : undefined,
  ),
  CONCAT: onTexts((...texts) => texts.join('')),
  REGEXMATCH: regexMatch,
  TOSTRING: ([value]) => asText(value),
  STRINGTOARRAY: parsedAs((value) => Array.isArray(value)),
  STRINGTOBOOLEAN: parsedAs((value) => typeof value === 'boolean'),
  STRINGTONULL: parsedAs((value) => value === null),
  STRINGTONUMBER: parsedAs((value) => typeof value === 'number'),
  STRINGTOOBJECT: parsedAs(isJsonObject),
  STRINGJOIN: ([array, separator]) =>
    Array.isArray(array) && typeof separator === 'string' && array.every((item) => typeof item === 'string')
      ? array.join(separator)
      : undefined,
  STRINGSPLIT: onTexts((text, separator) => text.split(separator ?? '')),
};

const ARRAY_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  ARRAY_CONTAINS: onArray((array, item, partial) =>
    partial === true ? array.some((other) => containsPartially(other, item)) : holds(array, item),
  ),
  ARRAY_CONTAINS_ANY: onArrays((array, wanted) => wanted?.some((item) => holds(array ?? [], item))),
  ARRAY_CONTAINS_ALL: onArrays((array, wanted) => wanted?.every((item) => holds(array ?? [], item))),
  ARRAY_LENGTH: onArray((array) => array.length),
  ARRAY_CONCAT: onArrays((...arrays) => arrays.flat(1)),
  ARRAY_SLICE: onArray(arraySlice),
  SETINTERSECT: onArrays((left, right) =>
    distinctItems((left ?? []).filter((item) => holds(right ?? [], item))),
  ),
  SETUNION: onArrays((left, right) => distinctItems([...(left ?? []), ...(right ?? [])])),
  SETDIFFERENCE: onArrays((left, right) =>
    distinctItems((left ?? []).filter((item) => !holds(right ?? [], item))),
  ),
  OBJECTTOARRAY: ([value]) =>
    isJsonObject(value) ? Object.entries(value).map(([k, v]): Json => ({ k, v })) : undefined,
  CHOOSE: ([index, ...choices]) => (typeof index === 'number' ? choices[index - 1] : undefined),
};

const NUMBER_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  ABS: onNumbers(Math.abs),
  ACOS: onNumbers(Math.acos),
  ASIN: onNumbers(Math.asin),
  ATAN: onNumbers(Math.atan),
  ATN2: onNumbers(Math.atan2),
  CEILING: onNumbers(Math.ceil),
  COS: onNumbers(Math.cos),
  DEGREES: onNumbers((radians) => (radians * 180) / Math.PI),
  EXP: onNumbers(Math.exp),
  FLOOR: onNumbers(Math.floor),
  LOG: onNumbers((value, base) => (base === undefined ? Math.log(value) : Math.log(value) / Math.log(base))),
  LOG10: onNumbers(Math.log10),
  NUMBERBIN: onNumbers((value, size = 1) => Math.floor(value / size) * size),
  PI: () => Math.PI,
  POWER: onNumbers(Math.pow),
  RADIANS: onNumbers((degrees) => (degrees * Math.PI) / 180),
  ROUND: onNumbers(roundHalfAwayFromZero),
  SIGN: onNumbers(Math.sign),
  SIN: onNumbers(Math.sin),
  SQRT: onNumbers(Math.sqrt),
  SQUARE: onNumbers((value) => value * value),
  TAN: onNumbers(Math.tan),
  TRUNC: onNumbers(Math.trunc),
  INTADD: onNumbers((left, right) => left + right),
  INTSUB: onNumbers((left, right) => left - right),
  INTMUL: onNumbers((left, right) => left * right),
};

const OTHER_FUNCTIONS: Readonly<Record<string, BuiltIn>> = {
  IIF: ([condition, whenTrue, otherwise]) => (condition === true ? whenTrue : otherwise),
  GETCURRENTDATETIME: (_values, { nowMs }) => dateTimeText(nowMs),
  GETCURRENTDATETIMESTATIC: (_values, { nowMs }) => dateTimeText(nowMs),
  GETCURRENTTIMESTAMP: (_values, { nowMs }) => nowMs,
  GETCURRENTTIMESTAMPSTATIC: (_values, { nowMs }) => nowMs,
  GETCURRENTTICKS: (_values, { nowMs }) => nowMs * 10_000 + 621_355_968_000_000_000,
  DATETIMEADD: dateTimeAdd,
  DATETIMEDIFF: dateTimeDiff,
  DATETIMETOTIMESTAMP: ([text]) => epochMsOf(text),
  TIMESTAMPTODATETIME: ([epochMs]) => (typeof epochMs === 'number' ? dateTimeText(epochMs) : undefined),
};

/** All built-in functions by their name in upper case; the aggregates are not among them. */
export const BUILT_IN_FUNCTIONS: ReadonlyMap<string, BuiltIn> = new Map(
  Object.entries({
    ...TYPE_FUNCTIONS,
    ...TEXT_FUNCTIONS,
    ...ARRAY_FUNCTIONS,
    ...NUMBER_FUNCTIONS,
    ...OTHER_FUNCTIONS,
  }),
);

/** The regular expression of a LIKE pattern: `%` any text, `_` one character, `[a-z]` one of, `[^a-z]` none of. */
export function likeExpression(pattern: string, escapeCharacter: string | undefined): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    const close = character === '[' ? pattern.indexOf(']', at + 1) : -1;
    if (escapeCharacter !== undefined && character === escapeCharacter) {
      at += 1;
      source += escapeExpression(pattern[at] ?? '');
    } else if (character === '%') source += '.*';
    else if (character === '_') source += '.';
    else if (close > 0) {
      source += pattern.slice(at, close + 1).replaceAll('\\', '\\\\');
      at = close;
    } else source += escapeExpression(character);
  }
  return new RegExp(`^${source}$`, 'su');
}

function escapeExpression(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
