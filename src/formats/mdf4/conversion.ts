import { Mdf4Damage } from './blocks.ts';
import { compileFormula } from './formula.ts';

/**
 * How raw values become physical ones. A numeric conversion has `toNumber`, one that names values has `toText`; a
 * conversion that does either, value by value, has both, and exactly one of them answers (`toNumber` with NaN and
 * `toText` with undefined where it is the other's turn).
 */
export interface Conversion {
  /** For a person: `raw * 0.5 + -40`. */
  readonly description: string;
  readonly unit: string;
  readonly name: string;
  readonly toNumber?: (raw: number) => number;
  /** Set in addition to `toNumber` where the conversion is raw * factor + offset. */
  readonly linear?: { readonly factor: number; readonly offset: number };
  readonly toText?: (raw: number) => string | undefined;
  /** Of value-to-text conversions: raw value to text, `low..high` for ranges, `default` for all others. */
  readonly choices?: Readonly<Record<string, string>>;
  /** Of conversions that start from text. */
  readonly textToNumber?: (text: string) => number;
  readonly textToText?: (text: string) => string;
}

/** A CC block with its links followed (ASAM MDF 4.1.0, 4.17). */
export interface ConversionFields {
  readonly type: number;
  readonly values: readonly number[];
  /** The same fields read as u64, for bit masks. */
  readonly masks: readonly bigint[];
  readonly references: readonly Reference[];
  readonly unit: string;
  readonly name: string;
}

/** Undefined for a nil link. */
export type Reference = string | Conversion | undefined;

/** What each conversion type says beyond name and unit. */
type Meaning = Omit<Conversion, 'unit' | 'name'>;

/**
 * The conversion a CC block declares; undefined where it leaves values as they are. `integer` tells whether raw values
 * are whole: ranges then include their upper end, else not (4.17.5).
 * @throws {Mdf4Damage} where parameters are missing or the type is unknown
 */
export function compileConversion(fields: ConversionFields, integer: boolean): Conversion | undefined {
  const meaning = meaningOf(fields, integer);
  return meaning && { ...meaning, unit: fields.unit, name: fields.name };
}

function meaningOf(fields: ConversionFields, integer: boolean): Meaning | undefined {
  const { values, references } = fields;
  switch (fields.type) {
    case 0:
      return undefined;
    case 1:
      return linear(parameter(values, 1), parameter(values, 0));
    case 2:
      return rational(values);
    case 3: {
      const text = typeof references[0] === 'string' ? references[0] : '';
      return { description: `formula ${text}`, toNumber: compileFormula(text) };
    }
    case 4:
    case 5:
      return table(values, fields.type === 4);
    case 6:
      return rangeToValue(values, integer);
    case 7:
      return named(fields, valueChooser(values), (index) => String(values[index]));
    case 8:
      return named(fields, rangeChooser(values, integer), (index) => rangeKey(values, index));
    case 9:
      return textToValue(fields);
    case 10:
      return textToText(references);
    case 11:
      return bitFields(fields);
    default:
      throw new Mdf4Damage(`conversion type ${fields.type} is not known`);
  }
}

function parameter(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Mdf4Damage(`a conversion lacks its parameter ${index}`);
  return value;
}

function linear(factor: number, offset: number): Meaning | undefined {
  if (factor === 1 && offset === 0) return undefined;
  return {
    description: `raw * ${factor} + ${offset}`,
    toNumber: (raw) => raw * factor + offset,
    linear: { factor, offset },
  };
}

function rational(values: readonly number[]): Meaning {
  const [p1, p2, p3, p4, p5, p6] = [0, 1, 2, 3, 4, 5].map((index) => parameter(values, index));
  return {
    description: `(${p1} raw^2 + ${p2} raw + ${p3}) / (${p4} raw^2 + ${p5} raw + ${p6})`,
    toNumber: (raw) => (p1! * raw * raw + p2! * raw + p3!) / (p4! * raw * raw + p5! * raw + p6!),
  };
}

/** Keys ascend; outside of them the first or last value holds. Without interpolation the nearer key, if equal the lower. */
function table(values: readonly number[], interpolate: boolean): Meaning {
  const count = values.length >> 1;
  parameter(values, 1);
  const keys = Float64Array.from({ length: count }, (_, index) => values[index * 2]!);
  const results = Float64Array.from({ length: count }, (_, index) => values[index * 2 + 1]!);
  const toNumber = (raw: number) => {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keys[middle]! <= raw) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return Number.isNaN(raw) ? Number.NaN : results[0]!;
    const below = low - 1;
    if (low === count || keys[below] === raw) return results[below]!;
    const share = (raw - keys[below]!) / (keys[low]! - keys[below]!);
    if (!interpolate) return share <= 0.5 ? results[below]! : results[low]!;
    return results[below]! + share * (results[low]! - results[below]!);
  };
  return { description: `table of ${count} values${interpolate ? ', interpolated' : ''}`, toNumber };
}

