import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { SyncTask } from '#domain/tasks/sync-task.ts';
import { align, gridOf, recordedStretches, type Signal } from '#domain/timeline.ts';

/** A table of the task with its signals in memory: two numbers a sample. */
export interface LoadedTable {
  readonly selected: SyncTask['tables'][number];
  /** In the order of `selected.signals`. */
  readonly signals: readonly Signal[];
}

export interface TimelineOptions {
  readonly periodNs: bigint;
  /** A sample further away than this is stale. */
  readonly toleranceNs: bigint;
}

/** Without a sample for this long, the recorder paused: the timeline goes on when it does. */
const PAUSE_NS_MIN = 60_000_000_000n;
/** Rows that are aligned at once, for every signal. */
const BLOCK_ROWS = 16_384;

export function synchronizedColumns(
  tables: readonly LoadedTable[],
  { toleranceNs }: TimelineOptions,
): readonly TableColumn[] {
  const staleAfter = `null when more than ${Number(toleranceNs) / 1e6} ms away`;
  const signals = tables.flatMap(({ selected }) =>
    selected.signals.map(
      (signal): TableColumn => ({
        name: signal.name,
        type: 'float64',
        ...(signal.unit === undefined ? {} : { unit: signal.unit }),
        source: `${selected.source} ${signal.column}, ${signal.method}, ${staleAfter}`,
      }),
    ),
  );
  return [TIME_COLUMN, ...signals];
}

/** One table over all times at which any of the tables has rows, block by block. */
export function* synchronizedRows(
  tables: readonly LoadedTable[],
  { periodNs, toleranceNs }: TimelineOptions,
): Generator<TableRows> {
  const times = tables.flatMap(({ signals }) => signals[0]?.timestampsNs ?? []);
  for (const { startNs, endNs } of recordedStretches(times, PAUSE_NS_MIN)) {
    const grid = gridOf(startNs, endNs, periodNs);
    for (let row = 0; row < grid.length; row += BLOCK_ROWS) {
      const block = grid.subarray(row, row + BLOCK_ROWS);
      const columns: TableRows['columns'][number][] = [{ values: block }];
      for (const { selected, signals } of tables) {
        selected.signals.forEach(({ method }, index) => {
          columns.push(align(signals[index]!, block, method, toleranceNs));
        });
      }
      yield { rowCount: block.length, columns };
    }
  }
}

/**
 * Signals of one table with ascending times, without nulls. Recorders write late messages late; order is by time
 * here, and among equal times the one written last counts.
 */
export function inOrderOfTime(
  timestampsNs: BigInt64Array,
  columns: readonly { readonly values: Float64Array; readonly validity: Uint8Array }[],
): readonly Signal[] {
  let ordered = true;
  for (let index = 1; index < timestampsNs.length && ordered; index++)
    ordered = timestampsNs[index - 1]! <= timestampsNs[index]!;
  if (ordered) return columns.map((column) => ({ timestampsNs, ...column }));
  const order = Array.from(timestampsNs.keys()).toSorted((a, b) =>
    timestampsNs[a]! < timestampsNs[b]! ? -1 : timestampsNs[a]! > timestampsNs[b]! ? 1 : a - b,
  );
  const times = BigInt64Array.from(order, (index) => timestampsNs[index]!);
  return columns.map(({ values, validity }) => ({
    timestampsNs: times,
    values: Float64Array.from(order, (index) => values[index]!),
    validity: Uint8Array.from(order, (index) => validity[index]!),
  }));
}
