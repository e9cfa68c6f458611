import { Conflict } from '#domain/failures.ts';
import { type FleetTableKind, PARTITION_COLUMNS } from '#domain/fleet-tables.ts';
import { fleetTableIdOf } from '#domain/identity.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MeasurementRows } from '#domain/ports/fleet-tables.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import type { AddFile, DeltaAction } from './delta-actions.ts';
import { DeltaLog, protocolOf } from './delta-log.ts';
import {
  type DeltaField,
  deltaColumnsOf,
  extendedSchema,
  type StoredColumn,
  schemaStringOf,
} from './delta-schema.ts';
import type { DeltaState } from './delta-state.ts';
import { addOf, dataPathOf, partitionValuesOf } from './measurement-file.ts';
import { copyOnce } from './server-side-copy.ts';

/** So often another writer may be first; with one committer that happens when two processes overlap for a moment. */
const ATTEMPTS_MAX = 20;

const TIME_COLUMNS: Readonly<Record<FleetTableKind, { readonly start: string; readonly end: string }>> = {
  synchronized: { start: TIME_COLUMN.name, end: TIME_COLUMN.name },
  enriched: { start: TIME_COLUMN.name, end: TIME_COLUMN.name },
  scenes: { start: 'start_time', end: 'end_time' },
};

export interface DeltaTablePorts {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** How a TableWriter lays these columns out in Parquet. */
  readonly storedColumns: (
    columns: NonNullable<MeasurementRows['table']>['columns'],
  ) => readonly StoredColumn[];
}

export interface DeltaTableFacts {
  readonly name: string;
  readonly fleet: string;
  readonly kind: FleetTableKind;
  /** Ends with a slash. */
  readonly folder: BlobLocation;
}

interface Waiting {
  readonly rows: MeasurementRows;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * One Delta table, and the one who commits to it in this process. What arrives while a commit is under way goes into
 * the next one together, so that a thousand measurements need far fewer than a thousand commits.
 */
export class DeltaTable {
  readonly facts: DeltaTableFacts;
  readonly #ports: DeltaTablePorts;
  readonly #log: DeltaLog;
  #waiting: Waiting[] = [];
  #committing = false;

  constructor(facts: DeltaTableFacts, ports: DeltaTablePorts) {
    this.facts = facts;
    this.#ports = ports;
    this.#log = new DeltaLog(ports, facts.folder);
  }

  state(): Promise<DeltaState> {
    return this.#log.state();
  }

  /** The newest generation of the measurement that was committed; 0 when none was. */
  async generationOf(measurementId: string): Promise<number> {
    return (await this.state()).transactionVersion(appIdOf(measurementId));
  }

  async filesOf(measurementId: string): Promise<readonly AddFile[]> {
    return filesOf(await this.state(), measurementId);
  }

  /** Copies the file into the table's folder, if there is one, and commits. */
  async replace(rows: MeasurementRows): Promise<void> {
    if (rows.table !== undefined) {
      const { file } = rows.table;
      const path = `${this.facts.folder.path}${this.#addOf(rows, rows.table).dataPath}`;
      await copyOnce(this.#ports.blobs, file, { ...this.facts.folder, path });
    }
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ rows, done });
    if (!this.#committing) void this.#commitWaiting();
    return done.promise;
  }

