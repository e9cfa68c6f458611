import type { ColumnBatch, TableBatch } from '#formats/recording-reader.ts';

/** The rows of a batch whose numbers are given, in that order. */
export function rowsOf(batch: TableBatch, rows: readonly number[]): TableBatch {
  if (rows.length === batch.rowCount) return batch;
  return {
    ...batch,
    rowCount: rows.length,
    timestampsNs: BigInt64Array.from(rows, (row) => batch.timestampsNs[row]!),
    columns: batch.columns.map((column) => columnRows(column, rows)),
  };
}

function columnRows({ values, validity }: ColumnBatch, rows: readonly number[]): ColumnBatch {
  return {
    values: valueRows(values, rows),
    ...(validity === undefined ? {} : { validity: Uint8Array.from(rows, (row) => validity[row]!) }),
  };
}

function valueRows(values: ColumnBatch['values'], rows: readonly number[]): ColumnBatch['values'] {
  if (!('kind' in values)) {
    // All numeric arrays are alike here; their union has no common call signature.
    const numbers = values as Float64Array;
    const make = values.constructor as new (length: number) => Float64Array;
    const picked = new make(rows.length);
    rows.forEach((row, index) => {
      picked[index] = numbers[row]!;
    });
    return picked;
  }
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, index) => {
    offsets[index + 1] = offsets[index]! + values.offsets[row + 1]! - values.offsets[row]!;
  });
  if (values.kind === 'variable') {
    const bytes = new Uint8Array(offsets[rows.length]!);
    rows.forEach((row, index) => {
      bytes.set(values.bytes.subarray(values.offsets[row], values.offsets[row + 1]), offsets[index]);
    });
    return { kind: 'variable', offsets, bytes };
  }
  const items = rows.flatMap((row) => {
    const [from, to] = [values.offsets[row]!, values.offsets[row + 1]!];
    return Array.from({ length: to - from }, (_, index) => from + index);
  });
  return { kind: 'list', offsets, items: valueRows(values.items, items) };
}
