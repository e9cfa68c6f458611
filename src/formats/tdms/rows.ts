import type { ColumnBatch, ColumnType, ColumnValues, VariableValues } from '../recording-reader.ts';

/** The rows `kept` of a column without lists, in that order. */
export function keepRows(column: ColumnBatch, kept: Uint32Array): ColumnBatch {
  const { values, validity } = column;
  const keptValues = 'kind' in values ? keepTexts(values as VariableValues, kept) : keepNumbers(values, kept);
  return validity === undefined
    ? { values: keptValues }
    : { values: keptValues, validity: keepNumbers(validity, kept) };
}

type Numbers = Exclude<ColumnValues, { readonly kind: string }>;

export function keepNumbers<T extends Numbers>(values: T, kept: Uint32Array): T {
  const result = values.slice(0, kept.length) as T;
  for (let row = 0; row < kept.length; row++) result[row] = values[kept[row]!]!;
  return result;
}

function keepTexts({ offsets, bytes }: VariableValues, kept: Uint32Array): VariableValues {
  const newOffsets = new Uint32Array(kept.length + 1);
  const texts = Array.from(kept, (row) => bytes.subarray(offsets[row]!, offsets[row + 1]!));
  for (const [row, text] of texts.entries()) newOffsets[row + 1] = newOffsets[row]! + text.length;
  const newBytes = new Uint8Array(newOffsets[kept.length]!);
  for (const [row, text] of texts.entries()) newBytes.set(text, newOffsets[row]);
  return { kind: 'variable', offsets: newOffsets, bytes: newBytes };
}

/** A column in which no row has a value. */
export function nullColumn(type: ColumnType, rowCount: number): ColumnBatch {
  const validity = new Uint8Array(rowCount);
  switch (type) {
    case 'string':
      return {
        values: { kind: 'variable', offsets: new Uint32Array(rowCount + 1), bytes: new Uint8Array(0) },
        validity,
      };
    case 'int64':
    case 'timestamp':
      return { values: new BigInt64Array(rowCount), validity };
    case 'uint64':
      return { values: new BigUint64Array(rowCount), validity };
    case 'float32':
      return { values: new Float32Array(rowCount), validity };
    case 'int8':
      return { values: new Int8Array(rowCount), validity };
    case 'int16':
      return { values: new Int16Array(rowCount), validity };
    case 'uint16':
      return { values: new Uint16Array(rowCount), validity };
    case 'int32':
      return { values: new Int32Array(rowCount), validity };
    case 'uint32':
      return { values: new Uint32Array(rowCount), validity };
    case 'bool':
    case 'uint8':
      return { values: new Uint8Array(rowCount), validity };
    default:
      return { values: new Float64Array(rowCount), validity };
  }
}
