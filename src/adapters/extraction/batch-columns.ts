import type { TableBatch } from '#formats/recording-reader.ts';

/** Columns of a batch by name, as the kinds that messages of a known type have. */

type Numbers = ArrayLike<number | bigint>;

export function numberColumn(batch: TableBatch, name: string): Numbers | undefined {
  const values = valuesOf(batch, name);
  return values === undefined || 'kind' in values ? undefined : values;
}

/** The bytes of each row; strings too. */
export function bytesColumn(batch: TableBatch, name: string): ((row: number) => Uint8Array) | undefined {
  const values = valuesOf(batch, name);
  if (values === undefined || !('kind' in values)) return undefined;
  const { offsets } = values;
  const bytes = values.kind === 'variable' ? values.bytes : values.items;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return (row) => bytes.subarray(offsets[row], offsets[row + 1]);
}

export function textColumn(batch: TableBatch, name: string): ((row: number) => string) | undefined {
  const bytes = bytesColumn(batch, name);
  const decoder = new TextDecoder();
  return bytes === undefined ? undefined : (row) => decoder.decode(bytes(row));
}

/** The numbers of each row's list. */
export function numberListColumn(
  batch: TableBatch,
  name: string,
): ((row: number) => Float64Array) | undefined {
  const values = valuesOf(batch, name);
  if (values === undefined || !('kind' in values) || values.kind !== 'list' || 'kind' in values.items)
    return undefined;
  const { offsets, items } = values;
  const numbers = items as ArrayLike<number | bigint> & {
    subarray(from?: number, to?: number): ArrayLike<number | bigint>;
  };
  return (row) => Float64Array.from(numbers.subarray(offsets[row], offsets[row + 1]), Number);
}

/** The numbers of each list in each row's list. */
export function nestedNumbersColumn(
  batch: TableBatch,
  name: string,
): ((row: number) => readonly Float64Array[]) | undefined {
  const values = valuesOf(batch, name);
  if (values === undefined || !('kind' in values) || values.kind !== 'list') return undefined;
  const { items: inner, offsets } = values;
  if (!('kind' in inner) || inner.kind !== 'list' || 'kind' in inner.items) return undefined;
  const numbers = inner.items as Float32Array | Float64Array;
  const list = (index: number) => numbers.subarray(inner.offsets[index], inner.offsets[index + 1]);
  return (row) =>
    Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, index) =>
      Float64Array.from(list(offsets[row]! + index)),
    );
}

/** The texts of each row's list. */
export function textListColumn(
  batch: TableBatch,
  name: string,
): ((row: number) => readonly string[]) | undefined {
  const values = valuesOf(batch, name);
  if (values === undefined || !('kind' in values) || values.kind !== 'list') return undefined;
  const { items, offsets } = values;
  if (!('kind' in items) || items.kind !== 'variable') return undefined;
  const decoder = new TextDecoder();
  const text = (index: number) =>
    decoder.decode(items.bytes.subarray(items.offsets[index], items.offsets[index + 1]));
  return (row) =>
    Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, index) => text(offsets[row]! + index));
}

function valuesOf(batch: TableBatch, name: string) {
  const index = batch.columnSchemas.findIndex((schema) => schema.name === name);
  return batch.columns[index]?.values;
}
