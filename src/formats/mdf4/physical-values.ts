import type { Conversion } from './conversion.ts';
import type { NumberValues } from './field-values.ts';

/** Raw values through a numeric conversion, as float64. */
export function applyNumeric(raw: NumberValues, conversion: Conversion | undefined): Float64Array {
  const physical = toFloat64(raw);
  if (conversion?.linear !== undefined) {
    const { factor, offset } = conversion.linear;
    for (let i = 0; i < physical.length; i++) physical[i] = physical[i]! * factor + offset;
  } else if (conversion?.toNumber !== undefined) {
    const { toNumber } = conversion;
    for (let i = 0; i < physical.length; i++) physical[i] = toNumber(physical[i]!);
  }
  return physical;
}

/** Float64 values are given back as they are; 64-bit integers are put together from their words, without BigInts. */
export function toFloat64(raw: NumberValues): Float64Array {
  if (raw instanceof Float64Array) return raw;
  if (!(raw instanceof BigInt64Array || raw instanceof BigUint64Array)) return new Float64Array(raw);
  const lows = new Uint32Array(raw.buffer, raw.byteOffset, raw.length * 2);
  const highs =
    raw instanceof BigInt64Array ? new Int32Array(raw.buffer, raw.byteOffset, raw.length * 2) : lows;
  const values = new Float64Array(raw.length);
  for (let i = 0; i < values.length; i++) values[i] = highs[i * 2 + 1]! * 2 ** 32 + lows[i * 2]!;
  return values;
}
