import type { NullableColumn } from './scene-intervals.ts';

/** Columns of tables in memory, as TableWriter and TableReader hold them (ports/table-writer.ts). */

interface Batch {
  readonly rowCount: number;
  readonly columns: readonly { readonly values: unknown; readonly validity?: Uint8Array }[];
}

/** Texts as a column of UTF-8 strings. */
export function textValues(texts: readonly string[]): {
  readonly kind: 'variable';
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
} {
  const parts = texts.map((text) => new TextEncoder().encode(text));
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, index) => {
    offsets[index + 1] = offsets[index]! + part.length;
  });
  const bytes = new Uint8Array(offsets[parts.length]!);
  parts.forEach((part, index) => {
    bytes.set(part, offsets[index]);
  });
  return { kind: 'variable', offsets, bytes };
}

/** One numeric column over all batches, as float64. 64-bit integers beyond 2^53 lose their last digits. */
export function numbersOf(batches: readonly Batch[], index: number): NullableColumn {
  const rowCount = rowCountOf(batches);
  const values = new Float64Array(rowCount);
  const validity = new Uint8Array(rowCount);
  let offset = 0;
  for (const batch of batches) {
    const column = batch.columns[index]!;
    values.set(Float64Array.from(column.values as ArrayLike<number>, Number), offset);
    validity.set(column.validity ?? new Uint8Array(batch.rowCount).fill(1), offset);
    offset += batch.rowCount;
  }
  return { values, validity };
}

/** One column of times over all batches, in nanoseconds. */
export function timesOf(batches: readonly Batch[], index: number): BigInt64Array {
  const times = new BigInt64Array(rowCountOf(batches));
  let offset = 0;
  for (const batch of batches) {
    times.set(batch.columns[index]!.values as BigInt64Array, offset);
    offset += batch.rowCount;
  }
  return times;
}

/** One column of texts over all batches. */
export function textsOf(batches: readonly Batch[], index: number): string[] {
  const decoder = new TextDecoder();
  return batches.flatMap((batch) => {
    const { offsets, bytes } = batch.columns[index]!.values as { offsets: Uint32Array; bytes: Uint8Array };
    return Array.from({ length: batch.rowCount }, (_, row) =>
      decoder.decode(bytes.subarray(offsets[row], offsets[row + 1])),
    );
  });
}

function rowCountOf(batches: readonly Batch[]): number {
  return batches.reduce((sum, batch) => sum + batch.rowCount, 0);
}
