import type { ColumnBatch, ColumnValues, ListValues, VariableValues } from '../recording-reader.ts';

/** The rows `kept` of a column, in that order. */
export function keepRows(column: ColumnBatch, kept: Uint32Array): ColumnBatch {
  const values = keepValues(column.values, kept);
  return column.validity === undefined
    ? { values }
    : { values, validity: keepNumbers(column.validity, kept) };
}

function keepValues(values: ColumnValues, kept: Uint32Array): ColumnValues {
  if (!('kind' in values)) return keepNumbers(values, kept);
  return values.kind === 'list' ? keepLists(values, kept) : keepVariable(values, kept);
}

type Numbers = Exclude<ColumnValues, VariableValues | ListValues>;

export function keepNumbers<T extends Numbers>(values: T, kept: Uint32Array): T {
  const result = values.slice(0, kept.length) as T;
  for (let row = 0; row < kept.length; row++) result[row] = values[kept[row]!]!;
  return result;
}

function keepVariable(values: VariableValues, kept: Uint32Array): VariableValues {
  const { offsets, items } = keepSpans(values.offsets, kept);
  return { kind: 'variable', offsets, bytes: keepNumbers(values.bytes, items) };
}

function keepLists(values: ListValues, kept: Uint32Array): ListValues {
  const { offsets, items } = keepSpans(values.offsets, kept);
  return { kind: 'list', offsets, items: keepValues(values.items, items) };
}

function keepSpans(offsets: Uint32Array, kept: Uint32Array) {
  const newOffsets = new Uint32Array(kept.length + 1);
  for (let row = 0; row < kept.length; row++) {
    newOffsets[row + 1] = newOffsets[row]! + offsets[kept[row]! + 1]! - offsets[kept[row]!]!;
  }
  const items = new Uint32Array(newOffsets[kept.length]!);
  for (let row = 0; row < kept.length; row++) {
    const first = offsets[kept[row]!]!;
    for (let at = newOffsets[row]!, item = first; at < newOffsets[row + 1]!; at++, item++) items[at] = item;
  }
  return { offsets: newOffsets, items };
}