function rangeToValue(values: readonly number[], integer: boolean): Meaning {
  const count = Math.floor(values.length / 3);
  const fallback = values[count * 3] ?? Number.NaN;
  const toNumber = (raw: number) => {
    for (let index = 0; index < count; index++) {
      if (isInRange(values[index * 3]!, values[index * 3 + 1]!, raw, integer)) return values[index * 3 + 2]!;
    }
    return fallback;
  };
  return { description: `table of ${count} ranges`, toNumber };
}

/** A range of one value includes it whatever the raw type: else it could never be met. */
function isInRange(low: number, high: number, raw: number, integer: boolean): boolean {
  return low <= raw && (raw < high || (raw === high && (integer || low === high)));
}

/** Chooses among `count` references; `count` itself is the default. */
interface Chooser {
  readonly count: number;
  choose(raw: number): number;
}

function valueChooser(values: readonly number[]): Chooser {
  const indexByValue = new Map(values.map((value, index) => [value, index]));
  return { count: values.length, choose: (raw) => indexByValue.get(raw) ?? values.length };
}

function rangeChooser(values: readonly number[], integer: boolean): Chooser {
  const count = values.length >> 1;
  const choose = (raw: number) => {
    for (let index = 0; index < count; index++) {
      if (isInRange(values[index * 2]!, values[index * 2 + 1]!, raw, integer)) return index;
    }
    return count;
  };
  return { count, choose };
}

function rangeKey(values: readonly number[], index: number): string {
  const [low, high] = [values[index * 2], values[index * 2 + 1]];
  return low === high ? String(low) : `${low}..${high}`;
}

/** Value or range to text, or to a further conversion (`cc_ref` may name either). */
function named(fields: ConversionFields, chooser: Chooser, keyOf: (index: number) => string): Meaning {
  const references = fields.references.slice(0, chooser.count + 1);
  const choices: Record<string, string> = {};
  references.forEach((reference, index) => {
    if (typeof reference === 'string')
      choices[index === chooser.count ? 'default' : keyOf(index)] = reference;
  });
  const chosen = (raw: number) => references[chooser.choose(raw)];
  const hasNumbers = references.some(
    (reference) => typeof reference === 'object' && reference.toNumber !== undefined,
  );
  const toText = (raw: number) => {
    const reference = chosen(raw);
    return typeof reference === 'object' ? reference.toText?.(raw) : reference;
  };
  const toNumber = (raw: number) => {
    const reference = chosen(raw);
    return typeof reference === 'object' ? (reference.toNumber?.(raw) ?? Number.NaN) : Number.NaN;
  };
  return {
    description: `${chooser.count} named ${fields.type === 7 ? 'values' : 'ranges'}`,
    choices,
    toText,
    ...(hasNumbers ? { toNumber } : {}),
  };
}

function textToValue({ references, values }: ConversionFields): Meaning {
  const texts = new Map<string, number>();
  references.forEach((reference, index) => {
    if (typeof reference === 'string') texts.set(reference, values[index] ?? Number.NaN);
  });
  const fallback = values[references.length] ?? Number.NaN;
  return {
    description: `${references.length} texts to values`,
    textToNumber: (text) => texts.get(text) ?? fallback,
  };
}

function textToText(references: readonly Reference[]): Meaning {
  const texts = new Map<string, Reference>();
  const count = references.length >> 1;
  for (let index = 0; index < count; index++) {
    const key = references[index * 2];
    if (typeof key === 'string') texts.set(key, references[index * 2 + 1]);
  }
  const fallback = references[count * 2];
  return {
    description: `${count} texts to texts`,
    textToText: (text) => {
      const result = texts.has(text) ? texts.get(text) : fallback;
      return typeof result === 'string' ? result : text;
    },
  };
}

/** Each mask selects bits that a conversion of its own names; the names are joined with `|`. */
function bitFields({ references, masks }: ConversionFields): Meaning {
  const toText = (raw: number) => {
    const bits = BigInt.asUintN(64, BigInt(Number.isFinite(raw) ? Math.trunc(raw) : 0));
    const parts = references.flatMap((reference, index) => {
      if (typeof reference !== 'object') return [];
      const text = reference.toText?.(Number(bits & (masks[index] ?? 0n)));
      if (text === undefined || text === '') return [];
      return [reference.name === '' ? text : `${reference.name} = ${text}`];
    });
    return parts.join('|');
  };
  return { description: `${references.length} bit fields`, toText };
}
