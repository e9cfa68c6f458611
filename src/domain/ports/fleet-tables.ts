import type { FleetTableKind } from '../fleet-tables.ts';
import type { BlobLocation, BlobReference } from '../vocabulary.ts';
import type { TableColumn } from './table-writer.ts';

/** Where the tables of a fleet lie: one account per zone and region. */
export interface FleetTablePlace {
  readonly account: string;
  readonly fleet: string;
  readonly kind: FleetTableKind;
}

/** What one generation of a measurement has for the tables of its fleet. */
export interface MeasurementRows {
  readonly measurementId: string;
  readonly generation: number;
  readonly vin: string;
  /** UTC day, `YYYY-MM-DD`. */
  readonly date: string;
  /** Absent: this generation has no rows, and those of older ones go. */
  readonly table?: {
    /** As a TableWriter was given them. */
    readonly columns: readonly TableColumn[];
    readonly file: BlobReference;
    readonly rowCount: number;
    /** RFC 3339 UTC, of the first and last row by time. */
    readonly startTime?: string;
    readonly endTime?: string;
  };
}

/** A file that readers of a table see. */
export interface TableFile {
  /** `scenes`, `synchronized-1a2b3c4d`. */
  readonly table: string;
  readonly location: BlobLocation;
  readonly measurementId: string;
  readonly generation: number;
  readonly rowCount: number;
}

/** Tables over all measurements of a fleet, open to those who analyse: each generation's rows once, the newest only. */
export interface FleetTables {
  /** Whether the fleet has tables of this kind in this account. */
  exist(place: FleetTablePlace): Promise<boolean>;
  /**
   * Makes `rows` all that the fleet's tables of this kind hold of the measurement, atomically within a table.
   * `known`: it was so already. `superseded`: a newer generation is there, nothing changed.
   * @throws {TerminalFailure} `not-found` when the file is not there; `not-allowed` when a column of the table has
   * another type, or another program has given the table features that we cannot write.
   * @throws {Conflict} when other writers were first too often.
   */
  replace(place: FleetTablePlace, rows: MeasurementRows): Promise<'replaced' | 'known' | 'superseded'>;
  /** Everything that is in the tables of this kind. */
  files(place: FleetTablePlace): Promise<readonly TableFile[]>;
}
