import type { TableColumn, TableRows } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { SyncTask } from '#domain/tasks/sync-task.ts';
import { align, gridBlocks, joinedStretches, REACH_TOLERANCES, type Stretch } from '#domain/timeline.ts';
import { MovingWindow, type TimedRows } from './rows-in-time.ts';

/** A table of the task: when it was recorded, and its rows in order of time, the columns as in `selected.signals`. */
export interface SourceTable {
  readonly selected: SyncTask['tables'][number];
  readonly stretches: readonly Stretch[];
  readonly rows: AsyncIterable<TimedRows>;
}

export interface TimelineOptions {
  readonly periodNs: bigint;
  /** A sample further away than this is stale. */
  readonly toleranceNs: bigint;
  /** Rows that are aligned at once; absent: as many as make about a minute. */
  readonly blockRows?: number;
}

/** Without a sample for this long, the recorder paused: the timeline goes on when it does. */
export const PAUSE_NS_MIN = 60_000_000_000n;
const BLOCK_NS = 60_000_000_000n;
const BLOCK_ROWS = { min: 16n, max: 2048n };

export function synchronizedColumns(
  tables: readonly Pick<SourceTable, 'selected'>[],
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

/**
 * One table over all times at which any of the tables has rows, block by block. In memory are of each table the rows
 * of about a minute, and those of a batch: however long the recording.
 */
export async function* synchronizedRows(
  tables: readonly SourceTable[],
  { periodNs, toleranceNs, blockRows }: TimelineOptions,
): AsyncGenerator<TableRows> {
  const stretches = joinedStretches(
    tables.flatMap((table) => table.stretches),
    PAUSE_NS_MIN,
  );
  const windows = tables.map(({ rows, selected }) => new MovingWindow(rows, selected.signals.length));
  const reachNs = REACH_TOLERANCES * toleranceNs;
  try {
    for (const grid of gridBlocks(stretches, periodNs, blockRows ?? blockRowsOf(periodNs))) {
      const columns: TableRows['columns'][number][] = [{ values: grid }];
      for (const [number, { selected }] of tables.entries()) {
        const signals = await windows[number]!.between(grid[0]! - reachNs, grid.at(-1)! + reachNs);
        selected.signals.forEach(({ method }, index) => {
          columns.push(align(signals[index]!, grid, method, toleranceNs));
        });
      }
      yield { rowCount: grid.length, columns };
    }
  } finally {
    for (const window of windows) await window.close();
  }
}

function blockRowsOf(periodNs: bigint): number {
  const rows = BLOCK_NS / periodNs;
  return Number(rows < BLOCK_ROWS.min ? BLOCK_ROWS.min : rows > BLOCK_ROWS.max ? BLOCK_ROWS.max : rows);
}
