import type { ColumnBatch, LossCounter, Selection, TableBatch } from '../recording-reader.ts';
import type { ColumnPlan, Rows } from './columns.ts';
import { keepNumbers, keepRows } from './rows.ts';
import type { Mdf4Table } from './tables.ts';
import { masterSeconds, toTimestamps } from './timestamps.ts';

/** A table with the columns that are asked for. */
export interface SelectedTable {
  readonly table: Mdf4Table;
  /** Plans by part, in the order of the table. */
  readonly plans: readonly (readonly ColumnPlan[])[];
}

export function selectColumns(table: Mdf4Table, columns: readonly string[] | undefined): SelectedTable {
  const wanted = columns === undefined ? undefined : new Set(columns);
  const plans = table.parts.map((part) =>
    wanted === undefined ? part.columns : part.columns.filter((plan) => wanted.has(plan.schema.name)),
  );
  return { table, plans };
}

/**
 * One batch from the same rows of all parts; undefined where no row is left to keep. Rows whose bytes are lost or whose
 * time cannot be read are left out and counted; rows outside of the selected time only left out.
 */
export function batchOf(
  selected: SelectedTable,
  rowsByPart: readonly Rows[],
  damaged: Uint8Array | undefined,
  startTimeNs: bigint,
  selection: Selection,
  loss: LossCounter,
): TableBatch | undefined {
  const first = rowsByPart[0]!;
  const { master } = selected.table;
  const { count } = first.records;
  const seconds =
    master === undefined ? new Float64Array(count) : masterSeconds(master, first.records, first.firstRow);
  const { timestampsNs, unreadable } = toTimestamps(startTimeNs, seconds);
  const name = selected.table.summary.name;
  const place = `${name}, of the ${count} records from ${first.firstRow} on`;
  if (damaged !== undefined)
    loss.add(countOf(damaged), 0, `${place}: ${countOf(damaged)} lie in damaged blocks`);
  const kept = keptRows(timestampsNs, damaged, unreadable, selection);
  if (unreadable !== undefined) {
    const rows = unreadable.reduce((sum, bad, row) => sum + (bad === 1 && damaged?.[row] !== 1 ? 1 : 0), 0);
    if (rows > 0) loss.add(rows, 0, `${place}: ${rows} have a time that is no time`);
  }
  if (kept?.length === 0 || count === 0) return undefined;
  const columns: ColumnBatch[] = [];
  selected.plans.forEach((plans, part) => {
    for (const plan of plans) {
      const column = plan.decode(rowsByPart[part]!);
      columns.push(kept === undefined ? column : keepRows(column, kept));
    }
  });
  return {
    table: selected.table.summary,
    rowCount: kept?.length ?? count,
    timestampsNs: kept === undefined ? timestampsNs : keepNumbers(timestampsNs, kept),
    columns,
    columnSchemas: selected.plans.flatMap((plans) => plans.map((plan) => plan.schema)),
  };
}

/** Undefined where all rows stay. */
function keptRows(
  timestampsNs: BigInt64Array,
  damaged: Uint8Array | undefined,
  unreadable: Uint8Array | undefined,
  { startTimeNs, endTimeNs }: Selection,
): Uint32Array | undefined {
  if (!damaged && !unreadable && startTimeNs === undefined && endTimeNs === undefined) return undefined;
  const kept = new Uint32Array(timestampsNs.length);
  let count = 0;
  for (let row = 0; row < timestampsNs.length; row++) {
    if (damaged?.[row] === 1 || unreadable?.[row] === 1) continue;
    const time = timestampsNs[row]!;
    if (startTimeNs !== undefined && time < startTimeNs) continue;
    if (endTimeNs !== undefined && time >= endTimeNs) continue;
    kept[count++] = row;
  }
  return count === timestampsNs.length ? undefined : kept.subarray(0, count);
}

function countOf(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0);
}
