import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { SyncTask } from '#domain/tasks/sync-task.ts';
import { align, gridOf, type Signal } from '#domain/timeline.ts';

/** A table of the task with its signals in memory: two numbers a sample. */
export interface LoadedTable {
  readonly selected: SyncTask['tables'][number];
  /** In the order of `selected.signals`. */
  readonly signals: readonly Signal[];
}

export interface SynchronizedTable {
  readonly columns: readonly TableColumn[];
  readonly rows: TableRows;
}

/** One table over the whole time any of the tables covers. */
export function synchronize(
  tables: readonly LoadedTable[],
  options: { readonly periodNs: bigint; readonly toleranceNs: bigint },
): SynchronizedTable {
  const filled = tables.filter((table) => (table.signals[0]?.timestampsNs.length ?? 0) > 0);
  const starts = BigInt64Array.from(filled, (table) => table.signals[0]!.timestampsNs[0]!).sort();
  const ends = BigInt64Array.from(filled, (table) => table.signals[0]!.timestampsNs.at(-1)!).sort();
  const grid = filled.length === 0 ? new BigInt64Array() : gridOf(starts[0]!, ends.at(-1)!, options.periodNs);
  const columns: TableColumn[] = [TIME_COLUMN];
  const values: TableRows['columns'][number][] = [{ values: grid }];
  for (const { selected, signals } of tables) {
    selected.signals.forEach((signal, index) => {
      columns.push({
        name: signal.name,
        type: 'float64',
        ...(signal.unit === undefined ? {} : { unit: signal.unit }),
        source: `${selected.source} ${signal.column}, ${signal.method}, null when more than ${Number(options.toleranceNs) / 1e6} ms away`,
      });
      values.push(align(signals[index]!, grid, signal.method, options.toleranceNs));
    });
  }
  return { columns, rows: { rowCount: grid.length, columns: values } };
}

/**
 * A signal whose times ascend. Recorders write late messages late; order is by time here, and among equal times the
 * one written last counts.
 */
export function inOrderOfTime(signal: Signal): Signal {
  const { timestampsNs: times } = signal;
  let ordered = true;
  for (let index = 1; index < times.length && ordered; index++) ordered = times[index - 1]! <= times[index]!;
  if (ordered) return signal;
  const order = Array.from(times.keys()).toSorted((a, b) =>
    times[a]! < times[b]! ? -1 : times[a]! > times[b]! ? 1 : a - b,
  );
  return {
    timestampsNs: BigInt64Array.from(order, (index) => times[index]!),
    values: Float64Array.from(order, (index) => signal.values[index]!),
    ...(signal.validity === undefined
      ? {}
      : { validity: Uint8Array.from(order, (index) => signal.validity![index]!) }),
  };
}