  async #commitWaiting(): Promise<void> {
    this.#committing = true;
    while (this.#waiting.length > 0) {
      // One generation of a measurement at a time: the next must see what this one has left.
      const measurements = new Set<string>();
      const group: Waiting[] = [];
      const later: Waiting[] = [];
      for (const waiting of this.#waiting) {
        const { measurementId } = waiting.rows;
        (measurements.has(measurementId) ? later : group).push(waiting);
        measurements.add(measurementId);
      }
      this.#waiting = later;
      await this.#commit(group.map(({ rows }) => rows)).then(
        () => group.forEach(({ done }) => void done.resolve()),
        (error: unknown) => group.forEach(({ done }) => void done.reject(error)),
      );
    }
    this.#committing = false;
  }

  async #commit(group: readonly MeasurementRows[]): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const state = await this.#log.state();
      const news = group.filter(
        ({ measurementId, generation }) => state.transactionVersion(appIdOf(measurementId)) < generation,
      );
      if (news.length === 0) return;
      const actions = [
        ...this.#tableActions(state, news),
        ...news.flatMap((rows) => this.#rowActions(state, rows)),
      ];
      const operation = state.version === -1 ? 'CREATE TABLE AS SELECT' : 'WRITE';
      if (await this.#log.commit(operation, actions)) return;
    }
    throw new Conflict(
      `${ATTEMPTS_MAX} commits to table ${this.facts.name} of fleet ${this.facts.fleet} were overtaken by other writers.`,
    );
  }

  /** Makes the table, or gives it the columns it lacks. */
  #tableActions(state: DeltaState, news: readonly MeasurementRows[]): readonly DeltaAction[] {
    const actions: DeltaAction[] = [];
    let metadata = state.metadata;
    for (const { table } of news) {
      if (table === undefined) continue;
      const { fields, partitionColumns, mapped } = deltaColumnsOf(this.#ports.storedColumns(table.columns));
      if (metadata === undefined) {
        actions.push({ protocol: protocolOf({ mapped }) });
        metadata = {
          id: fleetTableIdOf(this.facts.folder.account, this.facts.fleet, this.facts.name),
          name: this.facts.name,
          description: `${this.facts.kind} of all measurements of fleet ${this.facts.fleet}`,
          format: { provider: 'parquet', options: {} },
          schemaString: schemaStringOf(fields),
          partitionColumns: [...partitionColumns],
          configuration: mapped ? mappingOf(fields) : {},
          createdTime: this.#ports.clock.now().getTime(),
        };
        continue;
      }
      const schemaString = extendedSchema(this.facts.name, metadata.schemaString, fields);
      if (schemaString !== undefined) metadata = { ...metadata, schemaString };
    }
    return metadata === undefined || metadata === state.metadata
      ? actions
      : [...actions, { metaData: metadata }];
  }

  #rowActions(state: DeltaState, rows: MeasurementRows): readonly DeltaAction[] {
    const lastUpdated = this.#ports.clock.now().getTime();
    const appId = appIdOf(rows.measurementId);
    const removes = filesOf(state, rows.measurementId).map(({ path, partitionValues, size }) => ({
      remove: {
        path,
        deletionTimestamp: lastUpdated,
        dataChange: true,
        extendedFileMetadata: true,
        partitionValues,
        size,
      },
    }));
    const adds = rows.table === undefined ? [] : [{ add: this.#addOf(rows, rows.table).add }];
    return [{ txn: { appId, version: rows.generation, lastUpdated } }, ...removes, ...adds];
  }

  #addOf(rows: MeasurementRows, table: NonNullable<MeasurementRows['table']>) {
    const { partitionColumns } = deltaColumnsOf(this.#ports.storedColumns(table.columns));
    const values = partitionValuesOf(rows, partitionColumns);
    const dataPath = dataPathOf(values, table.file.sha256);
    const times = TIME_COLUMNS[this.facts.kind];
    return { dataPath, add: addOf(table, dataPath, values, times, this.#ports.clock.now()) };
  }
}

function mappingOf(fields: readonly DeltaField[]): Record<string, string> {
  return { 'delta.columnMapping.mode': 'name', 'delta.columnMapping.maxColumnId': String(fields.length) };
}

/** Of the log's transactions: within a table, a measurement is an application and its generation the version. */
function appIdOf(measurementId: string): string {
  return `landfall/${measurementId}`;
}

function filesOf({ files }: DeltaState, measurementId: string): readonly AddFile[] {
  return [...files.values()].filter((file) => measurementOf(file).measurementId === measurementId);
}

/** Whose file it is. Names of partition columns may have a number behind them; they are the last ones. */
export function measurementOf({ partitionValues }: AddFile): {
  readonly measurementId: string;
  readonly generation: number;
} {
  const value = (name: string) =>
    Object.entries(partitionValues).find(([column]) => column.startsWith(name))?.[1] ?? '';
  return {
    measurementId: value(PARTITION_COLUMNS[2].name),
    generation: Number(value(PARTITION_COLUMNS[3].name)),
  };
}
